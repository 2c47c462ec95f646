"""Points of light in an image, such as stars and beads, and the width of the blur that they show."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
#: Complete grey levels, which of them were observed, and the standard deviation of the noise.
Plane = tuple[Array, NDArray[np.bool_], float]

#: Standard deviations of the two Gaussians whose difference shows points, in pixels.
_FINE, _COARSE = 1.0, 4.0
#: Noise of white noise of variance 1 after the fine Gaussian, and the least height of a point in this unit.
_SMOOTHED, _HIGH = 0.282, 8.0
#: Largest number of points that are fitted in a plane, and limits of the radius of their surroundings.
_MOST, _RADII = 40, (4, 20)
#: Height of a neighbour that disturbs a fit, and largest residual of a fit, as shares of the point's height.
_DISTURBS, _RESIDUAL = 0.15, 0.06
#: Largest ratio of a point's axes, and narrowest point, in pixels; what is narrower is a single hot pixel.
_OVAL, _NARROWEST = 1.5, 1.2
#: Difference of the widths of points of one blur, fewest of them, and their share of all fits and tries.
_ALIKE, _FEWEST, _SHARE, _FITTED = 0.12, 4, 0.3, 0.25
#: Share of the residual's square that a Moffat profile has to leave of a Gaussian's to be preferred.
_BETTER = 0.8
#: Full width at half maximum of a Gaussian of standard deviation 1.
FWHM = math.sqrt(8 * math.log(2))


@dataclass(frozen=True)
class Points:
    """What points tell about the blur.

    Parameters
    ----------
    fwhm, error : float
        Their full width at half maximum and its standard error, in pixels.
    beta : float, optional
        Exponent of their Moffat profile; None if it is a Gaussian.
    count : int
        Number of points.
    """

    fwhm: float
    error: float
    beta: float | None
    count: int


def points(planes: Sequence[Plane]) -> Points | None:
    """Fit the points of some planes; None if there are too few, or if they are no points of one width.

    Parameters
    ----------
    planes : sequence of (ndarray, ndarray of bool, float)
        Complete grey levels, which of them were observed, and the standard deviation of the noise.
    """
    stamps = [stamp for plane in planes for stamp in _stamps(*plane)]
    fits = [(found, stamp) for stamp in stamps if (found := _gaussian(stamp)) is not None]
    if len(fits) < max(_FEWEST, _FITTED * len(stamps)):
        return None
    widths = np.array([found[0] for found, _ in fits])
    alike = np.abs(np.log(widths[:, None] / widths)) < _ALIKE
    members = alike[alike.sum(1).argmax()]
    count = int(members.sum())
    if count < max(_FEWEST, _SHARE * len(fits)):
        return None
    chosen = [fit for fit, one in zip(fits, members, strict=True) if one]
    widths, left = widths[members], sum(found[1] for found, _ in chosen)
    moffats = [_moffat(stamp, found[0]) for found, stamp in chosen]
    beta = None
    if sum(one[2] for one in moffats) < _BETTER * left:
        widths, beta = np.array([one[0] for one in moffats]), float(np.median([one[1] for one in moffats]))
    spread = 1.4826 * np.median(np.abs(widths - np.median(widths)))
    return Points(float(np.median(widths)), float(1.2533 * spread / math.sqrt(count)), beta, count)


@dataclass(frozen=True)
class _Stamp:
    """A point's surroundings, their standard deviation of the noise, and a first guess of its width."""

    values: Array
    sigma: float
    fwhm: float

    @property
    def grid(self) -> Array:
        radius = len(self.values) // 2
        return np.mgrid[-radius : radius + 1, -radius : radius + 1].astype(float)


def _stamps(plane: Array, seen: NDArray[np.bool_], sigma: float) -> list[_Stamp]:
    """Return the surroundings of isolated, unsaturated peaks, highest first."""
    from scipy.ndimage import gaussian_filter, maximum_filter

    smooth = gaussian_filter(plane, _FINE)
    band = smooth - gaussian_filter(plane, _COARSE)
    peaks = (band == maximum_filter(band, 5)) & (band > _HIGH * _SMOOTHED * sigma) & seen
    places = np.argwhere(peaks)
    places = places[np.argsort(-band[tuple(places.T)])][: 8 * _MOST]
    heights, top = band[tuple(places.T)], plane[seen].max()
    found: list[_Stamp] = []
    for number, (row, column) in enumerate(places):
        fwhm = _width_at_half(smooth, row, column)
        radius = int(np.clip(math.ceil(1.5 * fwhm) + 1, *_RADII))
        part = np.s_[max(0, row - radius) : row + radius + 1, max(0, column - radius) : column + radius + 1]
        values = plane[part]
        apart = np.abs(places - (row, column)).max(1)
        disturbed = (apart > 0) & (apart <= radius) & (heights > _DISTURBS * heights[number])
        saturated = (values == top).sum() > 2
        if values.shape == (2 * radius + 1,) * 2 and seen[part].all() and not (disturbed.any() or saturated):
            found.append(_Stamp(values, sigma, fwhm))
        if len(found) == _MOST:
            break
    return found


