"""SRResNet: super-resolution by residual blocks, added to a bilinear interpolation."""

import math
from typing import Self

import torch.nn.functional as F
from torch import Tensor, nn

from napari_dip.pretrained.architectures.base import KnownArchitecture, Weights, numbered, replaced, root
from napari_dip.pretrained.architectures.residual import Block


class SRResNet(KnownArchitecture):
    """Residual blocks, pixel shuffles and two more convolutions, added to the interpolated image.

    This is SRResNet (Ledig et al., CVPR 2017) without batch normalisation, called MSRResNet by Wang et al.,
    *ESRGAN*, ECCVW 2018.

    Parameters
    ----------
    channels : int
        Channels of the images.
    features : int
        Channels of the hidden layers.
    blocks : int
        Number of residual blocks.
    steps : list of int
        Factors of the pixel shuffles: one of them, or 2 and 2.
    """

    title = "SRResNet"

    def __init__(self, channels: int, features: int, blocks: int, steps: list[int]) -> None:
        super().__init__(channels, math.prod(steps))
        self.steps = steps
        self.conv_first = nn.Conv2d(channels, features, 3, padding=1)
        self.body = nn.ModuleList(Block(features) for _ in range(blocks))
        for at, step in enumerate(steps, start=1):
            self.add_module(f"upconv{at}", nn.Conv2d(features, features * step**2, 3, padding=1))
        self.conv_hr = nn.Conv2d(features, features, 3, padding=1)
        self.conv_last = nn.Conv2d(features, channels, 3, padding=1)

    @classmethod
    def sized(cls, weights: Weights) -> Self:
        """Return a network that these weights fit."""
        features, channels, _, _ = weights["conv_first.weight"].shape
        layers = [name for name in ("upconv1.weight", "upconv2.weight") if name in weights]
        steps = [root(len(weights[name]), features) for name in layers or ["upconv1.weight"]]
        return cls(channels, features, len(numbered(weights, "body.")), steps)

    @classmethod
    def renamed(cls, weights: Weights) -> Weights:
        """Rename the weights of the first release as in BasicSR."""
        return replaced(weights, {r"recon_trunk\.": "body.", r"HRconv\.": "conv_hr."})

    def forward(self, x: Tensor) -> Tensor:
        """Return images on a finer grid."""
        y = F.leaky_relu(self.conv_first(x), 0.1)
        for block in self.body:
            y = block(y)
        for at, step in enumerate(self.steps, start=1):
            y = F.leaky_relu(F.pixel_shuffle(self.get_submodule(f"upconv{at}")(y), step), 0.1)
        y = self.conv_last(F.leaky_relu(self.conv_hr(y), 0.1))
        return y + F.interpolate(x, scale_factor=self.factor, mode="bilinear", align_corners=False)
