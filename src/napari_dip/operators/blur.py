"""Convolution with a point spread function: the operator of deconvolution."""

from itertools import starmap

import torch
from scipy.fft import next_fast_len
from torch import Tensor

from napari_dip.image.grid import Grid
from napari_dip.operators.base import Operator


class Blur(Operator):
    """u(p) = Σ_d psf(d) x(p − d): convolution with a point spread function.

    x extends beyond the data on all sides, by the radius of the point spread function. So nothing is assumed
    about what lies outside, and nothing wraps around.

    Parameters
    ----------
    psf : Tensor, shape ``(*kernel)`` or ``(C, *kernel)``
        Of odd size along each spatial axis, centred at ``n // 2``, and of sum 1 in each channel. None of this
        is checked.
    per_channel : bool
        Whether `psf` has a first axis with a kernel for each channel of x.
    """

    resembles_data = True

    def __init__(self, psf: Tensor, *, per_channel: bool = False) -> None:
        super().__init__()
        self.psf, self.per_channel = psf, per_channel
        self._transfers: dict[tuple[tuple[int, ...], torch.dtype, torch.device], Tensor] = {}

    def forward(self, x: Tensor) -> Tensor:
        """Return A x, shape ``(N, C, *spatial)``. A kernel of size k shortens an axis by k − 1."""
        axes = tuple(range(2, x.ndim))
        # A transform of prime size takes many times longer than a slightly larger one with small factors.
        size = tuple(next_fast_len(n, real=True) for n in x.shape[2:])
        spectrum = torch.fft.rfftn(x, s=size, dim=axes) * self._transfer(size, x)
        blurred = torch.fft.irfftn(spectrum, s=size, dim=axes)
        # The first k − 1 samples are those that wrap around.
        valid = starmap(slice, ((k - 1, n) for k, n in zip(self.size, x.shape[2:], strict=True)))
        return blurred[(..., *valid)]

    def grid(self, data_shape: tuple[int, ...]) -> Grid:
        """Return the grid of the data, widened by the margin from which light reaches them."""
        return Grid.widened(data_shape, tuple(k // 2 for k in self.size))

    def of_channels(self, channels: list[int]) -> "Blur":
        """Return the operator for images that consist of some channels."""
        if not self.per_channel:
            return self
        alone = len(channels) == 1
        return Blur(self.psf[channels[0]]) if alone else Blur(self.psf[channels], per_channel=True)

    @property
    def kernels(self) -> Tensor:
        """The kernels, shape ``(C, *kernel)``; C is 1 if all channels share one."""
        return self.psf if self.per_channel else self.psf[None]

    @property
    def size(self) -> tuple[int, ...]:
        """The size of the kernels along each spatial axis."""
        return tuple(self.kernels.shape[1:])

    @property
    def widths(self) -> tuple[float, ...]:
        """Standard deviation along each axis of the Gaussian that is as wide at half its maximum.

        If the channels have kernels of their own, the smallest one counts.
        """
        variances = torch.stack([_covariance(kernel).diagonal() for kernel in self.kernels])
        return tuple(variances.amin(0).sqrt().tolist())

    def _transfer(self, size: tuple[int, ...], like: Tensor) -> Tensor:
        """Return the Fourier transform of the point spread function for images of this size."""
        key = size, like.dtype, like.device
        if key not in self._transfers:
            self._transfers[key] = torch.fft.rfftn(self.psf.to(like.device, like.dtype), s=size)
        return self._transfers[key]


def _covariance(kernel: Tensor) -> Tensor:
    """Return the covariance, in pixels², of the Gaussian that is as wide as a kernel at half its maximum."""
    at = torch.nonzero(kernel >= kernel.max() / 2).double()
    centred = at - at.mean(0)
    # An ellipsoid of semi-axis h has the variance h² / (d + 2); a Gaussian falls to half at 1.1774 σ.
    return (kernel.ndim + 2) / 1.1774**2 * (centred.T @ centred) / len(at)
