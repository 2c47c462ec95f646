"""Patches that look alike in a pilot image, denoised together."""

import math
from collections.abc import Iterator
from itertools import product

import torch
from torch import Tensor

#: Sides of a patch and of the window that is searched for others like it, of an image and of a volume.
_PATCH, _WINDOW = {2: 5, 3: 3}, {2: 21, 3: 7}
#: Patches of a group; pixels from one group's first patch to the next one's, fewer than a patch has.
_GROUP, _STRIDE = 40, {2: 4, 3: 2}
#: Groups at a time, which bounds the memory.
_AT_A_TIME = 128


def nonlocal_bayes(pilot: Tensor, data: Tensor) -> Iterator[Tensor]:
    """Filter data whose noise has the strength 1 by what a cleaner image of the same scene tells of them.

    The patches of a group look alike in the pilot, which gives their mean m and covariance S. If patches are
    normally distributed around m, then

        x = m + S (S + 1)⁻¹ (y − m)

    is the best estimate from noisy patches y; where patches overlap their mean is taken. Source: Lebrun,
    Buades, Morel, *A Nonlocal Bayesian Image Denoising Algorithm*, SIAM J. Imaging Sciences 6, 2013, the
    second of its two steps.

    Parameters
    ----------
    pilot : Tensor, shape ``(C, *spatial)``
        2-D or 3-D.
    data : Tensor, shape ``(N, C, *spatial)``
        N images, each filtered alike: what is done to them depends on the pilot alone.

    Yields
    ------
    Tensor, shape ``(N, C, *spatial)``
        The pilot, again and again while it works, so that it can be stopped; last the answer.
    """
    channels, *shape = pilot.shape
    dimensions = len(shape)
    steps = torch.tensor([math.prod(shape[axis + 1 :]) for axis in range(dimensions)])
    patch = [min(_PATCH[dimensions], n) for n in shape]
    corners = torch.tensor([n - p for n, p in zip(shape, patch, strict=True)])  # the last ones
    window = (corners + 1).clamp(max=_WINDOW[dimensions])
    inside, around = (_places([range(n) for n in sides]) @ steps for sides in (patch, window.tolist()))
    first = _places([sorted({*range(0, last, _STRIDE[dimensions]), last}) for last in corners.tolist()])

    flat, noisy = pilot.flatten(1), data.flatten(2)  # (C, pixels), (N, C, pixels)
    total, weight = torch.zeros_like(noisy), torch.zeros_like(flat[0])
    for chosen in first.split(_AT_A_TIME):
        start = (chosen - window // 2).clamp_min(0).minimum(corners + 1 - window)  # wholly in the image
        candidates = (start @ steps)[:, None] + around  # (groups, candidates)
        own = flat[:, (chosen @ steps)[:, None] + inside]  # (C, groups, pixels of a patch)
        squares = [(flat[:, one[:, None] + inside] - own).square().sum((0, 2)) for one in candidates.T]
        # Where many patches are the same, a group would else do without its own.
        distances = torch.stack(squares, 1).masked_fill_(candidates == (chosen @ steps)[:, None], -1)
        alike = distances.topk(min(_GROUP, len(around)), largest=False).indices
        places = candidates.gather(1, alike)[..., None] + inside  # (groups, patches, pixels of a patch)
        clean, y = (image[..., places].movedim(-4, -2).flatten(-2) for image in (flat, noisy))
        m = clean.mean(-2, keepdim=True)
        z = clean - m  # S = zᵀ z / n
        n = z.shape[-2]
        gram = z @ z.mT + n * torch.eye(n)
        x = m + (y - m) @ z.mT @ torch.linalg.solve(gram, z)
        x = x.unflatten(-1, (channels, -1)).movedim(-2, 1)  # (N, C, groups, patches, pixels of a patch)
        total.index_add_(2, places.flatten(), x.flatten(2))
        weight.index_add_(0, places.flatten(), weight.new_ones(places.numel()))
        yield pilot.expand_as(data)
    yield (total / weight).unflatten(2, shape)


def _places(ranges: list[range] | list[list[int]]) -> Tensor:
    """Return all combinations of coordinates, shape ``(number, axes)``."""
    return torch.tensor(list(product(*ranges)))
