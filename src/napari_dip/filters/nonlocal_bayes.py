"""Patches that look alike in a pilot image: denoised, or completed, by what they have in common."""

import math
from collections.abc import Iterator
from itertools import product

import torch
from torch import Tensor

#: Sides of a patch and of the window that is searched for others like it, of an image and of a volume.
_PATCH, _WINDOW = {2: 5, 3: 3}, {2: 21, 3: 7}
#: Patches of a group.
_GROUP = 40
#: Pixels from one group's first patch to the next one's: to denoise all of a group, to complete the first.
_STRIDE, _DENSE = {2: 4, 3: 2}, 2
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
    clean, noisy = pilot.flatten(1), data.flatten(2)
    total, weight = torch.zeros_like(noisy), torch.zeros_like(clean[0])
    for places in _groups(pilot, _STRIDE[pilot.ndim - 1]):
        m, z = _spread(clean, places)
        gram = z @ z.mT + _unit(z)
        x = m + (_patches(noisy, places) - m) @ z.mT @ torch.linalg.solve(gram, z)
        _add(x, places, total, weight)
        yield pilot.expand_as(data)
    yield (total / weight).view_as(data)


def completed(pilot: Tensor, data: Tensor, known: Tensor) -> Iterator[Tensor]:
    """Fill in what is missing from data whose noise has the strength 1, by what a pilot tells of it.

    As `nonlocal_bayes`, with infinite noise where a pixel is missing. With K the diagonal of what is known,

        x = m + S K (K S K + 1)⁻¹ K (y − m),

    which is computed for the first patch of each group; where nothing of it is known it stays as it is. This
    goes back to Yu, Sapiro, Mallat, *Solving Inverse Problems with Piecewise Linear Estimators*, IEEE Trans.
    Image Processing 21, 2012.

    Parameters
    ----------
    pilot, data : Tensor, shape ``(C, *spatial)``
        2-D or 3-D.
    known : Tensor of bool, shape ``(C, *spatial)``
        Which pixels the data have.

    Yields
    ------
    Tensor, shape ``(C, *spatial)``
        The pilot, again and again while it works, so that it can be stopped; last the answer.
    """
    clean, noisy, there = pilot.flatten(1), data.flatten(1), known.to(data).flatten(1)
    total, weight = torch.zeros_like(clean), torch.zeros_like(clean[0])
    for places in _groups(pilot, _DENSE):
        m, z = _spread(clean, places)
        first = places[:, :1]
        own, y, k = (_patches(image, first) for image in (clean, noisy, there))
        gram = (z * k) @ z.mT + _unit(z)
        x = m + torch.linalg.solve(gram, z @ (k * (y - m)).mT).mT @ z
        _add(x.where(k.any(-1, keepdim=True), own), first, total, weight)
        yield pilot
    yield (total / weight).view_as(data)


def _groups(pilot: Tensor, stride: int) -> Iterator[Tensor]:
    """Yield where the patches of some groups lie in the flat image, shape ``(groups, patches, pixels)``.

    The first patch of each group is that for which the others were sought.
    """
    shape, dimensions = pilot.shape[1:], pilot.ndim - 1
    steps = torch.tensor([math.prod(shape[axis + 1 :]) for axis in range(dimensions)])
    patch = [min(_PATCH[dimensions], n) for n in shape]
    corners = torch.tensor([n - p for n, p in zip(shape, patch, strict=True)])  # the last ones
    window = (corners + 1).clamp(max=_WINDOW[dimensions])
    inside, around = (_places([range(n) for n in sides]) @ steps for sides in (patch, window.tolist()))
    flat = pilot.flatten(1)
    for chosen in _places([sorted({*range(0, n, stride), n}) for n in corners.tolist()]).split(_AT_A_TIME):
        start = (chosen - window // 2).clamp_min(0).minimum(corners + 1 - window)  # wholly in the image
        candidates = (start @ steps)[:, None] + around  # (groups, candidates)
        own = flat[:, (chosen @ steps)[:, None] + inside]  # (C, groups, pixels)
        squares = [(flat[:, one[:, None] + inside] - own).square().sum((0, 2)) for one in candidates.T]
        # Where many patches are the same, a group would else do without its own.
        distances = torch.stack(squares, 1).masked_fill_(candidates == (chosen @ steps)[:, None], -1)
        alike = distances.topk(min(_GROUP, len(around)), largest=False).indices
        yield candidates.gather(1, alike)[..., None] + inside


def _places(ranges: list[range] | list[list[int]]) -> Tensor:
    """Return all combinations of coordinates, shape ``(number, axes)``."""
    return torch.tensor(list(product(*ranges)))


def _spread(clean: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean m of each group, and its patches around it: S = zᵀ z / n."""
    patches = _patches(clean, places)
    m = patches.mean(-2, keepdim=True)
    return m, patches - m


def _unit(z: Tensor) -> Tensor:
    """Return n times the unit matrix, n patches in a group: S (S + 1)⁻¹ = zᵀ (z zᵀ + n)⁻¹ z."""
    n = z.shape[-2]
    return n * torch.eye(n, dtype=z.dtype)


def _patches(flat: Tensor, places: Tensor) -> Tensor:
    """Return patches of an image ``(..., C, pixels)``, shape ``(..., groups, patches, C * of a patch)``."""
    return flat[..., places].movedim(-4, -2).flatten(-2)


def _add(patches: Tensor, places: Tensor, total: Tensor, weight: Tensor) -> None:
    """Add patches to the sum ``(..., C, pixels)`` of those that overlap, and to their number."""
    patches = patches.unflatten(-1, (total.shape[-2], -1)).movedim(-2, -4)
    total.index_add_(-1, places.flatten(), patches.flatten(-3))
    weight.index_add_(0, places.flatten(), weight.new_ones(places.numel()))
