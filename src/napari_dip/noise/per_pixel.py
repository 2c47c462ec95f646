"""Noise whose strength is given for each pixel."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari_dip.noise.models import NoiseModel, normal_nll

if TYPE_CHECKING:
    from torch import Generator, Tensor


@dataclass(frozen=True, eq=False)
class PerPixelNoise(NoiseModel):
    """Gaussian noise with a standard deviation of its own in each pixel.

    It holds an array, so no setting of a task can be one. It is made from the ``noise_std`` of a measurement.

    Parameters
    ----------
    sigma : Tensor, shape ``(1, C, *spatial)``
        Standard deviation of the noise in each pixel of the data, above 0.
    """

    sigma: Any = field(metadata={"plain": False})

    @property
    def in_words(self) -> str:
        """A description for the user."""
        return "given for each pixel"

    def changed(self, change: "Callable[[Tensor], Tensor]") -> "PerPixelNoise":
        """Return the noise of data that were cut or moved, by what was done to them."""
        return PerPixelNoise(change(self.sigma))

    def rescaled(self, offset: float, scale: float) -> "PerPixelNoise":
        """Return the noise of (y − offset) / scale."""
        return PerPixelNoise(self.sigma / scale)

    def sample(self, u: "Tensor", generator: "Generator | None" = None) -> "Tensor":
        """Draw y = u + σ n."""
        import torch

        return u + self.sigma.to(u) * torch.randn(
            u.shape, generator=generator, device=u.device, dtype=u.dtype
        )

    def variance(self, u: "Tensor") -> "Tensor":
        """Return σ², or where u is a mean over channels, the mean of σ² over them."""
        variance = self.sigma.square().to(u)
        return variance if u.shape[1] == variance.shape[1] else variance.mean(1, keepdim=True)

    def nll(self, u: "Tensor", y: "Tensor", weights: "Tensor") -> "Tensor":
        """Return the mean of (y − u)² / 2σ² + ½ log 2πσ²."""
        return normal_nll(u, y, self.variance(u), weights)
