"""Non-local Bayes: patches that look alike in a pilot image denoise or complete one another."""

from collections.abc import Generator

import torch
from torch import Tensor

from napari_dip.filters.similar_patches import similar_patches

#: Number of patches in a group.
_GROUP = 40
#: The same for the first step; pixels between its reference patches; and what is taken off the variances of
#: its groups: with so few patches for so many pixels, noise alone has variances well above 1.
_FIRST_GROUP, _FIRST_STRIDE, _LESS = 90, {2: 5, 3: 3}, 1.5
#: Pixels between the reference patches of two groups: for denoising, which restores every patch of a group,
#: and for completion, which only restores the reference.
_STRIDE, _DENSE = {2: 4, 3: 2}, 2


def nonlocal_bayes_pilot(data: Tensor) -> Generator[None, None, Tensor]:
    """Denoise data with noise of variance 1, without a pilot.

    The patches of a group look alike in the data. Each channel is denoised by itself. With the eigenvectors v
    and eigenvalues λ of the covariance of a group in this channel, and its mean m,

        x = m + Σ s / (s + 1) v vᵀ (y − m),   s = max(λ − 1.5, 0).

    Source: Lebrun, Buades, Morel (see `nonlocal_bayes`), the first of the two steps; they take off 1, and
    don't bound s.

    Parameters
    ----------
    data : Tensor, shape ``(C, *spatial)``
        2-D or 3-D. What the channels have in common should be in one of them.

    Yields
    ------
    None
        After each batch of groups, so that it can be stopped.

    Returns
    -------
    Tensor, shape ``(C, *spatial)``
        The denoised image.
    """
    noisy = data.flatten(1)
    total, weight = torch.zeros_like(noisy), torch.zeros_like(noisy[0])
    for places in similar_patches(data, stride=_FIRST_STRIDE[data.ndim - 1], number=_FIRST_GROUP):
        y = noisy[:, places]  # (C, groups, patches, pixels)
        m = y.mean(-2, keepdim=True)
        z = y - m
        # In float32, LAPACK returns NaN for some covariances of low rank, and it is no faster.
        variances, vectors = (part.to(z) for part in torch.linalg.eigh((z.mT @ z / z.shape[-2]).double()))
        s = (variances - _LESS).clamp_min(0)
        x = m + z @ (vectors * (s / (s + 1))[..., None, :] @ vectors.mT)
        _accumulate(x, places, total, weight)
        yield
    return (total / weight).view_as(data)


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
    for places in similar_patches(pilot, stride=_STRIDE[pilot.ndim - 1], number=_GROUP):
        m, z = _centred(clean, places)
        gram = z @ z.mT + _scaled_identity(z)
        x = m + (_patches(noisy, places) - m) @ z.mT @ torch.linalg.solve(gram, z)
        _accumulate(_by_channel(x, len(pilot)), places, total, weight)
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
    for places in similar_patches(pilot, stride=_DENSE, number=_GROUP):
        m, z = _centred(clean, places)
        reference = places[:, :1]
        own, y, k = (_patches(image, reference) for image in (clean, noisy, there))
        gram = (z * k) @ z.mT + _scaled_identity(z)
        x = m + torch.linalg.solve(gram, z @ (k * (y - m)).mT).mT @ z
        x = x.where(k.any(-1, keepdim=True), own)
        _accumulate(_by_channel(x, len(pilot)), reference, total, weight)
        yield
    return (total / weight).view_as(data)


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


def _by_channel(patches: Tensor, channels: int) -> Tensor:
    """Return what `_patches` returns with an axis for the channels, ``(..., C, groups, patches, pixels)``."""
    return patches.unflatten(-1, (channels, -1)).movedim(-2, -4)


def _accumulate(patches: Tensor, places: Tensor, total: Tensor, weight: Tensor) -> None:
    """Add patches to the sum of overlapping ones ``(..., C, pixels)``, and to their number ``(pixels,)``."""
    total.index_add_(-1, places.flatten(), patches.flatten(-3))
    weight.index_add_(0, places.flatten(), weight.new_ones(places.numel()))
