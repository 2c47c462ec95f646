"""Colour-filter mosaics: images whose neighbouring pixels lie behind filters of different colours."""

from itertools import combinations

import numpy as np

#: Cells of two by two pixels along the side of a block, and the least number of blocks to judge from.
_CELLS, _BLOCKS = 4, 16
_MOST = 60  # blocks along an axis
_STANDARD_ERRORS = 8.0
_AGREEMENT = 0.8
#: Differences of the phases relative to the range of the grey levels: of all of them, and of Bayer mosaics.
_CLEAR, _BAYER = 0.05, 0.01


def looks_like_mosaic(plane: np.ndarray) -> bool:
    """Return whether the four interleaved phases of an image differ as those of a mosaic do.

    In other images they are samples of the same scene, and their means differ by chance only. Rows or columns
    that are read by different amplifiers differ too, but then two phases are alike in each of two pairs. All
    four phases must differ throughout the image, or the two on one diagonal, which are green in a Bayer
    mosaic, must be alike and the other two differ from them.

    Parameters
    ----------
    plane : ndarray, shape ``(Y, X)``
        Grey levels; NaN where they are missing.
    """
    side = 2 * _CELLS
    rows, columns = (n // side for n in plane.shape)
    if rows * columns < _BLOCKS:
        return False
    blocks = np.asarray(plane)[: rows * side, : columns * side].reshape(rows, side, columns, side)
    blocks = blocks[:: max(1, rows // _MOST), :, :: max(1, columns // _MOST)].astype(np.float64)
    finite = np.isfinite(blocks)
    if not finite.any():
        return False
    low, middle, high = np.percentile(blocks[finite], (1, 50, 99))
    # Bright stars and hot pixels would decide alone.
    blocks = np.clip(np.where(finite, blocks, middle), low, high)
    rows, _, columns, _ = blocks.shape
    cells = blocks.reshape(rows, _CELLS, 2, columns, _CELLS, 2)
    phases = cells.mean((1, 4)).transpose(1, 3, 0, 2)
    a, b, c, d = phases.reshape(4, -1)
    if all(_differ(one, other, _CLEAR * (high - low)) for one, other in combinations((a, b, c, d), 2)):
        return True
    for green, other_green, red, blue in ((a, d, b, c), (b, c, a, d)):
        mean = (green + other_green) / 2
        least = min(abs((red - mean).mean()), abs((blue - mean).mean()))
        alike = abs((green - other_green).mean()) < 0.15 * least
        if alike and all(_differ(colour, mean, _BAYER * (high - low)) for colour in (red, blue)):
            return True
    return False


def _differ(one: np.ndarray, other: np.ndarray, least: float) -> bool:
    """Return whether one phase is brighter than another, not by chance, and nearly everywhere."""
    difference = one - other
    mean, spread = difference.mean(), difference.std() / np.sqrt(difference.size)
    agreeing = np.abs(difference[difference * mean > 0]).sum() >= _AGREEMENT * np.abs(difference).sum()
    return bool(abs(mean) > least and abs(mean) > _STANDARD_ERRORS * spread and agreeing)
