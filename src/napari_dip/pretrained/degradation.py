"""The degradations that the bundled networks were trained to undo."""

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from napari_dip.operators import Resample
from napari_dip.pretrained.model import Pretrained


def pre_upsampled(x: Tensor, factor: int) -> Tensor:
    """Return images interpolated to a finer grid: bicubic, with Keys' a = −1/2, as in Pillow.

    Parameters
    ----------
    x : Tensor, shape ``(N, C, H, W)``
        Any grey levels.
    factor : int
        Pixels of the result per pixel of the image, along each axis.
    """
    # torch uses a = −3/4 unless `antialias` is set, which changes nothing else when upsampling.
    return F.interpolate(x, scale_factor=float(factor), mode="bicubic", antialias=True)


def degraded(pretrained: Pretrained, clean: Tensor, generator: Generator) -> Tensor:
    """Return the inputs from which a bundled network is trained to restore clean images.

    Parameters
    ----------
    pretrained : Pretrained
        Its factor, sigma and pre_upsampled define the degradation.
    clean : Tensor, shape ``(N, C, H, W)``
        Images from 0 to 1; H and W are multiples of the factor.
    generator : torch.Generator
        Draws the noise.
    """
    factor, sigma = pretrained.factor, pretrained.sigma
    inputs = Resample((factor, factor), "bicubic")(clean)
    if pretrained.pre_upsampled:
        inputs = pre_upsampled(inputs, factor)
    if sigma:
        inputs = inputs + sigma / 255 * torch.randn(inputs.shape, generator=generator, dtype=torch.float32)
    return inputs
