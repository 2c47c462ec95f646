"""Non-local Bayes: patches that look alike in a pilot image denoise or complete one another."""

import math
from collections.abc import Generator, Iterator
from itertools import product

import torch
from torch import Tensor

#: Side of a patch, and of the window in which similar patches are searched, by the number of axes.
_PATCH, _WINDOW = {2: 5, 3: 3}, {2: 21, 3: 7}
#: Number of patches in a group.
_GROUP = 40
#: Pixels between the reference patches of two groups: for denoising, which restores every patch of a group,
#: and for completion, which only restores the reference.
_STRIDE, _DENSE = {2: 4, 3: 2}, 2
#: Number of groups that are processed together, which bounds the memory.
_BATCH = 128


def nonlocal_bayes(pilot: Tensor, data: Tensor) -> Generator[None, None, Tensor]:
    """Denoise data with noise of variance 1, guided by a cleaner image of the same scene.

    The patches of a group look alike in the pilot, which gives their mean m and covariance S. If patches are
    normally distributed around m, then

        x = m + S (S + 1)⁻¹ (y − m)

    is the best estimate from noisy patches y. Where patches overlap, their estimates are averaged. Source:
    Lebrun, Buades, Morel, *A Nonlocal Bayesian Image Denoising Algorithm*, SIAM J. Imaging Sciences 6, 2013,
    the second of its two steps.

    Parameters
    ----------
    pilot : Tensor, shape ``(C, *spatial)``
        2-D or 3-D.
    data : Tensor, shape ``(N, C, *spatial)``
        N images. The filter depends on the pilot alone, and is the same for all of them.

    Yields
    ------
    None
        After each batch of groups, so that it can be stopped.

    Returns
    -------
    Tensor, shape ``(N, C, *spatial)``
        The denoised images.
    """
    clean, noisy = pilot.flatten(1), data.flatten(2)
    total, weight = torch.zeros_like(noisy), torch.zeros_like(clean[0])
    for places in _groups(pilot, _STRIDE[pilot.ndim - 1]):
        m, z = _centred(clean, places)
        gram = z @ z.mT + _scaled_identity(z)
        x = m + (_patches(noisy, places) - m) @ z.mT @ torch.linalg.solve(gram, z)
        _accumulate(x, places, total, weight)
        yield
    return (total / weight).view_as(data)


def nonlocal_bayes_completion(pilot: Tensor, data: Tensor, known: Tensor) -> Generator[None, None, Tensor]:
    """Complete data with missing pixels and noise of variance 1, guided by a pilot.

    This is `nonlocal_bayes` with infinite noise at missing pixels. With K the diagonal matrix of what is
    known,

        x = m + S K (K S K + 1)⁻¹ K (y − m),

    computed for the reference patch of each group. A patch without known pixels keeps the pilot's values.
    Source: Yu, Sapiro, Mallat, *Solving Inverse Problems with Piecewise Linear Estimators*, IEEE Trans. Image
    Processing 21, 2012.

    Parameters
    ----------
    pilot, data : Tensor, shape ``(C, *spatial)``
        2-D or 3-D.
    known : Tensor of bool, shape ``(C, *spatial)``
        False where a pixel of the data is missing.

    Yields
    ------
    None
        After each batch of groups, so that it can be stopped.

    Returns
    -------
    Tensor, shape ``(C, *spatial)``
        The completed image.
    """
    clean, noisy, there = pilot.flatten(1), data.flatten(1), known.to(data).flatten(1)
    total, weight = torch.zeros_like(clean), torch.zeros_like(clean[0])
    for places in _groups(pilot, _DENSE):
        m, z = _centred(clean, places)
        reference = places[:, :1]
        own, y, k = (_patches(image, reference) for image in (clean, noisy, there))
        gram = (z * k) @ z.mT + _scaled_identity(z)
        x = m + torch.linalg.solve(gram, z @ (k * (y - m)).mT).mT @ z
        _accumulate(x.where(k.any(-1, keepdim=True), own), reference, total, weight)
        yield
    return (total / weight).view_as(data)


def _groups(pilot: Tensor, stride: int) -> Iterator[Tensor]:
    """Yield indices of patches into the flat image, shape ``(groups, patches, pixels)``, batch by batch.

    The first patch of each group is its reference, which the others resemble.
    """
    shape, dimensions = pilot.shape[1:], pilot.ndim - 1
    steps = torch.tensor([math.prod(shape[axis + 1 :]) for axis in range(dimensions)])
    patch = [min(_PATCH[dimensions], n) for n in shape]
    corners = torch.tensor([n - p for n, p in zip(shape, patch, strict=True)])  # of the last patch
    window = (corners + 1).clamp(max=_WINDOW[dimensions])
    inside, around = (_combinations([range(n) for n in sides]) @ steps for sides in (patch, window.tolist()))
    flat = pilot.flatten(1)
    references = _combinations([sorted({*range(0, n, stride), n}) for n in corners.tolist()])
    for chosen in references.split(_BATCH):
        start = (chosen - window // 2).clamp_min(0).minimum(corners + 1 - window)  # wholly in the image
        candidates = (start @ steps)[:, None] + around  # (groups, candidates)
        own = flat[:, (chosen @ steps)[:, None] + inside]  # (C, groups, pixels)
        squares = [(flat[:, one[:, None] + inside] - own).square().sum((0, 2)) for one in candidates.T]
        # Among many equal patches, a group might otherwise miss its own reference.
        distances = torch.stack(squares, 1).masked_fill_(candidates == (chosen @ steps)[:, None], -1)
        alike = distances.topk(min(_GROUP, len(around)), largest=False).indices
        yield candidates.gather(1, alike)[..., None] + inside


def _combinations(ranges: list[range] | list[list[int]]) -> Tensor:
    """Return all combinations of coordinates, shape ``(number, axes)``."""
    return torch.tensor(list(product(*ranges)))


def _centred(clean: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean m of each group, and z, its patches minus the mean: S = zᵀ z / n."""
    patches = _patches(clean, places)
    m = patches.mean(-2, keepdim=True)
    return m, patches - m


def _scaled_identity(z: Tensor) -> Tensor:
    """Return n times the identity matrix for n patches: S (S + 1)⁻¹ = zᵀ (z zᵀ + n)⁻¹ z."""
    n = z.shape[-2]
    return n * torch.eye(n, dtype=z.dtype)


def _patches(flat: Tensor, places: Tensor) -> Tensor:
    """Return patches of an image ``(..., C, pixels)``, shape ``(..., groups, patches, C * of a patch)``."""
    return flat[..., places].movedim(-4, -2).flatten(-2)


def _accumulate(patches: Tensor, places: Tensor, total: Tensor, weight: Tensor) -> None:
    """Add patches to the sum of overlapping ones ``(..., C, pixels)``, and to their number ``(pixels,)``."""
    patches = patches.unflatten(-1, (total.shape[-2], -1)).movedim(-2, -4)
    total.index_add_(-1, places.flatten(), patches.flatten(-3))
    weight.index_add_(0, places.flatten(), weight.new_ones(places.numel()))
