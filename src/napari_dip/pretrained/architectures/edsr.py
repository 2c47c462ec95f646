"""EDSR: super-resolution by residual blocks."""

import math
from typing import Self

import torch
from torch import Tensor, nn

from napari_dip.pretrained.architectures.base import KnownArchitecture, Weights, numbered, replaced, root
from napari_dip.pretrained.architectures.residual import Block

#: Mean colour of the authors' training images, for a range from 0 to 1, and the range that the network uses.
_MEAN, _RANGE = (0.4488, 0.4371, 0.4040), 255.0
_MOST_CHANNELS = 1024


class EDSR(KnownArchitecture):
    """Residual blocks on the coarse grid, then pixel shuffles (Lim et al., CVPRW 2017).

    Parameters
    ----------
    channels : int
        Channels of the images.
    features : int
        Channels of the hidden layers.
    blocks : int
        Number of residual blocks.
    steps : list of int
        Factors of the pixel shuffles, in order.
    """

    title = "EDSR"

    def __init__(self, channels: int, features: int, blocks: int, steps: list[int]) -> None:
        super().__init__(channels, math.prod(steps))
        # The authors' large networks scale each block by 0.1, which their files do not tell.
        self.scale = 0.1 if features >= 256 else 1.0
        self.sub_mean, self.add_mean = (nn.Conv2d(channels, channels, 1) for _ in range(2))
        for mean in (self.sub_mean, self.add_mean):
            mean.requires_grad_(False)
        self.conv_first = nn.Conv2d(channels, features, 3, padding=1)
        self.body = nn.ModuleList(Block(features) for _ in range(blocks))
        self.conv_after_body = nn.Conv2d(features, features, 3, padding=1)
        upsample: list[nn.Module] = []
        for step in steps:
            upsample += [nn.Conv2d(features, features * step**2, 3, padding=1), nn.PixelShuffle(step)]
        self.upsample = nn.Sequential(*upsample)
        self.conv_last = nn.Conv2d(features, channels, 3, padding=1)

    @classmethod
    def sized(cls, weights: Weights) -> Self:
        """Return a network that these weights fit."""
        features, channels, _, _ = weights["conv_first.weight"].shape
        layers = numbered(weights, "upsample.")
        steps = [root(len(weights[f"upsample.{at}.weight"]), features) for at in layers]
        return cls(channels, features, len(numbered(weights, "body.")), steps)

    @classmethod
    def renamed(cls, weights: Weights) -> Weights:
        """Rename the authors' weights as in BasicSR, and add the mean that BasicSR keeps out of its files."""
        if "head.0.weight" in weights:
            blocks = max(numbered(weights, "body."), default=0)
            return replaced(
                weights,
                {
                    r"head\.0\.": "conv_first.",
                    r"body\.(\d+)\.body\.0\.": r"body.\1.conv1.",
                    r"body\.(\d+)\.body\.2\.": r"body.\1.conv2.",
                    rf"body\.{blocks}\.": "conv_after_body.",
                    r"tail\.0\.": "upsample.",
                    r"tail\.1\.": "conv_last.",
                },
            )
        if "conv_after_body.weight" not in weights or "sub_mean.weight" in weights:
            return weights
        channels = len(weights["conv_last.bias"]) if "conv_last.bias" in weights else len(_MEAN)
        if channels > _MOST_CHANNELS:  # the matrix below has its square
            raise ValueError(f"{channels} channels are no image")
        same = torch.eye(channels, dtype=torch.float32)[:, :, None, None]
        mean = torch.tensor(_MEAN if channels == len(_MEAN) else [0.0] * channels, dtype=torch.float32)
        return {
            **weights,
            "sub_mean.weight": same * _RANGE,
            "sub_mean.bias": -mean * _RANGE,
            "add_mean.weight": same / _RANGE,
            "add_mean.bias": mean,
        }

    def forward(self, x: Tensor) -> Tensor:
        """Return images on a finer grid."""
        first = deep = self.conv_first(self.sub_mean(x))
        for block in self.body:
            deep = block(deep, self.scale)
        return self.add_mean(self.conv_last(self.upsample(first + self.conv_after_body(deep))))
