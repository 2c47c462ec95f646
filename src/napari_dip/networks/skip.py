"""The encoder-decoder with skip connections that an `Hourglass` describes."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_dip.networks.blocks import Convolution, Untrained, block, normalisation
from napari_dip.networks.settings import Hourglass


def scales_with_room(shape: tuple[int, ...], wanted: int) -> int:
    """Return the number of scales, at most `wanted`, that leave two pixels along the longest axis."""
    return max(1, min(wanted, max(shape).bit_length() - 2))


class Scale(nn.Module):
    """One scale: skip connection beside encoder, coarser scales and decoder; both joined and filtered."""

    def __init__(self, ndim: int, shape: Hourglass, level: int, depth: int, channels_in: int) -> None:
        super().__init__()
        width, skip, padding = shape.widths[level], shape.skips[level], shape.padding
        down, up = shape.kernel_down, shape.kernel_up
        last = level + 1 == depth
        joined = skip + (width if last else shape.widths[level + 1])

        self.skip = block(ndim, channels_in, skip, 1, padding=padding) if skip else None
        self.down = nn.Sequential(
            block(ndim, channels_in, width, down, halve=shape.downsampling, padding=padding),
            block(ndim, width, width, down, padding=padding),
        )
        self.coarser = nn.Identity() if last else Scale(ndim, shape, level + 1, depth, width)
        self.out = nn.Sequential(
            *([normalisation(ndim, joined)] if shape.joint_normalisation else []),
            block(ndim, joined, width, up, padding=padding),
            *([block(ndim, width, width, 1, padding=padding)] if shape.projection else []),
        )
        nearest = shape.upsampling == "nearest" or (shape.upsampling == "mixed" and level < 2)
        self.mode = "nearest" if nearest else {2: "bilinear", 3: "trilinear"}[ndim]

    def forward(self, x: Tensor) -> Tensor:
        """Return features of the size of x."""
        # Enlarging to the size of x, rather than by a factor of two, allows any image size without padding.
        deep = F.interpolate(self.coarser(self.down(x)), size=x.shape[2:], mode=self.mode)
        return self.out(deep if self.skip is None else Join.apply(self.skip(x), deep))


class SkipNetwork(Untrained):
    """All scales, and the 1 x 1 filter that turns the finest features into an image.

    Parameters
    ----------
    shape : Hourglass
        Settings of the network.
    channels_in, channels_out : int
        Number of channels of z and of the image.
    spatial : tuple of int
        Spatial shape of the image, 2-D or 3-D, which limits the number of scales.
    """

    def __init__(
        self, shape: Hourglass, channels_in: int, channels_out: int, spatial: tuple[int, ...]
    ) -> None:
        super().__init__()
        ndim = len(spatial)
        depth = scales_with_room(spatial, len(shape.widths))
        with torch.device("meta"):
            self.scales = Scale(ndim, shape, 0, depth, channels_in)
            self.last = Convolution(ndim, shape.widths[0], channels_out, 1, padding=shape.padding)

    def forward(self, z: Tensor) -> Tensor:
        """Return the image, unbounded and centred on 0, in the number format of z."""
        return self.last(self.scales(z))


class Join(torch.autograd.Function):
    """Concatenation along the channels whose two gradients have separate memory.

    The gradients of torch's own concatenation are views of one tensor. The layers that receive them copy them
    or leave their fast path, which takes a fifth of an iteration.
    """

    @staticmethod
    def forward(ctx: Any, first: Tensor, second: Tensor) -> Tensor:
        """Return both inputs along one channel axis."""
        ctx.channels = first.shape[1], second.shape[1]
        return torch.cat([first, second], 1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, ...]:
        """Return the two parts of the gradient."""
        layout = torch.channels_last if gradient.ndim == 4 else torch.channels_last_3d
        return tuple(part.contiguous(memory_format=layout) for part in gradient.split(ctx.channels, 1))
