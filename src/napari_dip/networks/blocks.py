"""Layers in 2-D and 3-D with float32 weights, which compute in the number format of their input."""

import math
from typing import Literal

import torch.nn.functional as F
from torch import Generator, Tensor, empty, float32, nn

_CONVOLVE = {2: F.conv2d, 3: F.conv3d}
_NORMALISE = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}


class Convolution(nn.Module):
    """Convolution that keeps the size (stride 1) or halves it, rounding up (stride 2).

    The weights are cast to the number format of the input at each call, so that no autocast is needed.

    Parameters
    ----------
    ndim : int
        Number of spatial axes, 2 or 3.
    channels_in, channels_out : int
        Number of channels of the input and of the output.
    kernel : int
        Width of the filter along each axis, in pixels; odd.
    stride : int
        1 or 2.
    padding : {"zeros", "reflect"}
        What the filter sees beyond the border; zeros need no extra pass over the tensor.
    bias : bool
        Add a constant to each channel.
    """

    def __init__(
        self,
        ndim: int,
        channels_in: int,
        channels_out: int,
        kernel: int,
        *,
        stride: int = 1,
        padding: str,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(empty(channels_out, channels_in, *(kernel,) * ndim))
        self.bias = nn.Parameter(empty(channels_out)) if bias else None
        self.stride, self.border, self.padding = stride, kernel // 2, padding

    def initialise(self, generator: Generator) -> None:
        """Draw weights and biases from U(±1/√fan_in), which is torch's default, by the generator."""
        bound = 1 / math.sqrt(self.weight[0].numel())
        nn.init.uniform_(self.weight, -bound, bound, generator=generator)
        if self.bias is not None:
            nn.init.uniform_(self.bias, -bound, bound, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve x, shape ``(N, C, *spatial)``."""
        ndim, border = x.ndim - 2, self.border
        # If an axis is shorter than the filter, CPU libraries return wrong gradients of bfloat16 weights
        # (seen with torch 2.13: values from unused memory). Such small scales cost nothing in float32.
        dtype = float32 if min(x.shape[2:]) < self.weight.shape[-1] else x.dtype
        if border and self.padding == "reflect":
            # A reflection needs an axis longer than the border; shorter ones repeat their last pixel.
            mode = "reflect" if min(x.shape[2:]) > border else "replicate"
            x, border = F.pad(x, (border,) * 2 * ndim, mode), 0
        bias = None if self.bias is None else self.bias.to(dtype)
        y = _CONVOLVE[ndim](x.to(dtype), self.weight.to(dtype), bias, self.stride, border)
        return y.to(x.dtype)


def normalisation(ndim: int, channels: int) -> nn.Module:
    """Return batch normalisation, which normalises by the statistics of the one image."""
    return _NORMALISE[ndim](channels)


class Halve(nn.Module):
    """Mean of 2 x 2 pixels; the windows overlap along an axis of odd length."""

    def forward(self, x: Tensor) -> Tensor:
        """Halve each axis, rounding up."""
        return F.interpolate(x, size=[(n + 1) // 2 for n in x.shape[2:]], mode="area")


def block(
    ndim: int,
    channels_in: int,
    channels_out: int,
    kernel: int,
    *,
    halve: Literal["stride", "average"] | None = None,
    padding: str,
) -> nn.Module:
    """Return convolution, optional halving, normalisation, and a leaky ReLU of slope 0.2."""
    stride = 2 if halve == "stride" else 1
    return nn.Sequential(
        Convolution(ndim, channels_in, channels_out, kernel, stride=stride, padding=padding),
        *([Halve()] if halve == "average" else []),
        normalisation(ndim, channels_out),
        nn.LeakyReLU(0.2, inplace=True),
    )


class Untrained(nn.Module):
    """A network without memory for its weights, on torch's meta device, until they are drawn."""

    def initialise(self, generator: Generator) -> None:
        """Draw all weights by a generator on the CPU, so that they are the same on every device."""
        self.float().to_empty(device="cpu")
        for module in self.modules():
            if isinstance(module, Convolution):
                module.initialise(generator)
            elif isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d):
                module.reset_parameters()
