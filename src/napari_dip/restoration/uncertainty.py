"""How far the pixels of a restored image may be wrong."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from annotated_types import Interval

from napari_dip.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Number of simulated data sets that are restored to measure the uncertainty of an answer.
REFITS = 2
#: What the note of an answer says before the reason for which it has no uncertainty.
NO_UNCERTAINTY = "No uncertainty can be given"


@dataclass(frozen=True, eq=False)
class Uncertainty:
    """The standard error of each pixel of a restored image, and intervals.

    Parameters
    ----------
    image : ndarray
        The restored image.
    standard_error : ndarray of float32, of the image's shape
        Standard error of each pixel, in grey levels. NaN where there is none.
    noise_std : ndarray of float32, of the image's shape
        Standard deviation of the noise of a measurement of each pixel, in grey levels.
    scores : ndarray of float, 1-D
        Differences between unseen pixels and the image in units of √(noise_std² + standard_error²), without
        their sign, in ascending order.

    Notes
    -----
    The standard errors come from simulated data of the answer that were restored in the same way, scaled to
    agree with pixels that no part of the run has seen. Wherever the data may hold a source, the flux that the
    image lacks of it, and its standard error, are added. They hold on average over pixels, not at each of
    them: a source whose flux the data show with less than four standard errors is often taken for noise.
    Detect sources in the data, and measure them here.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_dip import PKN, Denoise, GaussianNoise, restore
    >>> image = np.random.default_rng(0).normal(100, 5, (64, 64))
    >>> restored = restore(image, Denoise(GaussianNoise(5.0)), PKN(), uncertainty=True)
    >>> low, high = restored.uncertainty.interval(0.95)
    >>> bool(np.mean((low < 100) & (100 < high)) > 0.9)
    True
    """

    image: "NDArray[np.floating]"
    standard_error: "NDArray[np.float32]"
    noise_std: "NDArray[np.float32]"
    scores: "NDArray[np.floating]"

    def interval(
        self, level: Annotated[float, Interval(gt=0, lt=1)] = 0.95
    ) -> "tuple[NDArray[np.floating], NDArray[np.floating]]":
        """Return the ends of the interval that holds the true value of each pixel.

        Parameters
        ----------
        level : float
            Share of the pixels whose true value lies in their interval, on average over the image.

        Returns
        -------
        (ndarray, ndarray)
            The lower and the upper end, in grey levels.
        """
        from scipy.stats import norm

        half = norm.isf((1 - _checked(level)) / 2) * self.standard_error
        return self.image - half, self.image + half

    def measurement_interval(
        self, level: Annotated[float, Interval(gt=0, lt=1)] = 0.95
    ) -> "tuple[NDArray[np.floating], NDArray[np.floating]]":
        """Return the ends of the interval that holds a new measurement of each pixel.

        This interval is conformal: it holds at least the given share of new measurements, on average over
        pixels, however wrong the standard errors are. The only condition is that the unseen pixels, which
        were drawn at random, are like all others. If the noise is also independent of the image, independent
        from pixel to pixel and has the median 0, then the interval of level 1 − α holds the true value with a
        probability of at least 1 − 2α: that of 97.5 % holds it in 95 % of the pixels. This does not apply to
        correlated noise, or to fewer than some ten photons.

        Parameters
        ----------
        level : float
            Share of the new measurements that lie in the interval.

        Raises
        ------
        InputError
            There are too few unseen pixels for this level.
        """
        rank = int(np.ceil((len(self.scores) + 1) * _checked(level)))
        if rank > len(self.scores):
            largest = len(self.scores) / (len(self.scores) + 1)
            raise InputError(
                "level",
                f"level must be at most {largest:.4f} for {len(self.scores)} unseen pixels, got {level}",
            )
        half = self.scores[rank - 1] * np.hypot(self.noise_std, self.standard_error)
        return self.image - half, self.image + half


def _checked(level: float) -> float:
    if not 0 < level < 1:
        raise InputError("level", f"level must lie between 0 and 1, got {level!r}")
    return level
