"""Blocks of a large image, so that what is measured in it takes a limited time."""

import math
from collections.abc import Sequence

import numpy as np

#: Largest number of pixels that are measured, over all channels, and largest number of channels.
_PIXELS, _CHANNELS = 2**20, 8
#: Sides of a block along the last two axes, and along the first of three.
_SIDE, _DEPTH = 128, 8


def blocks_of(shape: Sequence[int], channels: int = 1) -> list[tuple[slice, ...]]:
    """Return the whole image if it is small, else blocks of it that are evenly spread along each axis.

    Parameters
    ----------
    shape : sequence of int
        Spatial shape, 2-D or 3-D.
    channels : int
        Number of channels that are measured.

    Returns
    -------
    list of tuple of slice
        Blocks that do not overlap, as indices along the spatial axes.
    """
    most = _PIXELS // channels
    if math.prod(shape) <= most:
        return [tuple(slice(0, n) for n in shape)]
    sides = [min(n, side) for n, side in zip(shape, (_DEPTH, _SIDE, _SIDE)[-len(shape) :], strict=True)]
    left, counts = most // math.prod(sides), list[tuple[int, int]]()
    for at in np.argsort([n // side for n, side in zip(shape, sides, strict=True)]).tolist():
        # Axes that hold few blocks leave more to the others.
        each = max(1, int(left ** (1 / (len(shape) - len(counts))) + 1e-9))
        counts.append((at, min(each, shape[at] // sides[at])))
        left //= counts[-1][1]
    starts = [np.linspace(0, shape[at] - sides[at], n).astype(int) for at, n in sorted(counts)]
    corners = np.stack(np.meshgrid(*starts, indexing="ij"), -1).reshape(-1, len(shape)).tolist()
    return [tuple(slice(at, at + side) for at, side in zip(corner, sides, strict=True)) for corner in corners]


def chosen_channels(count: int) -> list[int]:
    """Return the channels that are measured: all, or some that are evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, _CHANNELS)).round().astype(int)).tolist()
