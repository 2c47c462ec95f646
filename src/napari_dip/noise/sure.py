"""Stein's unbiased risk estimate (SURE): the error of a restored image, without knowing the truth."""

import torch
from torch import Generator, Tensor

#: Size ε of the perturbation, in standard deviations of the noise.
_PROBE = 0.1


def perturbation(sigma: Tensor, like: Tensor, generator: Generator) -> Tensor:
    """Return a random perturbation ε σ b of the data, with signs b of equal probability in each pixel.

    Parameters
    ----------
    sigma : Tensor
        Standard deviation of the noise, in grey levels. It broadcasts to the data.
    like : Tensor
        The data.
    generator : torch.Generator
        A generator on the CPU.
    """
    signs = torch.randint(2, like.shape, generator=generator).to(like) * 2 - 1
    return _PROBE * sigma * signs


def sure(restored: Tensor, restored_moved: Tensor, data: Tensor, sigma: Tensor, moved: Tensor) -> Tensor:
    """Return an estimate of (h(y) − u)² at each pixel, where u are the data y without noise.

    It is right on average. For Gaussian noise of variance σ² that is independent in each pixel,

        E ‖h(y) − u‖² = E [‖h(y) − y‖² − Σ σ² + 2 Σ σ² ∂h/∂y],

    and the sum of derivatives is estimated by bᵀ σ (h(y + ε σ b) − h(y)) / ε with random signs b (Ramani, Blu
    and Unser, IEEE Trans. Image Processing 17, 2008, section III).

    Parameters
    ----------
    restored, restored_moved : Tensor
        h(y), and h of the perturbed data.
    data : Tensor
        The data y, in grey levels.
    sigma : Tensor
        Standard deviation σ of the noise, in grey levels. It broadcasts to the data.
    moved : Tensor
        The perturbation, from `perturbation`.
    """
    slope = moved.sign() * (restored_moved - restored) * (sigma / _PROBE)
    return (restored - data).square() - sigma.square() + 2 * slope
