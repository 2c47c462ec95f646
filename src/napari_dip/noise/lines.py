"""Rows or columns that differ from their neighbours over their whole length."""

from dataclasses import dataclass

import numpy as np

from napari_dip.image.units import Units

#: Least side of an image in which lines are looked at, in pixels.
_SIDE = 24
#: Standard errors by which a single line differs from its neighbours.
_LINE = 10.0
#: Share by which the parts of a line may differ from all of it, and their number.
_UNLIKE, _PARTS = 0.5, 8
#: Length of a segment of a line in pixels, and the least number of segments of a line.
SEGMENT, _FEWEST = 32, 3
#: What makes an image striped: the least correlation between neighbouring segments, its standard errors, and
#: the least correlation between those segments that differ least from the lines beside them.
_COHERENT, _SIGNIFICANT, _QUIET = 0.2, 4.0, 0.06
#: Largest correlation between neighbouring lines of a striped image; it is −2/3 for independent stripes.
_ROUGH = -0.4
#: Differences are cut off at this multiple of their median magnitude.
_CUT = 3.0
#: Variance of a correlation of second differences, times their number: they depend on each other.
_DEPENDENT = 1.94
#: The median of the magnitude of normal numbers, and the ratio of the standard errors of median and mean.
_MAGNITUDE, _MEDIAN = 0.6745, 1.2533


@dataclass(frozen=True)
class Lines:
    """Rows or columns that differ from their neighbours over their whole length.

    Parameters
    ----------
    numbers : tuple of int
        Their indices; empty if most of them differ.
    striped : bool
        Whether most of them differ.
    step : float
        By how many grey levels they differ, typically.
    """

    numbers: tuple[int, ...]
    striped: bool
    step: float


def odd_lines(image: np.ndarray, axis: int) -> Lines | None:
    """Return the lines across an axis that differ from their neighbours; None if there are none.

    Each pixel is compared with its two neighbours along the axis. A structure of the scene hardly ever
    differs from both of them in the same way along a whole line. Where the scene is smooth, or has an edge
    along a line, that line lies between its neighbours.

    Parameters
    ----------
    image : ndarray of float, shape ``(H, W)``
        Grey levels without missing pixels.
    axis : {0, 1}
        0 for rows, 1 for columns.
    """
    if min(image.shape) < _SIDE:
        return None
    units = Units.of(image.ravel())  # products of extreme grey levels would overflow
    lines = units.to_working(image if axis == 0 else image.T).astype(np.float64)
    if (step := stripes(lines)) > 0:
        return Lines((), striped=True, step=units.scale * step)
    return _single(lines, units)


def stripes(lines: np.ndarray) -> float:
    """Return the standard deviation of the rows' own offsets in a striped image, or 0 for any other image.

    Each row is compared with its two neighbours in segments of 32 pixels. The median of a segment of white
    noise tells nothing about the next segment of the same row, but in a striped image it does, also where the
    noise of an amplifier drifts along the row. Three signs tell stripes from structure. The segments that
    differ least from the rows beside them are correlated too, while the lines of a grid have nothing between
    them. The sign changes from row to row, while structure is smooth. And the correlation is significant.

    Parameters
    ----------
    lines : ndarray of float64, shape ``(H, W)``
        Grey levels; NaN where a pixel is missing.

    Returns
    -------
    float
        In grey levels.
    """
    count, length = lines.shape
    segment = min(SEGMENT, length // _FEWEST)
    if count < _SIDE or length < _SIDE:
        return 0.0
    apart = lines[1:-1] - (lines[:-2] + lines[2:]) / 2
    apart = apart[:, : length // segment * segment].reshape(count - 2, -1, segment)
    if np.isnan(apart).any():
        missing = np.isnan(apart).mean(2) > 0.5
        typical = np.full(missing.shape, np.nan)
        typical[~missing] = np.nanmedian(apart[~missing], axis=1)
    else:
        typical = np.median(apart, axis=2)
    magnitude = np.abs(typical)
    usual = float(np.nanmedian(magnitude)) if not np.isnan(magnitude).all() else 0.0
    if usual == 0:
        return 0.0
    beside = np.stack([typical[:, :-1], typical[:, 1:]])
    known = ~np.isnan(beside).any(0)
    quiet = [_correlation(*beside[:, known & (np.abs(one) <= usual)]) for one in beside]
    cut = np.clip(typical, -_CUT * usual, _CUT * usual)
    coherent = _correlation(*np.clip(beside[:, known], -_CUT * usual, _CUT * usual))
    error = (_DEPENDENT / max(known.sum(), 1)) ** 0.5
    if coherent < max(_COHERENT, _SIGNIFICANT * error) or np.mean(quiet) < max(_QUIET, 1.7 * error):
        return 0.0
    same = np.nanmean(cut[:, :-1] * cut[:, 1:])
    next_ = np.nanmean(cut[:-1, :-1] * cut[1:, 1:]) / 2 + np.nanmean(cut[:-1, 1:] * cut[1:, :-1]) / 2
    # The comparison with two neighbours raises the variance of independent offsets by half.
    return float((same / 1.5) ** 0.5) if next_ < _ROUGH * same else 0.0


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Return the correlation of two samples with mean 0, or 0 if one of them is 0 throughout."""
    power = float(np.square(first).sum() * np.square(second).sum())
    return float((first * second).sum()) / power**0.5 if power > 0 else 0.0


def _single(lines: np.ndarray, units: Units) -> Lines | None:
    """Return the few rows that differ from their neighbours."""
    apart = lines[1:-1] - (lines[:-2] + lines[2:]) / 2
    typical = np.median(apart, axis=1)
    before, after = (np.median(lines[1:-1] - beside, axis=1) for beside in (lines[:-2], lines[2:]))
    extreme = (before * after > 0) & (np.minimum(np.abs(before), np.abs(after)) > _UNLIKE * np.abs(typical))
    spread = float(np.median(np.abs(apart - typical[:, None]))) / _MAGNITUDE
    error = _MEDIAN * spread / lines.shape[1] ** 0.5
    if error == 0:
        return None
    parts = np.stack([np.median(part, axis=1) for part in np.array_split(apart, _PARTS, axis=1)])
    alike = (np.abs(parts - typical) <= _UNLIKE * np.abs(typical)).all(0)
    # A line that differs makes both of its neighbours seem to differ, half as much.
    beside = np.pad(np.abs(typical), 1)
    largest = np.abs(typical) >= np.maximum(beside[:-2], beside[2:])
    odd = (np.abs(typical) > _LINE * error) & alike & largest & extreme
    if not odd.any():
        return None
    numbers = tuple(int(n) + 1 for n in np.flatnonzero(odd))
    return Lines(numbers, striped=False, step=units.scale * float(np.abs(typical[odd]).mean()))
