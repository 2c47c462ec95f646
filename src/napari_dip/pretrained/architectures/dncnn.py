"""DnCNN: denoising."""

from collections.abc import Mapping
from typing import Self

import torch
from torch import Tensor, nn

from napari_dip.pretrained.architectures.base import KnownArchitecture, Weights, numbered, replaced

#: Number of convolutions in IRCNN (Zhang et al., CVPR 2017), whose weights have the same names and shapes.
_DILATED = 7


class DnCNN(KnownArchitecture):
    """A chain of convolutions predicts the noise, which is subtracted (Zhang et al., IEEE TIP 26, 2017).

    Parameters
    ----------
    channels : int
        Channels of the images.
    model : nn.Sequential
        Convolutions and ReLU, with or without batch normalisation. Returns the noise of an image.
    """

    title = "DnCNN"

    def __init__(self, channels: int, model: nn.Sequential) -> None:
        super().__init__(channels)
        self.model = model

    @classmethod
    def plain(cls, channels: int, features: int, layers: int) -> Self:
        """Return a network with this number of convolutions, without batch normalisation."""
        model: list[nn.Module] = []
        for at in range(layers - 1):
            model += [nn.Conv2d(features if at else channels, features, 3, padding=1), nn.ReLU()]
        return cls(channels, nn.Sequential(*model, nn.Conv2d(features, channels, 3, padding=1)))

    @classmethod
    def sized(cls, weights: Weights) -> Self:
        """Return a network that these weights fit. A layer without weights is a ReLU."""
        _, channels, _, _ = weights["model.0.weight"].shape
        last = max(numbered(weights, "model."))
        model = [_layer(weights, f"model.{at}.") for at in range(last + 1)]
        kinds = [type(layer) for layer in model]
        if kinds.count(nn.Conv2d) == _DILATED and nn.BatchNorm2d not in kinds:
            raise ValueError("these are weights of IRCNN, whose convolutions are dilated")
        if len(weights[f"model.{last}.weight"]) != channels:
            raise ValueError("the output has other channels than the input, so it can't be the noise")
        return cls(channels, nn.Sequential(*model))

    @classmethod
    def renamed(cls, weights: Weights) -> Weights:
        """Rename `dncnn.N` to `model.N`. Old files lack the number of batches, which is added."""
        found = replaced(weights, {r"dncnn\.": "model."})
        means = [name for name in found if name.endswith(".running_mean")]
        counts = {name.replace("running_mean", "num_batches_tracked"): torch.tensor(0) for name in means}
        return {**counts, **found}

    def forward(self, x: Tensor) -> Tensor:
        """Return images without their noise."""
        return x - self.model(x)


def _layer(weights: Mapping[str, Tensor], prefix: str) -> nn.Module:
    if prefix + "weight" not in weights:
        return nn.ReLU()
    if prefix + "running_mean" in weights:
        return nn.BatchNorm2d(len(weights[prefix + "running_mean"]))
    after, before, height, width = weights[prefix + "weight"].shape
    if height % 2 == 0 or width % 2 == 0:
        raise ValueError("a kernel of even size would change the size of the image")
    padding = height // 2, width // 2
    return nn.Conv2d(before, after, (height, width), padding=padding, bias=prefix + "bias" in weights)
