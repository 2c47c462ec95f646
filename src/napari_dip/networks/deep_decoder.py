"""The deep decoder that a `Decoder` describes."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_dip.networks.blocks import Convolution, Untrained, normalisation
from napari_dip.networks.settings import Decoder


class DecoderNetwork(Untrained):
    """x ↦ cn(relu(U x C)) in each layer, and a last mixing of channels into the image.

    C mixes channels, U enlarges, and cn normalises each channel (Heckel and Hand, section 2).

    Parameters
    ----------
    shape : Decoder
        Settings of the network.
    channels_in, channels_out : int
        Number of channels of z and of the image.
    spatial : tuple of int
        Spatial shape of the image, 2-D or 3-D.
    """

    def __init__(self, shape: Decoder, channels_in: int, channels_out: int, spatial: tuple[int, ...]) -> None:
        super().__init__()
        ndim = len(spatial)
        self.sizes = shape.sizes(spatial)[1:]
        self.mode = {2: "bilinear", 3: "trilinear"}[ndim]
        widths = [channels_in] + [shape.width] * shape.layers
        with torch.device("meta"):
            self.mixings = nn.ModuleList(_mixing(ndim, *pair) for pair in pairwise(widths))
            self.normalisations = nn.ModuleList(normalisation(ndim, shape.width) for _ in self.mixings)
            self.last = _mixing(ndim, shape.width, channels_out)

    def forward(self, z: Tensor) -> Tensor:
        """Return the image, unbounded and centred on 0, in the number format of z."""
        x = z
        for mix, normalise, size in zip(self.mixings, self.normalisations, self.sizes, strict=True):
            x = mix(x)  # it commutes with enlarging, and there are fewer pixels to mix before
            if x.shape[2:] != size:
                x = F.interpolate(x, size=size, mode=self.mode)
            x = normalise(F.relu(x, inplace=True))
        return self.last(x)


def _mixing(ndim: int, channels_in: int, channels_out: int) -> Convolution:
    return Convolution(ndim, channels_in, channels_out, 1, padding="zeros", bias=False)
