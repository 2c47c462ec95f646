"""Stein's unbiased estimate of the error, from nothing but noisy data and how strong their noise is."""

import torch
from torch import Generator, Tensor

#: By how much the data are moved, in standard deviations of the noise.
_PROBE = 0.1


def perturbation(sigma: Tensor, like: Tensor, generator: Generator) -> Tensor:
    """Return by how much each pixel is moved: up or down by chance, by a share of the noise.

    Parameters
    ----------
    sigma : Tensor
        Standard deviation of the noise; broadcasts to the data.
    like : Tensor
        The data.
    generator : torch.Generator
        On the processor.
    """
    signs = torch.randint(2, like.shape, generator=generator).to(like) * 2 - 1
    return _PROBE * sigma * signs


def sure(restored: Tensor, restored_moved: Tensor, data: Tensor, sigma: Tensor, moved: Tensor) -> Tensor:
    """Return at each pixel an estimate of (h(y) − u)², u the data without noise, that is right on average.

    With noise of variance σ², independent in each pixel,

        ‖h(y) − u‖² = ‖h(y) − y‖² − Σ σ² + 2 Σ σ² ∂h/∂y   on average,

    and the sum of derivatives is bᵀ σ² (h(y + ε b) − h(y)) / ε for random signs b (Ramani, Blu and Unser,
    IEEE Trans. Image Processing 17, 2008, section III).

    Parameters
    ----------
    restored, restored_moved : Tensor
        h of the data, and of the data after their moves.
    data : Tensor
        y.
    sigma : Tensor
        σ; broadcasts to the data.
    moved : Tensor
        Of `perturbation`.
    """
    slope = moved.sign() * (restored_moved - restored) * (sigma / _PROBE)
    return (restored - data).square() - sigma.square() + 2 * slope
