"""Compact: super-resolution on the coarse grid."""

from typing import Self

import torch.nn.functional as F
from torch import Tensor, nn

from napari_dip.pretrained.architectures.base import KnownArchitecture, Weights, numbered, root


class Compact(KnownArchitecture):
    """A chain of convolutions on the coarse grid, whose output channels become the fine pixels (SRVGGNet).

    Its output is added to the input with repeated pixels (Wang et al., *Real-ESRGAN*, ICCVW 2021).

    Parameters
    ----------
    channels, factor : int
        As for `KnownArchitecture`.
    features : int
        Channels of the hidden layers.
    layers : int
        Number of convolutions between the first and the last.
    """

    title = "Compact"

    def __init__(self, channels: int, factor: int, features: int, layers: int) -> None:
        super().__init__(channels, factor)
        body: list[nn.Module] = []
        for at in range(layers + 1):
            body.append(nn.Conv2d(features if at else channels, features, 3, padding=1))
            body.append(nn.PReLU(features))
        body.append(nn.Conv2d(features, channels * factor**2, 3, padding=1))
        self.body = nn.Sequential(*body)

    @classmethod
    def sized(cls, weights: Weights) -> Self:
        """Return a network that these weights fit."""
        features, channels, _, _ = weights["body.0.weight"].shape
        last = max(numbered(weights, "body."))
        factor = root(len(weights[f"body.{last}.weight"]), channels)
        return cls(channels, factor, features, last // 2 - 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return images on a finer grid."""
        nearest = x.repeat_interleave(self.factor, 2).repeat_interleave(self.factor, 3)
        return nearest + F.pixel_shuffle(self.body(x), self.factor)
