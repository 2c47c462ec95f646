"""Straight edges in an image, and the width of the blur that they show."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_dip.psf.points import Array, Plane

#: Standard deviation of the Gaussian whose derivative finds edges, in pixels.
_SCALE = 1.0
#: Reach of a profile across an edge and along it, in pixels, and steps per pixel.
_REACH, _ALONG, _STEPS = 14, 2, 2
#: Share of the steepest gradient from which an edge counts, and its least height in standard deviations.
_STEEP, _HIGH = 0.3, 20.0
#: Standard deviation of the derivative of white noise of variance 1, and least gradient in this unit.
_SLOPE_NOISE, _CLEAR = 0.2, 6.0
#: Largest number of profiles of a plane, least distance between them in pixels, and fewest that tell a width.
_MOST, _APART, _FEWEST = 150, 6, 12
#: Largest residual of a profile as a share of its height, and share of the profiles that must be edges.
_RESIDUAL, _SHARE = 0.04, 0.3
#: Largest logarithm of the ratio of two widths that are alike, largest relative spread of these widths, and
#: share of the sharpest edges to begin with.
_ALIKE, _SPREAD, _SHARPEST = 0.4, 0.11, 0.15
#: Relative error of the result in any case: edges of a scene are not perfectly sharp, straight and alone.
_LEAST_ERROR = 0.04
#: Distances from the edge at which a profile is sampled, and those where the edge must lie.
_ACROSS = np.arange(-_REACH * _STEPS, _REACH * _STEPS + 1) / _STEPS
_NEAR = np.abs(_ACROSS) <= _REACH / 2


@dataclass(frozen=True)
class Edges:
    """What edges tell about the blur.

    Parameters
    ----------
    sigma, error : float
        Standard deviation of the Gaussian that blurs them and its standard error, in pixels.
    count : int
        Number of places on edges.
    """

    sigma: float
    error: float
    count: int


def edges(planes: Sequence[Plane]) -> Edges | None:
    """Fit blurred steps across the edges of some planes.

    Returns None if there are too few edges, or if their widths differ: then they are soft in the scene.

    Parameters
    ----------
    planes : sequence of (ndarray, ndarray of bool, float)
        Complete grey levels, which of them were observed, and the standard deviation of the noise.
    """
    measured = [one for plane in planes if (one := _of_plane(*plane)) is not None]
    if not measured:
        return None
    return min(measured, key=lambda one: one.sigma)


def _of_plane(plane: Array, seen: NDArray[np.bool_], sigma: float) -> Edges | None:
    from scipy.ndimage import gaussian_filter

    down, right = (gaussian_filter(plane, _SCALE, order=order) for order in ((1, 0), (0, 1)))
    slope = np.hypot(down, right)
    widths, tries = [], 0
    for row, column in _places(slope, seen, _CLEAR * _SLOPE_NOISE * sigma):
        direction = np.array([down[row, column], right[row, column]]) / slope[row, column]
        profile = _profile(plane, (row, column), direction)
        if profile is None or np.ptp(profile[_NEAR]) < _HIGH * sigma / math.sqrt(2 * _ALONG + 1):
            continue
        tries += 1
        if (width := _step_width(profile, sigma)) is not None:
            widths.append(width)
    if len(widths) < max(_FEWEST, _SHARE * tries):
        return None
    values = np.array(widths)
    middle = float(np.quantile(values, _SHARPEST))
    for _ in range(10):  # from the sharpest edges to where many are alike
        alike = values[np.abs(np.log(values / middle)) < _ALIKE]
        middle = float(np.median(alike))
    spread = 1.4826 * float(np.median(np.abs(alike - middle)))
    if len(alike) < max(_FEWEST, 0.5 * len(values)) or spread > _SPREAD * middle:
        return None
    error = math.hypot(1.2533 * spread / math.sqrt(len(alike)), _LEAST_ERROR * middle)
    return Edges(middle, error, len(alike))


def _places(slope: Array, seen: NDArray[np.bool_], least: float) -> list[tuple[int, int]]:
    """Return places on edges, steepest first, that lie apart from each other and from the border."""
    from scipy.ndimage import binary_erosion

    inside = binary_erosion(seen, iterations=2)
    margin = _ALONG + 3
    inside[:margin], inside[-margin:], inside[:, :margin], inside[:, -margin:] = (False,) * 4
    steepest = float(np.quantile(slope[inside], 0.999)) if inside.any() else 0.0
    candidates = np.argwhere(inside & (slope > max(_STEEP * steepest, least)))
    order = np.argsort(-slope[tuple(candidates.T)])
    free, found = np.ones(slope.shape, bool), []
    for row, column in candidates[order]:
        if free[row, column]:
            found.append((int(row), int(column)))
            free[max(0, row - _APART) : row + _APART + 1, max(0, column - _APART) : column + _APART + 1] = (
                False
            )
        if len(found) == _MOST:
            break
    return found


def _profile(plane: Array, place: tuple[int, int], direction: Array) -> Array | None:
    """Return grey levels across an edge, averaged along it; None where it leaves the image."""
    from scipy.ndimage import map_coordinates

    along = np.arange(-_ALONG, _ALONG + 1)
    tangent = np.array([-direction[1], direction[0]])
    at = (
        np.array(place)[:, None, None]
        + direction[:, None, None] * _ACROSS
        + tangent[:, None, None] * along[:, None]
    )
    ends = np.array(plane.shape)[:, None, None] - 1
    if ((at < 0) | (at > ends)).any():
        inner = ((at >= 0) & (at <= ends)).all((0, 1))
        if inner.sum() < 2 * len(_ACROSS) // 3:
            return None
        at = np.clip(at, 0, ends)
    return map_coordinates(plane, at, order=3, mode="nearest").mean(0)


def _step_width(profile: Array, sigma: float) -> float | None:
    """Return the standard deviation of the blur of one step; None if the profile is no step.

    The fit reaches three standard deviations to both sides, where the grey levels must be flat.
    """
    from scipy.optimize import least_squares
    from scipy.special import ndtr

    low, high = profile[_NEAR].min(), profile[_NEAR].max()
    width = 1.0
    for _ in range(3):
        part = np.abs(_ACROSS) <= min(_REACH, 2 + 3.5 * width)
        t, y = _ACROSS[part], (profile[part] - low) / (high - low)
        start = [1.0, 0.0, math.log(width), 0.0]
        found = least_squares(
            lambda p, t=t, y=y: p[0] * ndtr((t - p[1]) / np.exp(p[2].clip(-4, 4))) + p[3] - y,
            start,
            method="lm",
            max_nfev=200,
        )
        width = float(np.exp(found.x[2].clip(-4, 4)))
        if not 0.05 < width < _REACH / 2.5 or abs(found.x[1]) > 2:
            return None
    height = abs(found.x[0])
    noise = (sigma / (high - low)) ** 2 / (2 * _ALONG + 1)
    left = 2 * found.cost / len(t)
    return width if left < 4 * noise + (_RESIDUAL * height) ** 2 and height > 0.5 else None