def _width_at_half(smooth: Array, row: int, column: int) -> float:
    """Return the width at half height above the surroundings, along row and column."""
    reach = _RADII[1]
    lines = (
        smooth[row, max(0, column - reach) : column + reach + 1],
        smooth[max(0, row - reach) : row + reach + 1, column],
    )
    peak, ground = smooth[row, column], min(np.median(line) for line in lines)
    middles = min(column, reach), min(row, reach)
    total = 0.0
    for line, middle in zip(lines, middles, strict=True):
        low = line < (peak + ground) / 2
        after, before = np.argmax(low[middle:]), np.argmax(low[middle::-1])
        total += (after or reach) + (before or reach) - 1
    return max(_NARROWEST, total / 2)


def _gaussian(stamp: _Stamp) -> tuple[float, float] | None:
    """Return a point's width and the squared residual of an oval Gaussian; None if it is no point."""
    grid = stamp.grid

    def model(p: Array) -> Array:
        y, x = grid[0] - p[1], grid[1] - p[2]
        exponent = np.exp(p[3]) * y**2 + 2 * p[5] * x * y + np.exp(p[4]) * x**2
        return p[0] * np.exp(-0.5 * exponent.clip(-2, 700)) + p[6]

    precision = 2 * math.log(FWHM / stamp.fwhm)
    found = _fitted(stamp, model, [0.0, 0.0, precision, precision, 0.0])
    if found is None:
        return None
    p, left = found
    matrix = np.array([[np.exp(p[3]), p[5]], [p[5], np.exp(p[4])]])
    low, high = np.linalg.eigvalsh(matrix)
    radius = len(stamp.values) // 2
    if low <= 0 or high > _OVAL**2 * low or max(abs(p[1]), abs(p[2])) > 1.5 or p[0] <= 0:
        return None
    fwhm = FWHM * (low * high) ** -0.25
    noise = stamp.sigma**2 + (_RESIDUAL * p[0]) ** 2
    fits = left < 2 * noise * stamp.values.size and _NARROWEST <= fwhm < 1.5 * radius
    return (float(fwhm), left) if fits else None


def _moffat(stamp: _Stamp, fwhm: float) -> tuple[float, float, float]:
    """Return the width, the exponent and the squared residual of a round Moffat profile."""
    grid = stamp.grid

    def model(p: Array) -> Array:
        beta = 1 + np.exp(p[4])
        square = ((grid[0] - p[1]) ** 2 + (grid[1] - p[2]) ** 2) / np.exp(2 * p[3])
        return p[0] * (1 + 4 * (2 ** (1 / beta) - 1) * square) ** -beta + p[5]

    found = _fitted(stamp, model, [0.0, 0.0, math.log(fwhm), math.log(2.5)])
    if found is None:
        return fwhm, math.inf, math.inf
    p, left = found
    return float(np.exp(p[3])), float(1 + np.exp(p[4])), left


def _fitted(stamp: _Stamp, model: Callable[[Array], Array], shape: list[float]) -> tuple[Array, float] | None:
    """Return the parameters (height, *shape, ground) with the least squares, and the squared residual."""
    from scipy.optimize import least_squares

    values = stamp.values
    ground = float(np.median(values))
    height = float(values.max()) - ground
    if height <= 0:
        return None
    start = np.array([1.0, *shape, 0.0])
    scaled = (values - ground) / height
    with np.errstate(over="ignore", invalid="ignore"):
        try:
            found = least_squares(lambda p: (model(p) - scaled).ravel(), start, method="lm", max_nfev=150)
        except ValueError:  # it left the finite numbers
            return None
    p = found.x
    p[0] *= height
    return p, 2 * found.cost * height**2
