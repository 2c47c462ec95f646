"""RRDB: super-resolution by dense blocks within residual blocks."""

from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_dip.pretrained.architectures.base import KnownArchitecture, Weights, numbered, replaced, root

#: Scale of what each block adds.
_SCALE = 0.2


def _active(x: Tensor) -> Tensor:
    return F.leaky_relu(x, 0.2)


class _Dense(nn.Module):
    """Five convolutions, each of which sees the input and all earlier outputs."""

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        for at in range(1, 6):
            inputs, outputs = features + (at - 1) * growth, features if at == 5 else growth
            self.add_module(f"conv{at}", nn.Conv2d(inputs, outputs, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        *first, last = self.children()
        known = x
        for layer in first:
            known = torch.cat([known, _active(layer(known))], 1)
        return x + _SCALE * last(known)


class _Residual(nn.Module):
    """Three dense blocks within a residual one."""

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        self.rdb1, self.rdb2, self.rdb3 = (_Dense(features, growth) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        return x + _SCALE * self.rdb3(self.rdb2(self.rdb1(x)))


class RRDB(KnownArchitecture):
    """The network of ESRGAN and Real-ESRGAN (Wang et al., ECCVW 2018 and ICCVW 2021).

    Parameters
    ----------
    channels : int
        Channels of the images.
    features, growth : int
        Channels of the hidden layers, and channels that each convolution of a dense block adds.
    blocks : int
        Number of residual blocks.
    doublings : int
        How often the features are upsampled by 2.
    folded : int
        Factor by which the image is shrunk at first, along each axis, by turning its pixels into channels.
    """

    title = "ESRGAN"

    def __init__(
        self, channels: int, features: int, growth: int, blocks: int, doublings: int, folded: int = 1
    ) -> None:
        if 2**doublings % folded:
            raise ValueError("the result would have fewer pixels than the input")
        super().__init__(channels, 2**doublings // folded)
        self.folded, self.doublings = folded, doublings
        self.conv_first = nn.Conv2d(channels * folded**2, features, 3, padding=1)
        self.body = nn.Sequential(*(_Residual(features, growth) for _ in range(blocks)))
        self.conv_body = nn.Conv2d(features, features, 3, padding=1)
        for at in range(1, doublings + 1):
            self.add_module(f"conv_up{at}", nn.Conv2d(features, features, 3, padding=1))
        self.conv_hr = nn.Conv2d(features, features, 3, padding=1)
        self.conv_last = nn.Conv2d(features, channels, 3, padding=1)

    @classmethod
    def sized(cls, weights: Weights) -> Self:
        """Return a network that these weights fit."""
        features, inputs, _, _ = weights["conv_first.weight"].shape
        channels, growth = len(weights["conv_last.weight"]), len(weights["body.0.rdb1.conv1.weight"])
        blocks, doublings = len(numbered(weights, "body.")), len(numbered(weights, "conv_up"))
        return cls(channels, features, growth, blocks, doublings, root(inputs, channels))

    @classmethod
    def renamed(cls, weights: Weights) -> Weights:
        """Rename the weights of the first two releases as in BasicSR."""
        names = {
            r"RRDB_trunk\.(\d+)\.RDB(\d)\.": r"body.\1.rdb\2.",
            r"trunk_conv\.": "conv_body.",
            r"upconv(\d)\.": r"conv_up\1.",
            r"HRconv\.": "conv_hr.",
        }
        layers = numbered(weights, "model.")
        if layers[:2] == [0, 1] and len(layers) >= 4:
            first, _, *doublings, finer, last = layers
            blocks = max(numbered(weights, "model.1.sub."), default=0)
            names = {
                rf"model\.{first}\.": "conv_first.",
                rf"model\.1\.sub\.{blocks}\.": "conv_body.",
                r"model\.1\.sub\.(\d+)\.RDB(\d)\.conv(\d)\.0\.": r"body.\1.rdb\2.conv\3.",
                **{rf"model\.{layer}\.": f"conv_up{at}." for at, layer in enumerate(doublings, start=1)},
                rf"model\.{finer}\.": "conv_hr.",
                rf"model\.{last}\.": "conv_last.",
            }
        return replaced(weights, names)

    def forward(self, x: Tensor) -> Tensor:
        """Return images on a finer grid."""
        height, width = x.shape[2:]
        x = F.pad(x, (0, -width % self.folded, 0, -height % self.folded), mode="reflect")
        first = self.conv_first(F.pixel_unshuffle(x, self.folded))
        y = first + self.conv_body(self.body(first))
        for at in range(1, self.doublings + 1):
            y = _active(self.get_submodule(f"conv_up{at}")(F.interpolate(y, scale_factor=2.0)))
        y = self.conv_last(_active(self.conv_hr(y)))
        return y[..., : height * self.factor, : width * self.factor]
