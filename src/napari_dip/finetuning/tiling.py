"""Large images restored tile by tile, and the self-ensemble."""

from collections.abc import Iterator

import torch
from torch import Tensor

from napari_dip.finetuning.pieces import Pieces
from napari_dip.finetuning.restorer import Restorer
from napari_dip.image.grid import cut
from napari_dip.pretrained.degradation import pre_upsampled

#: Side of a tile, and of the margin around it that the network sees as well, in pixels of the data. Their sum
#: is a multiple of the windows into which networks with attention cut their input.
TILE, MARGIN = 192, 32


def tiled(restorer: Restorer, data: Tensor, *, images: bool = False) -> Pieces[Tensor]:
    """Restore data of any size in tiles, so that memory stays flat.

    The network sees each tile with a margin. If its receptive field is no wider than that, the result equals
    that of the whole image.

    Parameters
    ----------
    restorer : Restorer
        The network.
    data : Tensor, shape ``(1, C, H, W)``
        Grey levels.
    images : bool
        Yield the image so far after each row of tiles, with interpolated data where no tile has been restored
        yet.
    """
    height, width = data.shape[2:]
    if max(height, width) <= TILE + 2 * MARGIN:
        with torch.no_grad():
            return restorer(data)
    f = restorer.factor
    x = interpolated(data, f)
    for rows, seen_rows in _tiles(height):
        for columns, seen_columns in _tiles(width):
            with torch.no_grad():
                tile = restorer(data[:, :, slice(*seen_rows), slice(*seen_columns)])
            inside = [
                slice(f * (a - seen), f * (b - seen))
                for (a, b), (seen, _) in ((rows, seen_rows), (columns, seen_columns))
            ]
            x[:, :, f * rows[0] : f * rows[1], f * columns[0] : f * columns[1]] = cut(tile, inside)
            # What was yielded must not change later, and a copy for each tile would take too long.
            yield x.clone() if images and columns[1] == width else None
    return x


def self_ensemble(restorer: Restorer, data: Tensor) -> Pieces[Tensor]:
    """Return the mean over the eight ways to rotate and mirror the data (Timofte et al., CVPR 2016).

    Yields
    ------
    Tensor or None
        After each of the eight, the mean so far.
    """
    total: Tensor | float = 0.0
    for count, (turns, mirrored) in enumerate(((n, m) for n in range(4) for m in (False, True)), start=1):
        turned = data.rot90(turns, (2, 3))
        x = yield from tiled(restorer, turned.flip(3) if mirrored else turned)
        total = total + (x.flip(3) if mirrored else x).rot90(-turns, (2, 3))
        yield total / count
    assert isinstance(total, Tensor)
    return total / 8


def interpolated(data: Tensor, factor: int) -> Tensor:
    """Return a new tensor with the data on the grid of the restored image."""
    return pre_upsampled(data, factor) if factor > 1 else data.clone()


def _tiles(length: int) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Yield the ends of each tile along an axis, and those of the tile with its margin."""
    for start in range(0, length, TILE):
        stop = min(start + TILE, length)
        yield (start, stop), (max(0, start - MARGIN), min(length, stop + MARGIN))
