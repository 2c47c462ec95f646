"""Filtering and decimation: the operator of super-resolution."""

from collections.abc import Callable

import torch
from torch import Tensor

from napari_dip.image.grid import Grid
from napari_dip.operators.base import Operator


def _lanczos(distance: Tensor, lobes: int) -> Tensor:
    return torch.sinc(distance) * torch.sinc(distance / lobes)


def _bicubic(distance: Tensor, a: float = -0.5) -> Tensor:
    """Return Keys' cubic convolution kernel (Keys, IEEE Trans. ASSP 29, 1981, eq. 4)."""
    s = distance.abs()
    near = ((a + 2) * s - (a + 3)) * s**2 + 1
    far = a * (((s - 5) * s + 8) * s - 4)
    return near.where(s < 1, far)


#: Each kernel, with its radius in samples of the data.
KERNELS: dict[str, tuple[Callable[[Tensor], Tensor], float]] = {
    "lanczos3": (lambda distance: _lanczos(distance, 3), 3),
    "lanczos2": (lambda distance: _lanczos(distance, 2), 2),
    "bicubic": (_bicubic, 2),
    "area": (torch.ones_like, 0.5),
}


class Resample(Operator):
    """u(p) = Σ_q k(p − q) x(q) / Σ_q k(p − q): x is filtered and decimated to the samples p of the data.

    Distances are in samples of the data, so k spans f times as many samples of x. At a border k is cut off
    and normalised again. Pillow reduces images in the same way.

    Parameters
    ----------
    factors : tuple of int
        Samples of x per sample of the data, along each spatial axis. An axis of factor 1 does not change.
    kernel : {"lanczos3", "lanczos2", "bicubic", "area"}
        k, the same along each axis. "bicubic" has Keys' a = −1/2. "area" is the mean of the finer samples.
    """

    resembles_data = True

    def __init__(self, factors: tuple[int, ...], kernel: str = "lanczos3") -> None:
        super().__init__()
        if kernel not in KERNELS:
            raise ValueError(f"kernel must be one of {', '.join(KERNELS)}, got {kernel!r}")
        if min(factors) < 1:
            raise ValueError(f"factors must be integers >= 1, got {factors}")
        self.factors, self.kernel = factors, kernel
        self._matrices: dict[tuple[int, int, torch.dtype, torch.device], Tensor] = {}

    def forward(self, x: Tensor) -> Tensor:
        """Return A x, shape ``(N, C, *spatial)``, each axis shortened by its factor."""
        # Begin with the last axis: its product needs no copy and leaves less to copy for the others.
        for axis, factor in reversed(list(enumerate(self.factors, start=2))):
            if factor > 1:
                x = (x.movedim(axis, -1) @ self._weights(x.shape[axis], factor, x)).movedim(-1, axis)
        return x

    def grid(self, data_shape: tuple[int, ...]) -> Grid:
        """Return the grid that divides each pixel of the data into `factors`."""
        return Grid.refined(data_shape, self.factors)

    def _weights(self, n: int, factor: int, like: Tensor) -> Tensor:
        """Return the weight of each of n samples of x in each sample of the data, ``(n, n // factor)``.

        Most weights are 0. Still, the product is about as fast as a strided convolution, and so is its
        gradient.
        """
        if n % factor:
            raise ValueError(f"the size of x must be a multiple of the factor {factor}, got {n}")
        key = n, factor, like.dtype, like.device
        if key not in self._matrices:
            function, radius = KERNELS[self.kernel]
            fine = (torch.arange(n, dtype=torch.float64) + 0.5) / factor
            coarse = torch.arange(n // factor, dtype=torch.float64) + 0.5
            distance = coarse - fine[:, None]
            weights = function(distance).where(distance.abs() < radius, 0)
            self._matrices[key] = (weights / weights.sum(0)).to(like.device, like.dtype)
        return self._matrices[key]
