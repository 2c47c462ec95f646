"""What takes the finest details out of an image."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_dip.operators.blur import Blur

_REACH = 3.0  # in standard deviations


class Sieve(nn.Module):
    """A Gaussian of given width, in front of which the border is repeated: the grid stays as it is.

    Parameters
    ----------
    sigmas : tuple of float
        Standard deviation along each spatial axis, in samples; 0 leaves an axis alone.
    """

    def __init__(self, sigmas: tuple[float, ...]) -> None:
        super().__init__()
        kernel = torch.ones((1,) * len(sigmas), dtype=torch.float64)
        for axis, sigma in enumerate(sigmas):
            radius = int(_REACH * sigma + 0.5)
            at = torch.arange(-radius, radius + 1, dtype=torch.float64)
            line = torch.exp(-0.5 * (at / max(sigma, 1e-6)) ** 2)
            kernel = kernel * (line / line.sum()).view(-1, *(1,) * (len(sigmas) - axis - 1))
        self.blur = Blur(kernel.float())

    def forward(self, x: Tensor) -> Tensor:
        """Return x without its finest details, of the same shape ``(N, C, *spatial)``."""
        margins = [k // 2 for k in reversed(self.blur.psf.shape) for _ in range(2)]
        return self.blur(F.pad(x, margins, mode="replicate"))
