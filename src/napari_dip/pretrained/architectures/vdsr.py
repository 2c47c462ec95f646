"""VDSR: super-resolution of interpolated images."""

from itertools import pairwise
from typing import Self

from torch import Tensor, nn

from napari_dip.pretrained.architectures.base import KnownArchitecture, Weights, numbered, replaced


class VDSR(KnownArchitecture):
    """A chain of convolutions predicts the missing detail, which is added (Kim, Lee and Lee, CVPR 2016).

    Parameters
    ----------
    channels : int
        Channels of the images.
    features : int
        Channels of the hidden layers.
    layers : int
        Number of convolutions.
    bias : bool
        Whether the convolutions have a bias.
    """

    title = "VDSR"
    pre_upsampled = True

    def __init__(self, channels: int, features: int, layers: int, *, bias: bool = True) -> None:
        super().__init__(channels)
        widths = [channels, *[features] * (layers - 1), channels]
        self.layers = nn.ModuleList(
            nn.Conv2d(before, after, 3, padding=1, bias=bias) for before, after in pairwise(widths)
        )

    @classmethod
    def sized(cls, weights: Weights) -> Self:
        """Return a network that these weights fit."""
        features, channels, _, _ = weights["layers.0.weight"].shape
        return cls(channels, features, len(numbered(weights, "layers.")), bias="layers.0.bias" in weights)

    @classmethod
    def renamed(cls, weights: Weights) -> Weights:
        """Rename `input`, `residual_layer.N.conv` and `output`, as other programs name the layers."""
        if "input.weight" not in weights:
            return weights
        last = len(numbered(weights, "residual_layer.")) + 1
        return replaced(
            weights,
            {
                r"input\.": "layers.0.",
                r"residual_layer\.(\d+)\.conv\.": lambda at: f"layers.{int(at[1]) + 1}.",
                r"output\.": f"layers.{last}.",
            },
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return sharper images of the same size."""
        detail = x
        for layer in self.layers[:-1]:
            detail = layer(detail).relu()
        return x + self.layers[-1](detail)
