"""Statistics of 3 x 3 neighbourhoods: the variance of the noise at each brightness of an image."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from napari_dip.image.planes import Plane
from napari_dip.noise.clipping import clipping_levels
from napari_dip.noise.second_difference import second_difference
from napari_dip.steps import Steps

#: What is said between the steps of a measurement.
_NOTE = "Measuring the noise."
#: Fewest neighbourhoods that are sorted into one level of brightness, and largest number of levels.
_ENOUGH, _MOST_LEVELS = 200, 200
#: Share of a level's neighbourhoods that is used: those with the least structure.
_CALM = 0.25
#: Largest share of a level's neighbourhoods that may touch an end of the range.
_TOUCHING = 0.1


@dataclass(frozen=True, eq=False)
class Neighbourhoods:
    """Statistics of every 3 x 3 neighbourhood without missing pixels.

    Parameters
    ----------
    noise : ndarray, shape ``(number,)``
        Second difference, which has the variance of the noise.
    mean : ndarray, shape ``(number,)``
        Mean of the neighbourhood.
    around : ndarray, shape ``(number,)``
        Mean of the ring of 16 pixels around it.
    gradient : ndarray, shape ``(number,)``
        Length of the gradient.
    clipped : ndarray of bool, shape ``(number,)``
        True where a pixel has a value at an end of the camera's range.
    """

    noise: np.ndarray
    mean: np.ndarray
    around: np.ndarray
    gradient: np.ndarray
    clipped: np.ndarray

    @classmethod
    def measuring(cls, planes: Sequence[Plane], *, counts: bool) -> Steps[Self]:
        """Measure the neighbourhoods of some planes, in steps.

        Parameters
        ----------
        planes : sequence of (ndarray, ndarray of bool), each of shape ``(H, W)``
            Grey levels, 0 where a pixel is missing, and True where it is observed.
        counts : bool
            Grey levels count photons, so pixels without any photon are not clipped.

        Raises
        ------
        ValueError
            Too few pixels are observed.
        """
        seen = np.concatenate([values[valid] for values, valid in planes])
        if not len(seen):
            raise ValueError("every pixel is missing: there is nothing to measure the noise from")
        ends = clipping_levels(seen, counts=counts)
        fields = []
        for values, valid in planes:
            yield _NOTE
            fields.append((yield from _measuring(values, valid, ends)))
        found = cls(*(np.concatenate(parts) for parts in zip(*fields, strict=True)))
        if reason := shortage(len(found.noise)):
            raise ValueError(reason)
        return found


@dataclass(frozen=True, eq=False)
class Levels:
    """Mean and variance of the grey levels at some brightnesses.

    Parameters
    ----------
    mean, variance : ndarray, shape ``(levels,)``
        In grey levels, and in grey levels².
    count : int
        Number of neighbourhoods at each brightness.
    """

    mean: np.ndarray
    variance: np.ndarray
    count: int

    @classmethod
    def measuring(cls, found: Neighbourhoods, clipped_mean: float) -> Steps[Self]:
        """Sort neighbourhoods by brightness, and measure the calmest at each brightness, in steps.

        Parameters
        ----------
        found : Neighbourhoods
            At least 200.
        clipped_mean : float
            Mean of min(n², 4) for the second difference n of noise of variance 1.

        Raises
        ------
        ValueError
            There is no noise.
        """
        yield _NOTE
        levels = min(_MOST_LEVELS, len(found.noise) // _ENOUGH)
        order = np.argsort(found.around, kind="stable")
        order = order[len(order) % levels :].reshape(levels, -1)  # (levels, neighbourhoods)
        yield _NOTE
        count = int(_CALM * order.shape[1])
        calm = np.argpartition(found.gradient[order], count, axis=1)[:, :count]
        chosen = np.take_along_axis(order, calm, axis=1)
        yield _NOTE
        variance = yield from _robust_variance(found.noise[chosen], clipped_mean)
        usable = variance > 0
        if not usable.any():
            raise ValueError(
                "there is no noise to measure: the image is constant, or at an end of its range, almost "
                "everywhere. Give the noise's parameters yourself"
            )
        clipped = found.clipped[order].mean(1)  # if all levels touch an end, the least clipped ones are used
        usable &= clipped <= max(_TOUCHING, np.quantile(clipped[usable], _CALM))
        return cls(found.mean[chosen].mean(1)[usable], variance[usable], count)


def shortage(count: int) -> str | None:
    """Return in words why so many neighbourhoods are too few, or None if they are enough."""
    if count >= _ENOUGH:
        return None
    return (
        f"only {count} neighbourhoods of 3 x 3 pixels have no missing pixel, and {_ENOUGH} are needed to "
        "measure the noise: use a larger image, or give the noise's parameters yourself"
    )


def _measuring(values: np.ndarray, valid: np.ndarray, ends: list[float]) -> Steps[tuple[np.ndarray, ...]]:
    """Return, in steps, the fields of `Neighbourhoods` for a plane whose values are 0 where not valid."""
    from scipy.ndimage import maximum_filter, minimum_filter, uniform_filter

    def total(image: np.ndarray, size: int) -> np.ndarray:
        return size**2 * uniform_filter(image, size, mode="constant")

    weights = valid.astype(np.float64)
    inner, inner_weight = total(values, 3), total(weights, 3)
    ring, ring_weight = total(values, 5) - inner, total(weights, 5) - inner_weight
    mean = inner / np.maximum(inner_weight, 1)
    yield _NOTE
    noise = second_difference(values)
    gradient = np.hypot(_slope(mean, 0), _slope(mean, 1))
    yield _NOTE
    clipped = maximum_filter(np.isin(values, ends) & valid, 3)
    whole = minimum_filter(valid, 3, mode="constant", cval=False) & (ring_weight > 0.5)
    yield _NOTE
    around = ring / np.maximum(ring_weight, 1)
    return tuple(field[whole] for field in (noise, mean, around, gradient, clipped))


def _slope(image: np.ndarray, axis: int) -> np.ndarray:
    from scipy.ndimage import correlate1d

    return correlate1d(image, [-1, 0, 1], axis, mode="constant")


def _robust_variance(noise: np.ndarray, clipped_mean: float) -> Steps[np.ndarray]:
    """Return, in steps, the v of each row for which the mean of min(noise² / v, 4) is `clipped_mean`."""
    squares = np.square(noise)  # (levels, neighbourhoods)
    variance = squares.mean(1)
    for _ in range(30):
        yield _NOTE
        variance = np.minimum(squares, 4 * variance[:, None]).mean(1) / clipped_mean
    return variance
