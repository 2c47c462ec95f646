"""What a network was trained to undo."""

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from napari_dip.operators import Resample
from napari_dip.pretrained.model import Pretrained


def pre_upsampled(x: Tensor, factor: int) -> Tensor:
    """Return images of more pixels by bicubic interpolation, with Keys' a = −1/2 as Pillow has it.

    Parameters
    ----------
    x : Tensor, shape ``(N, C, H, W)``
        Any grey levels.
    factor : int
        How many pixels for one, along each axis.
    """
    # Without `antialias`, which changes nothing else here, torch has a = −3/4.
    return F.interpolate(x, scale_factor=float(factor), mode="bicubic", antialias=True)


def degraded(pretrained: Pretrained, clean: Tensor, generator: Generator) -> Tensor:
    """Return what a network that comes with the package is given, for clean images.

    Parameters
    ----------
    pretrained : Pretrained
        Its factor, sigma, and whether it wants enlarged images are looked at.
    clean : Tensor, shape ``(N, C, H, W)``
        Images from 0 to 1; H and W are multiples of the factor.
    generator : torch.Generator
        Of the noise.
    """
    factor, sigma = pretrained.factor, pretrained.sigma
    seen = Resample((factor, factor), "bicubic")(clean)
    if pretrained.pre_upsampled:
        seen = pre_upsampled(seen, factor)
    if sigma:
        seen = seen + sigma / 255 * torch.randn(seen.shape, generator=generator)
    return seen
