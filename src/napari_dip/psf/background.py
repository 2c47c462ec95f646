"""The background of a measured point spread function."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

#: What to do with the background.
Treatment = Literal["keep", "subtract"]
#: Least side of an array that shows its background.
_SMALLEST = 7
#: Side of the corners in which the background is measured, as a share of the array's.
_CORNER = 1 / 8
#: Where the border is brighter than the corners by more than this share of the peak, light reaches it.
_FLAT = 0.02
#: Standard deviation of normal noise over its median absolute deviation.
_NORMAL = 1.4826
#: A background is worth a word if it changes the sum of the light by this share, and if it is no coincidence
#: by so many standard errors.
_EXCESS, _ERRORS = 0.05, 5.0


@dataclass(frozen=True)
class Background:
    """The level that the light of a point stands on, and the noise around it.

    Parameters
    ----------
    level, noise : float
        Median in the corners, and standard deviation on the border. Both are 0 if the light fills the array,
        so that nothing is known of the background.
    peak : float
        Largest value.
    excess : float
        What the level adds up to over the array, divided by the sum of what lies above it.
    certain : bool
        Whether it is too high to be noise or the tails of the light.
    """

    level: float = 0.0
    noise: float = 0.0
    peak: float = 0.0
    excess: float = 0.0
    certain: bool = False

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> "Background":
        """Measure the background of an array without empty margins.

        A small array tells nothing: there is hardly a pixel that the light doesn't reach.
        """
        if min((n for n in values.shape if n > 1), default=1) < _SMALLEST:
            return cls(peak=float(values.max()))
        peak = float(values.max())
        corners, border = values[_corners(values.shape)].ravel(), values[_border(values.shape)]
        level = float(np.median(corners))
        flat = abs(float(np.median(border)) - level) <= _FLAT * (peak - level)
        light = float((values - level).sum())
        if light <= 0 or not flat or abs(level) >= peak / 2:
            return cls(peak=peak)
        noise = _NORMAL * float(np.median(np.abs(border - np.median(border))))
        excess, error = level * values.size / light, 1.25 * noise / len(corners) ** 0.5  # of a median
        return cls(level, noise, peak, excess, excess > _EXCESS and level > _ERRORS * error)


def _corners(shape: tuple[int, ...]) -> tuple[NDArray[np.intp], ...]:
    """Return the index of all corners."""
    sides = [max(1, round(_CORNER * n)) for n in shape]
    return np.ix_(*(sorted({*range(s), *range(n - s, n)}) for s, n in zip(sides, shape, strict=True)))


def _border(shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return where the outermost pixels are, along axes that have others."""
    border = np.ones(shape, bool)
    border[tuple(slice(1, -1) if n > 2 else slice(None) for n in shape)] = False
    return border if border.any() else ~border
