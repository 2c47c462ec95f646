"""The offsets of rows and columns in a striped image."""

import numpy as np

from napari_dip.noise.lines import SEGMENT, stripes

#: Number of lines on either side whose mean is the scene, up to the next edge.
_LINES = 15
#: Lines on either side of an edge, and the standard errors by which they differ.
_BESIDE, _STEP = 8, 4.5
#: The median of the magnitude of normal numbers.
_MAGNITUDE = 0.6745
#: Quartiles by which the segments of a line disagree.
_DISAGREE = 4.0
#: Number of times that rows and columns are estimated in turn.
_ROUNDS = 2
#: Least side of an image, and largest share of missing pixels.
_SIDE, _MOSTLY = 24, 0.5
#: A line is no stripe if its offset is this many times the median magnitude of all offsets.
_OUTLIER = 5.0


def stripe_offsets(
    plane: np.ndarray, seen: np.ndarray, *, of_rows: bool | None = None, of_columns: bool | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the offsets of the rows and of the columns of an image; each has the mean 0.

    Only what a line has in common over its length, and not with the lines beside it, belongs to it. Each line
    is cut into segments, whose medians are compared with the running median of the lines around them. Edges
    and slopes along the lines stay in the image. So does a filament over less than three quarters of a line,
    because its segments disagree, and a line that differs far more than the others, because it is probably
    part of the scene. The offsets are shrunk by what their estimates from even and odd segments share. Rows
    or columns without stripes have the offset 0.

    Parameters
    ----------
    plane : ndarray of float, shape ``(H, W)``
        Grey levels.
    seen : ndarray of bool, shape ``(H, W)``
        False where a pixel is missing.
    of_rows, of_columns : bool, optional
        Whether rows, or columns, have offsets. By default they have if the image is found to be striped.

    Returns
    -------
    (ndarray, ndarray), shapes ``(H,)`` and ``(W,)``
        In grey levels.
    """
    values = np.where(seen, plane, np.nan).astype(np.float64)
    rows, columns = np.zeros(len(values)), np.zeros(values.shape[1])
    if min(values.shape) < _SIDE or np.isnan(values).mean() > _MOSTLY:
        return rows, columns
    of_rows = stripes(values) > 0 if of_rows is None else of_rows
    of_columns = stripes(values.T) > 0 if of_columns is None else of_columns
    for _ in range(_ROUNDS if of_rows and of_columns else 1):
        if of_rows:
            rows = _offsets(values - columns)
        if of_columns:
            columns = _offsets(values.T - rows)
    return rows, columns


def _offsets(lines: np.ndarray) -> np.ndarray:
    """Return the offset of each row."""
    segments = _segments(lines)
    scatter = float(np.median(np.abs(np.diff(segments, axis=0)))) / (_MAGNITUDE * 2**0.5)
    if scatter == 0:
        return np.zeros(len(lines))
    apart = segments - _around(segments, _edges(segments, scatter))
    offsets = _common(apart)
    shared = np.corrcoef(_common(apart[:, ::2]), _common(apart[:, 1::2]))[0, 1]
    offsets *= max(2 * shared / (1 + shared), 0.0) if np.isfinite(shared) else 0.0
    offsets -= offsets.mean()
    return offsets


def _segments(lines: np.ndarray) -> np.ndarray:
    """Return the medians of the segments of each row; one without observed pixels has that of its row."""
    count = max(lines.shape[1] // SEGMENT, 4)
    parts = np.array_split(lines, count, axis=1)
    if not np.isnan(lines).any():
        return np.stack([np.median(part, 1) for part in parts], 1)
    found = np.full((len(lines), count), np.nan)
    for number, part in enumerate(parts):
        known = ~np.isnan(part).all(1)
        found[known, number] = np.nanmedian(part[known], 1)
        # A gap in a segment is bridged from the rows around it.
        if known.any():
            found[~known, number] = np.interp(
                np.flatnonzero(~known), np.flatnonzero(known), found[known, number]
            )
    return np.where(np.isnan(found), np.nanmedian(found), found)


def _edges(segments: np.ndarray, scatter: float) -> np.ndarray:
    """Return the number of edges of the scene above each row, in each segment, shape ``(H, segments)``."""
    from scipy.ndimage import maximum_filter1d

    edges = np.zeros(segments.shape, bool)
    if len(segments) > 2 * _BESIDE:
        sums = np.cumsum(np.pad(segments, ((1, 0), (0, 0))), axis=0)
        means = (sums[_BESIDE:] - sums[:-_BESIDE]) / _BESIDE
        steps = np.abs(means[_BESIDE:] - means[:-_BESIDE])
        clear = steps > _STEP * scatter * (2 / _BESIDE) ** 0.5
        edges[_BESIDE : _BESIDE + len(steps)] = clear & (steps == maximum_filter1d(steps, _BESIDE + 1, 0))
    return np.cumsum(edges, axis=0)


def _around(segments: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return the mean of the rows around each row, as many on either side, up to the next edge.

    Beyond the border the image is mirrored.
    """
    rows, far = len(segments), min(_LINES, len(segments) - 1)
    beyond = np.abs(np.arange(-far, rows + far))
    beyond = np.minimum(beyond, 2 * (rows - 1) - beyond)
    total, count = np.zeros_like(segments), np.zeros_like(segments)
    reached = np.ones(segments.shape, bool)
    for step in range(1, far + 1):
        before, after = beyond[far - step :][:rows], beyond[far + step :][:rows]
        reached &= (edges[before] == edges) & (edges[after] == edges)
        total += np.where(reached, segments[before] + segments[after], 0)
        count += 2 * reached
    return np.where(count > 0, total / np.maximum(count, 1), segments)


def _common(apart: np.ndarray) -> np.ndarray:
    """Return what the segments of each row have in common, shape ``(H,)``."""
    low, offsets, high = np.quantile(apart, (0.25, 0.5, 0.75), axis=1)
    usual = float(np.median(high - low)) / 2
    # Where most segments differ from the rest, the rest tell what the whole row has in common.
    offsets = np.where(offsets - low > _DISAGREE * usual, np.maximum(low, 0), offsets)
    offsets = np.where(high - offsets > _DISAGREE * usual, np.minimum(high, 0), offsets)
    offsets[np.abs(offsets) > _OUTLIER * np.median(np.abs(offsets))] = 0.0
    return offsets
