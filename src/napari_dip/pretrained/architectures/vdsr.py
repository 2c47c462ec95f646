"""Super-resolution of images that were enlarged before."""

from itertools import pairwise
from typing import Self

from torch import Tensor, nn

from napari_dip.pretrained.architectures.base import Architecture, Weights, numbered, replaced


class VDSR(Architecture):
    """What an enlarged image lacks is predicted, and added to it (Kim, Lee and Lee, CVPR 2016).

    Parameters
    ----------
    channels : int
        Of the images.
    features : int
        Channels within.
    layers : int
        Convolutions in all.
    bias : bool
        Whether the convolutions have one.
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
        """Return a network of the size that weights have."""
        features, channels, _, _ = weights["layers.0.weight"].shape
        return cls(channels, features, len(numbered(weights, "layers.")), bias="layers.0.bias" in weights)

    @classmethod
    def renamed(cls, weights: Weights) -> Weights:
        """Take `input`, `residual_layer.N.conv` and `output` for layers, as others call them."""
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
        lack = x
        for layer in self.layers[:-1]:
            lack = layer(lack).relu()
        return x + self.layers[-1](lack)
