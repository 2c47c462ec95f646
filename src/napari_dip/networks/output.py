"""From a network's output to an image: the sieve, the grey levels and the floor."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_dip.image.intensity import Range
from napari_dip.operators.blur import Blur

#: Radius of the sieve's kernel, in standard deviations.
_TRUNCATE = 3.0


class Sieve(nn.Module):
    """A Gaussian filter that keeps the grid; the border is repeated beyond the image.

    Parameters
    ----------
    sigmas : tuple of float
        Standard deviation along each spatial axis, in samples; 0 leaves an axis unfiltered.
    """

    def __init__(self, sigmas: tuple[float, ...]) -> None:
        super().__init__()
        kernel = torch.ones((1,) * len(sigmas), dtype=torch.float64)
        for axis, sigma in enumerate(sigmas):
            radius = int(_TRUNCATE * sigma + 0.5)
            at = torch.arange(-radius, radius + 1, dtype=torch.float64)
            line = torch.exp(-0.5 * (at / max(sigma, 1e-6)) ** 2)
            kernel = kernel * (line / line.sum()).view(-1, *(1,) * (len(sigmas) - axis - 1))
        self.blur = Blur(kernel.float())

    def forward(self, x: Tensor) -> Tensor:
        """Return x without its finest details, of the same shape ``(N, C, *spatial)``."""
        margins = [k // 2 for k in reversed(self.blur.size) for _ in range(2)]
        return self.blur(F.pad(x, margins, mode="replicate"))


class ToGreyLevels(nn.Module):
    """The fixed last layer of every network: float32 grey levels from its unit output.

    Parameters
    ----------
    network : nn.Module
        Its output g lies in the unit range, centred on 0.
    range : Range
        Grey levels of the data.
    sieve : nn.Module, optional
        Removes details finer than the data can resolve.
    floor : float, optional
        Lower bound of x, in grey levels. Within a twenty-fifth of the range x bends smoothly towards it, like
        a hyperbola. Its slope falls slowly below the floor, so that a fit can return from there.
    """

    def __init__(
        self,
        network: nn.Module,
        range: Range,
        sieve: nn.Module | None = None,
        floor: float | None = None,
    ) -> None:
        super().__init__()
        self.network, self.range, self.sieve, self.floor = network, range, sieve, floor

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return x in grey levels; an output of 0 is the middle of the range."""
        g = self.network(*inputs).float()
        x = self.range.from_unit((g if self.sieve is None else self.sieve(g)) + 0.5)
        if self.floor is None:
            return x
        above, bend = x - self.floor, (self.range.high - self.range.low) / 25
        return self.floor + (above + torch.hypot(above, bend)) / 2
