"""Groups of patches that look alike, which non-local filters restore together."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

#: Side of a patch, and of the window in which similar patches are searched, by the number of axes.
_PATCH, _WINDOW = {2: 5, 3: 3}, {2: 21, 3: 7}
#: Number of groups that are processed together, and of distances that are computed together: they bound the
#: memory.
_BATCH, _DISTANCES = 128, 2**22


def similar_patches(image: Tensor, *, stride: int, number: int) -> Iterator[Tensor]:
    """Yield groups of patches as indices into the flat image, batch by batch.

    Parameters
    ----------
    image : Tensor, shape ``(C, *spatial)``
        2-D or 3-D. Patches are compared by the sum of their squared differences over all channels.
    stride : int
        Pixels between the reference patches of two groups.
    number : int
        Number of patches in a group, unless the window holds fewer.

    Yields
    ------
    Tensor of int64, shape ``(groups, patches, pixels)``
        The first patch of each group is its reference, which the others resemble.
    """
    shape, dimensions = image.shape[1:], image.ndim - 1
    steps = torch.tensor([math.prod(shape[axis + 1 :]) for axis in range(dimensions)])
    patch = [min(_PATCH[dimensions], n) for n in shape]
    corners = [n - p for n, p in zip(shape, patch, strict=True)]  # of the last patch
    window = [min(n + 1, _WINDOW[dimensions]) for n in corners]
    inside, around = (_combinations([range(n) for n in sides]) @ steps for sides in (patch, window))
    grid = [sorted({*range(0, n, stride), n}) for n in corners]
    rows = max(1, _DISTANCES // (len(around) * math.prod(len(places) for places in grid[1:])))
    for first in range(0, len(grid[0]), rows):
        chosen = [grid[0][first : first + rows], *grid[1:]]
        starts = [  # of the windows, which lie wholly in the image
            [min(max(at - side // 2, 0), n + 1 - side) for at in places]
            for places, side, n in zip(chosen, window, corners, strict=True)
        ]
        references, begins = (_combinations(places) @ steps for places in (chosen, starts))
        distances = _distances(image, chosen, starts, window, patch)
        for batch in torch.arange(len(references)).split(_BATCH):
            candidates = begins[batch, None] + around
            # Among many equal patches, a group might otherwise miss its own reference.
            own = candidates == references[batch, None]
            apart = distances[batch].masked_fill(own, -1)
            alike = apart.topk(min(number, len(around)), largest=False).indices
            yield candidates.gather(1, alike)[..., None] + inside


def _distances(
    image: Tensor,
    references: Sequence[Sequence[int]],
    starts: Sequence[Sequence[int]],
    window: Sequence[int],
    patch: Sequence[int],
) -> Tensor:
    """Return the distance of each reference to each place of its window, shape ``(references, places)``.

    The squared difference of two shifted images is computed once, and summed over all patches.

    Parameters
    ----------
    image : Tensor, shape ``(C, *spatial)``
        The image.
    references, starts : sequence of sequences of int
        First pixels of the references, and of their windows, along each axis.
    window, patch : sequence of int
        Sides of a window and of a patch.
    """
    sides = [*map(len, references), *window]
    steps = [math.prod(sides[axis + 1 :]) for axis in range(len(sides))]
    each = zip(references, starts, window, patch, steps[: len(window)], steps[len(window) :], strict=True)
    axes = [list(_shifts(*axis)) for axis in each]
    distances = image.new_empty(math.prod(sides))
    for shifts in product(*axes):
        here, there = tuple(one.here for one in shifts), tuple(one.there for one in shifts)
        apart = (image[:, *here] - image[:, *there]).square_().sum(0)
        index = shifts[0].index
        for axis, shift in enumerate(shifts):
            apart = apart.index_select(axis, shift.pixels).unflatten(axis, (patch[axis], -1)).sum(axis)
            index = index if axis == 0 else index[..., None] + shift.index
        distances[index.flatten()] = apart.flatten()
    return distances.view(-1, math.prod(window))


@dataclass(frozen=True)
class _Shift:
    """References that are compared, along one axis, with the patches at an offset from them.

    Parameters
    ----------
    here, there : slice
        The part of the image that has these references, and the part that has the other patches.
    pixels : Tensor of int64
        Places in this part of the first pixels of all patches, then of the second ones, and so on.
    index : Tensor of int64
        What the axis contributes to the flat index of a distance.
    """

    here: slice
    there: slice
    pixels: Tensor
    index: Tensor


def _shifts(
    references: Sequence[int], starts: Sequence[int], window: int, patch: int, step: int, place_step: int
) -> Iterator[_Shift]:
    """Yield all offsets along an axis; those of references at the border differ from those of others.

    Parameters
    ----------
    references, starts, window, patch
        As for `_distances`, along the axis.
    step, place_step : int
        By how much the index of a distance increases from one reference to the next, and from one place of
        the window to the next.
    """
    first, start = torch.tensor(references), torch.tensor(starts)
    for offset in range(1 - window, window):
        place = first + offset - start
        number = ((place >= 0) & (place < window)).nonzero().flatten()
        if not len(number):
            continue
        used = first[number]
        low, high = int(used[0]), int(used[-1]) + patch
        pixels = torch.cat([used - low + n for n in range(patch)])
        index = step * number + place_step * place[number]
        yield _Shift(slice(low, high), slice(low + offset, high + offset), pixels, index)


def _combinations(ranges: Sequence[Sequence[int]]) -> Tensor:
    """Return all combinations of coordinates, shape ``(number, axes)``."""
    return torch.tensor(list(product(*ranges)))
