"""The parameters of the noise, measured from one noisy image."""

import contextlib
import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from string import ascii_uppercase
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from napari_dip.image.axes import Axes
from napari_dip.noise.clipping import clipping_levels
from napari_dip.noise.models import (
    GaussianNoise,
    LaplaceNoise,
    NoiseModel,
    PoissonGaussianNoise,
    PoissonNoise,
    UnknownNoise,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

#: Of a large image, so many planes and the middle of each are enough.
_PLANES, _SIDE = 8, 1024
#: Share of the neighbourhoods that are kept at each brightness: those with the least structure.
_QUIET = 0.25
#: Neighbourhoods at one brightness before that, and how many brightnesses there are at the most and least.
_ENOUGH, _MOST_LEVELS, _LEAST_LEVELS = 200, 200, 8
#: So many neighbourhoods at one brightness may touch an end of the range.
_TOUCHED = 0.1
#: Mean of min(x², 4), x the second difference of unit noise in calm neighbourhoods. Normal: in closed form.
#: Laplace: between 0.875, where structure decides what is calm, and 0.811, where noise does, which puts more
#: of the outliers elsewhere.
_CLIPPED_NORMAL, _CLIPPED_LAPLACE = 0.9205, 0.84
#: How many standard errors make a finding.
_SIGNIFICANT = 3.0


def estimate_noise(
    model: NoiseModel, image: "ArrayLike", *, missing: "ArrayLike | None" = None, axes: str | None = None
) -> NoiseModel:
    """Return the noise model with its parameters measured from one image.

    Gaussian and Laplace: `sigma`. Poisson: `gain` and `offset`. PoissonGaussian: `gain` and `read_noise`,
    with the model's own `offset`, since one image can't tell a higher offset from less read noise: measure
    it with the shutter closed. Unknown has nothing to measure.

    Parameters
    ----------
    model : NoiseModel
        Which parameters to measure. Its values don't matter, but for the offset of PoissonGaussian.
    image : array of real numbers
        Grey levels. The noise has to be independent in each pixel: measure it before any filter, resampling
        or lossy compression.
    missing : array, optional
        Pixels that don't count, as in `restore`. NaN and infinite pixels don't either.
    axes : str, optional
        One letter per axis, as in `restore`; guessed from the shape where not given.

    Returns
    -------
    NoiseModel
        Of the same class.

    Raises
    ------
    ValueError
        The image doesn't tell: it says why, and what to do.

    Notes
    -----
    The second difference along both axes, [1, −2, 1] ⊗ [1, −2, 1] / 6, removes constant and linear structure
    and keeps the noise's variance [1]_. Neighbourhoods are sorted by brightness into levels of equal count,
    and in each the quarter with the smallest gradient gives one variance, robust against what structure is
    left [2]_. Gaussian noise has the same variance at every level; that of photons lies on a line,

        variance = gain · (mean − offset) + read_noise².

    Brightness (the ring around 3 x 3 pixels, to sort by; the 3 x 3 pixels, for the line), gradient and second
    difference are orthogonal filters: their noise is uncorrelated, so that choosing by one does not bias
    another (that of Laplace noise still depends, and may be off by 2 % for it). Channels, and up to eight
    planes in all, spread evenly, are pooled: their noise is taken to be the same.

    References
    ----------
    .. [1] J. Immerkær, Fast noise variance estimation, Computer Vision and Image Understanding 64, 1996.
    .. [2] P. J. Huber, Robust Statistics, Wiley 1981, section 6.4 (proposal 2).
    """
    if isinstance(model, UnknownNoise):
        return model
    heavy = isinstance(model, LaplaceNoise)
    levels = _Levels.of(
        _Neighbourhoods.of(image, missing, axes, zeros_are_counts=isinstance(model, PoissonNoise)),
        _CLIPPED_LAPLACE if heavy else _CLIPPED_NORMAL,
    )
    match model:
        case GaussianNoise() | LaplaceNoise():
            return replace(model, sigma=_rounded(np.sqrt(np.median(levels.variance))))
        case PoissonNoise():
            line = _Line.through(levels)
            return replace(model, gain=_rounded(line.slope), offset=_rounded(line.root))
        case PoissonGaussianNoise():
            line = _Line.through(levels)
            read_variance, error = line.at(model.offset)
            if read_variance < -_SIGNIFICANT * error:
                warnings.warn(
                    f"the noise would vanish at grey level {line.root:.4g}, above the offset "
                    f"{model.offset:g}: read noise is taken to be 0, but the offset is probably higher",
                    stacklevel=2,
                )
            return replace(
                model, gain=_rounded(line.slope), read_noise=_rounded(math.sqrt(max(read_variance, 0)))
            )
    raise ValueError(f"model must be one of the noise models, got {model!r}")


def found_noise(
    image: "ArrayLike", *, missing: "ArrayLike | None" = None, axes: str | None = None
) -> NoiseModel:
    """Return the noise of an image of which nothing is known: how strong, and whether light makes more.

    Parameters
    ----------
    image, missing, axes
        As for `estimate_noise`.

    Returns
    -------
    Poisson or Gaussian
        Poisson where the noise clearly grows, with an offset that stands for the read noise too.

    Raises
    ------
    ValueError
        The image doesn't tell, or has no noise.
    """
    with contextlib.suppress(ValueError), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return estimate_noise(PoissonNoise(), image, missing=missing, axes=axes)
    return estimate_noise(GaussianNoise(1.0), image, missing=missing, axes=axes)


def _rounded(value: float) -> float:
    """Return four digits, which is more than can be known."""
    return float(f"{value:.4g}")


@dataclass(frozen=True, eq=False)
class _Neighbourhoods:
    """What each 3 x 3 neighbourhood without missing pixels says; all of shape ``(number,)``."""

    noise: np.ndarray  # second difference, of the noise's own variance
    mean: np.ndarray
    around: np.ndarray  # mean of the ring around it
    gradient: np.ndarray
    clipped: np.ndarray  # it touches the end of the range

    @classmethod
    def of(
        cls, image: "ArrayLike", missing: "ArrayLike | None", axes: str | None, *, zeros_are_counts: bool
    ) -> Self:
        planes = list(_planes(image, missing, axes))
        seen = np.concatenate([values[valid] for values, valid in planes])
        if not len(seen):
            raise ValueError("every pixel is missing: there is nothing to measure the noise from")
        ends = clipping_levels(seen, counts=zeros_are_counts)
        parts = zip(*(_measured(values, valid, ends) for values, valid in planes), strict=True)
        found = cls(*(np.concatenate(part) for part in parts))
        if len(found.noise) < _ENOUGH:
            raise ValueError(
                f"only {len(found.noise)} neighbourhoods of 3 x 3 pixels have none missing, and {_ENOUGH} "
                "are needed to measure the noise: use a larger image, or give the noise's parameters yourself"
            )
        return found


@dataclass(frozen=True, eq=False)
class _Levels:
    """Mean and variance of the grey levels at some brightnesses; arrays of one length."""

    mean: np.ndarray
    variance: np.ndarray
    count: int

    @classmethod
    def of(cls, found: _Neighbourhoods, clipped_mean: float) -> Self:
        levels = min(_MOST_LEVELS, len(found.noise) // _ENOUGH)
        order = np.argsort(found.around, kind="stable")
        order = order[len(order) % levels :].reshape(levels, -1)  # (levels, neighbourhoods)
        quiet = int(_QUIET * order.shape[1])
        calm = np.argpartition(found.gradient[order], quiet, axis=1)[:, :quiet]
        chosen = np.take_along_axis(order, calm, axis=1)
        variance = _robust_variance(found.noise[chosen], clipped_mean)
        usable = variance > 0
        if not usable.any():
            raise ValueError(
                "there is no noise to measure: nearly everywhere the image is constant, or at the end of its "
                "range. Give the noise's parameters yourself"
            )
        clipped = found.clipped[order].mean(1)  # of a wholly clipped image, the least clipped levels
        usable &= clipped <= max(_TOUCHED, np.quantile(clipped[usable], _QUIET))
        return cls(found.mean[chosen].mean(1)[usable], variance[usable], quiet)


@dataclass(frozen=True, eq=False)
class _Line:
    """The variance as a line over the mean, variance = slope · (mean − centre) + height."""

    slope: float
    height: float
    centre: float
    covariance: np.ndarray  # of slope and height

    @classmethod
    def through(cls, levels: _Levels) -> Self:
        """Fit a line by least squares relative to the variance, levels that lie far off counting less.

        Raises
        ------
        ValueError
            Too few levels, or the noise doesn't grow with brightness.
        """
        if len(levels.mean) < _LEAST_LEVELS:
            raise ValueError(
                f"the noise could be measured at {len(levels.mean)} brightnesses, and {_LEAST_LEVELS} are "
                "needed to tell how it grows: use a larger or less saturated image, or choose Gaussian noise"
            )
        centre, width = float(levels.mean.mean()), float(np.ptp(levels.mean)) or 1.0
        terms = np.stack([(levels.mean - centre) / width, np.ones_like(levels.mean)], axis=1)
        # Twice what the variance of a variance is in independent neighbourhoods: they overlap.
        expected = math.sqrt(4 / levels.count)
        fitted = np.full_like(levels.variance, np.median(levels.variance))
        floor = 0.02 * fitted
        off = np.zeros_like(fitted)
        for _ in range(50):
            weights = 1 / (fitted * np.hypot(1, off / (2 * expected)))
            line = np.linalg.lstsq(terms * weights[:, None], levels.variance * weights, rcond=None)[0]
            fitted = np.maximum(terms @ line, floor)
            off = (levels.variance - fitted) / fitted
        scatter = max(expected, 1.4826 * float(np.median(np.abs(off))))
        covariance = scatter**2 * np.linalg.pinv((terms * weights[:, None]).T @ (terms * weights[:, None]))
        if line[0] <= _SIGNIFICANT * math.sqrt(covariance[0, 0]):
            dark, bright = line[1] + line[0] * terms[[0, -1], 0]
            raise ValueError(
                "the noise doesn't grow with brightness as that of photons does: its variance goes from "
                f"{dark:.3g} to {bright:.3g} between grey levels {levels.mean[0]:.4g} and "
                f"{levels.mean[-1]:.4g}. Choose Gaussian noise, or give the gain yourself"
            )
        scale = np.array([1 / width, 1])
        return cls(float(line[0]) / width, float(line[1]), centre, covariance * np.outer(scale, scale))

    @property
    def root(self) -> float:
        """Mean at which the variance is 0."""
        return self.centre - self.height / self.slope

    def at(self, mean: float) -> tuple[float, float]:
        """Return the variance at a mean, and its standard error."""
        terms = np.array([mean - self.centre, 1.0])
        return self.slope * terms[0] + self.height, math.sqrt(terms @ self.covariance @ terms)


def _planes(
    image: "ArrayLike", missing: "ArrayLike | None", axes: str | None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield grey levels and where they are seen, of some planes spread evenly over the image."""
    # Lazy arrays (dask, zarr) stay lazy until a plane is needed.
    array: Any = image if isinstance(getattr(image, "dtype", None), np.dtype) else np.asarray(image)
    shape = tuple(array.shape)
    if array.dtype.kind not in "buif":
        raise ValueError(f"image must hold real numbers, got dtype {array.dtype}")
    layout = Axes.of(shape, axes, "separate")
    hidden = None if missing is None else layout.broadcast("missing", np.asarray(missing) != 0, shape)
    if len(layout.spatial) == 3:  # a volume is looped plane by plane
        spare = next(letter for letter in ascii_uppercase if letter not in layout.letters + "CSXY")
        layout = replace(layout, letters=layout.letters.replace("Z", spare))
    frames = list(layout.frames(shape))
    for number in np.unique(np.linspace(0, len(frames) - 1, _PLANES).round().astype(int)):
        at = tuple(
            _middle(shape[axis]) if isinstance(index, slice) else index
            for axis, index in enumerate(layout.at(frames[number]))
        )
        part = array[at]
        values = np.array(part, dtype=np.float64)
        valid = np.isfinite(values) & ~np.ma.getmaskarray(part)
        if hidden is not None:
            valid &= ~hidden[at]
        values[~valid] = 0
        yield values, valid


def _middle(size: int) -> slice:
    start = max(0, (size - _SIDE) // 2)
    return slice(start, start + _SIDE)


def _measured(values: np.ndarray, valid: np.ndarray, ends: list[float]) -> tuple[np.ndarray, ...]:
    """Return the fields of `_Neighbourhoods` for one plane, whose values are 0 where not valid."""
    from scipy.ndimage import maximum_filter, minimum_filter, uniform_filter

    def total(image: np.ndarray, size: int) -> np.ndarray:
        return size**2 * uniform_filter(image, size, mode="constant")

    weights = valid.astype(np.float64)
    inner, inner_weight = total(values, 3), total(weights, 3)
    ring, ring_weight = total(values, 5) - inner, total(weights, 5) - inner_weight
    mean = inner / np.maximum(inner_weight, 1)
    noise = _outer(values, [1, -2, 1], [1, -2, 1]) / 6
    gradient = np.hypot(_outer(mean, [-1, 0, 1], [1]), _outer(mean, [1], [-1, 0, 1]))
    clipped = maximum_filter(np.isin(values, ends) & valid, 3)
    whole = minimum_filter(valid, 3, mode="constant", cval=False) & (ring_weight > 0.5)
    around = ring / np.maximum(ring_weight, 1)
    return tuple(field[whole] for field in (noise, mean, around, gradient, clipped))


def _outer(image: np.ndarray, row: list[float], column: list[float]) -> np.ndarray:
    from scipy.ndimage import correlate1d

    return correlate1d(correlate1d(image, row, 0, mode="constant"), column, 1, mode="constant")


def _robust_variance(noise: np.ndarray, clipped_mean: float) -> np.ndarray:
    """Return v of each row such that the mean of min(noise² / v, 4) is what it is for noise alone."""
    squares = np.square(noise)  # (levels, neighbourhoods)
    variance = squares.mean(1)
    for _ in range(30):
        variance = np.minimum(squares, 4 * variance[:, None]).mean(1) / clipped_mean
    return variance
