"""Statistics of small neighbourhoods: the variance of the noise at each brightness of an image."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from napari_dip.image.planes import Plane
from napari_dip.noise.clipping import clipping_levels
from napari_dip.steps import Steps

#: What is said between the steps of a measurement.
_NOTE = "Measuring the noise."
#: Fewest neighbourhoods that are sorted into one level of brightness, and largest number of levels.
_ENOUGH, _MOST_LEVELS = 200, 200
#: Fewest large neighbourhoods; where missing pixels leave less, small ones are used.
_MANY = 2000
#: Largest share of a level's neighbourhoods that may touch an end of the range.
_TOUCHING = 0.1
#: Share of clipped levels above which the noise can't be measured.
CLIPPED = 0.96
#: Multiple of the mean square at which squares are cut off, which makes their mean robust.
_CUT = 4.0
#: Share of the groups of neighbourhoods, calmest first, that show how structure spreads over the orders.
_SPREADING = 0.6
#: Ratio of the mean squares at middle orders up to which a group is as calm as the calmest one.
_AS_CALM = 1.03
#: Square of the relative error of a variance, times the number of coefficients; neighbourhoods overlap.
_OVERLAP = 6.0
#: Usual ratio of the structure at high orders to that at middle ones, and its weight in levels of brightness.
_USUAL, _WEIGHT = 0.25, 0.05

_Orders = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Window:
    """A square neighbourhood, and the products of orthogonal polynomials that are measured in it.

    Parameters
    ----------
    polynomials : tuple of tuple of int
        The Gram polynomials of order 0, 1, ... at the pixels along an axis, not normalised.
    high, middle, low : tuple of (int, int)
        Orders of the polynomials along the two axes. Noise has the same variance at all orders, and structure
        has less at higher ones.
    groups : int
        Number of groups into which the neighbourhoods of one brightness are sorted, calmest first.
    """

    polynomials: tuple[tuple[int, ...], ...]
    high: _Orders
    middle: _Orders
    low: _Orders
    groups: int

    @property
    def side(self) -> int:
        """In pixels."""
        return len(self.polynomials)

    def squares(self, image: np.ndarray, orders: tuple[int, int]) -> np.ndarray:
        """Return the square of the coefficient of these orders around each pixel."""
        from scipy.ndimage import correlate1d

        coefficient, norm = image, 1
        for axis, order in enumerate(orders):
            # In whole numbers, so that it is exactly 0 where whole grey levels are smooth.
            coefficient = correlate1d(coefficient, self.polynomials[order], axis, mode="constant")
            norm *= sum(value**2 for value in self.polynomials[order])
        return coefficient**2 / norm


LARGE = Window(
    ((1, 1, 1, 1, 1), (-2, -1, 0, 1, 2), (2, -1, -2, -1, 2), (-1, 2, 0, -2, 1), (1, -4, 6, -4, 1)),
    high=((4, 4), (3, 4), (4, 3)),
    middle=((2, 2), (2, 3), (3, 2)),
    low=((0, 1), (1, 0), (1, 1), (0, 2), (2, 0), (1, 2), (2, 1)),
    groups=8,
)
SMALL = Window(
    ((1, 1, 1), (-1, 0, 1), (1, -2, 1)),
    high=((2, 2),),
    middle=((1, 2), (2, 1)),
    low=((0, 1), (1, 0), (1, 1), (0, 2), (2, 0)),
    groups=4,
)


@dataclass(frozen=True, eq=False)
class Neighbourhoods:
    """Statistics of every neighbourhood without missing pixels.

    Parameters
    ----------
    window : Window
        Their size and the orders that are measured.
    high, middle, low : ndarray, shape ``(number,)``
        Mean squares of the coefficients of these orders.
    mean : ndarray, shape ``(number,)``
        Mean of the neighbourhood.
    around : ndarray, shape ``(number,)``
        Mean of the ring of pixels around it.
    clipped : ndarray of bool, shape ``(number,)``
        True where a pixel has a value at an end of the camera's range.
    """

    window: Window
    high: np.ndarray
    middle: np.ndarray
    low: np.ndarray
    mean: np.ndarray
    around: np.ndarray
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
        yield _NOTE
        seen = np.concatenate([values[valid] for values, valid in planes])
        if not len(seen):
            raise ValueError("every pixel is missing: there is nothing to measure the noise from")
        ends = clipping_levels(seen, counts=counts)
        whole = sum(np.count_nonzero(_whole(valid, LARGE.side)) for _, valid in planes)
        window = LARGE if whole >= _MANY else SMALL
        fields = []
        for values, valid in planes:
            yield _NOTE
            fields.append((yield from _measuring(values, valid, ends, window)))
        found = cls(window, *(np.concatenate(parts) for parts in zip(*fields, strict=True)))
        if reason := shortage(len(found.high)):
            raise ValueError(reason)
        return found


@dataclass(frozen=True, eq=False)
class Levels:
    """Mean and variance of the grey levels at some brightnesses.

    Parameters
    ----------
    mean, variance : ndarray, shape ``(levels,)``
        In grey levels, and in grey levels².
    excess : ndarray, shape ``(levels,)``
        What structure adds to the variance at middle orders. At high ones it adds less, and the usual part
        of it has been taken off.
    error : float
        Relative error of a variance, from the number of neighbourhoods alone.
    clipped : float
        Share of the levels at which the noise is cut off. Unless it is cut off nearly everywhere, these are
        left out.
    """

    mean: np.ndarray
    variance: np.ndarray
    excess: np.ndarray
    error: float
    clipped: float

    @classmethod
    def measuring(cls, found: Neighbourhoods) -> Steps[Self]:
        """Sort neighbourhoods by brightness, and measure the calmest at each brightness, in steps.

        Parameters
        ----------
        found : Neighbourhoods
            At least 200.

        Raises
        ------
        ValueError
            There is no noise.

        Notes
        -----
        Noise of variance v has the mean square v at all orders. Structure adds s at middle orders, and r s
        at high ones, with a ratio r that hardly depends on s. Comparing groups of neighbourhoods with more
        or less structure at the same brightness gives r, and the calmest groups, as many as have as little
        structure as the first, then give v.
        """
        yield _NOTE
        window = found.window
        levels = min(_MOST_LEVELS, len(found.high) // _ENOUGH)
        order = np.argsort(found.around, kind="stable")
        order = order[len(order) % levels :].reshape(levels, -1)  # (levels, neighbourhoods)
        yield _NOTE
        order = np.take_along_axis(order, np.argsort(found.low[order], axis=1), axis=1)
        count = order.shape[1] // window.groups
        cells = order[:, : count * window.groups].reshape(levels, window.groups, count)
        yield _NOTE
        cells = cells[:, : max(2, round(_SPREADING * window.groups))]
        high = yield from _robust_mean(found.high[cells], len(window.high))
        middle = yield from _robust_mean(found.middle[cells], len(window.middle))
        ratio = _spread(high, middle)
        calm = _calm(middle)
        high, middle = high[:, :calm].mean(1), middle[:, :calm].mean(1)
        variance = (high - ratio * middle) / (1 - ratio)
        usable = high > 0
        if not usable.any():
            raise ValueError(
                "there is no noise to measure: the image is constant, or at an end of its range, almost "
                "everywhere. Give the noise's parameters yourself"
            )
        variance = np.maximum(variance, 0.1 * high)
        touching = found.clipped[order].mean(1)
        clipped = 1 - float((usable & (touching <= _TOUCHING)).mean())
        # If hardly any level is free of clipped pixels, those with the fewest are used.
        least = 0.0 if clipped <= CLIPPED else np.quantile(touching[usable], 1 / window.groups)
        usable &= touching <= max(_TOUCHING, least)
        mean = found.mean[cells[:, :calm]].mean((1, 2))
        excess = middle - variance
        error = math.sqrt(_OVERLAP / (len(window.high) * calm * count))
        return cls(mean[usable], variance[usable], excess[usable], error, clipped)


def shortage(count: int) -> str | None:
    """Return in words why so many neighbourhoods are too few, or None if they are enough."""
    if count >= _ENOUGH:
        return None
    return (
        f"only {count} neighbourhoods of 3 x 3 pixels have no missing pixel, and {_ENOUGH} are needed to "
        "measure the noise: use a larger image, or give the noise's parameters yourself"
    )


def number_of_whole(valid: np.ndarray) -> int:
    """Return how many neighbourhoods of 3 x 3 pixels are complete, in a plane or the planes of a volume."""
    planes = valid.reshape(-1, *valid.shape[-2:])
    return sum(int(_whole(plane, 3).sum()) for plane in planes)


def _whole(valid: np.ndarray, side: int) -> np.ndarray:
    from scipy.ndimage import minimum_filter

    found: np.ndarray = minimum_filter(valid, side, mode="constant", cval=False)
    return found


def _measuring(
    values: np.ndarray, valid: np.ndarray, ends: list[float], window: Window
) -> Steps[tuple[np.ndarray, ...]]:
    """Return, in steps, the fields of `Neighbourhoods` for a plane whose values are 0 where not valid."""
    from scipy.ndimage import maximum_filter, uniform_filter

    def total(image: np.ndarray, size: int) -> np.ndarray:
        return size**2 * uniform_filter(image, size, mode="constant")

    side = window.side
    weights = valid.astype(np.float64)
    inner, inner_weight = total(values, side), total(weights, side)
    ring, ring_weight = total(values, side + 2) - inner, total(weights, side + 2) - inner_weight
    whole = _whole(valid, side) & (ring_weight > 0.5)
    fields = []
    for orders in (window.high, window.middle, window.low):
        squares = np.zeros(np.count_nonzero(whole))
        for pair in orders:
            yield _NOTE
            squares += window.squares(values, pair)[whole]
        fields.append(squares / len(orders))
    yield _NOTE
    clipped = maximum_filter(np.isin(values, ends) & valid, side)[whole]
    mean, around = inner / np.maximum(inner_weight, 1), ring / np.maximum(ring_weight, 1)
    return (*fields, mean[whole], around[whole], clipped)


def _robust_mean(squares: np.ndarray, number: int) -> Steps[np.ndarray]:
    """Return, in steps, the mean along the last axis of what would be chi-square divided by its number."""
    from scipy.special import chdtr

    cut = _CUT * number
    whole = chdtr(number + 2, cut) + _CUT * (1 - chdtr(number, cut))  # mean of min(square, 4)
    mean = squares.mean(-1)
    for _ in range(20):
        yield _NOTE
        mean = np.minimum(squares, _CUT * mean[..., None]).mean(-1) / whole
    return mean


def _calm(middle: np.ndarray) -> int:
    """Return the number of groups that hardly have more structure than the calmest one."""
    whole = middle.mean(0)
    return int(np.argmax(np.append(whole > _AS_CALM * whole[0], True)))


def _spread(high: np.ndarray, middle: np.ndarray) -> float:
    """Return the ratio of structure at high orders to that at middle ones, from the groups of each level."""
    scale = np.maximum(middle.max(1, keepdims=True), 1e-300)
    high, middle = (part / scale - (part / scale).mean(1, keepdims=True) for part in (high, middle))
    weight = _WEIGHT * len(high)
    ratio = float(((high * middle).sum() + weight * _USUAL) / ((middle**2).sum() + weight))
    return min(max(ratio, 0.0), 0.6)
