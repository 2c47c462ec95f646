"""What a network is trained on: clean images, and what an instrument would have made of them."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from napari_dip.operators import Resample
from napari_dip.pkn.kernels.base import ProceduralKernel
from napari_dip.pkn.kernels.gaussian import oval_weights, precision
from napari_dip.pkn.kernels.window import averaged
from napari_dip.pkn.observation import Observation

#: Pixels that a blur of an example reaches; its widest has a standard deviation of half as many.
_BLURRED = 6


@dataclass(frozen=True)
class Degradation(ABC):
    """Makes data of clean images, as they come in practice.

    Parameters
    ----------
    weakest, strongest : float
        Standard deviation of the noise, in grey levels of images from 0 to 255; each example's is drawn
        between them, small ones as often as large ones.
    """

    weakest: float
    strongest: float

    def __call__(self, clean: Tensor, generator: Generator) -> Observation:
        """Return the data of clean images of shape ``(N, 1, H, W)``."""
        sigma = self._between(self.weakest, self.strongest, len(clean), generator)
        seen, blur = self.seen(clean, generator)
        noise = torch.randn(seen.shape, generator=generator)
        return Observation(seen + sigma * noise, sigma, blur=blur)

    @abstractmethod
    def seen(self, clean: Tensor, generator: Generator) -> tuple[Tensor, Tensor | None]:
        """Return the data without noise, and by what they were blurred."""

    @staticmethod
    def _between(low: float, high: float, count: int, generator: Generator) -> Tensor:
        """Draw numbers whose logarithms lie evenly between two."""
        share = torch.rand(count, 1, 1, 1, generator=generator)
        return low * (share * math.log(high / low)).exp()


@dataclass(frozen=True)
class Noise(Degradation):
    """Adds noise, and nothing else."""

    weakest: float = 5.0
    strongest: float = 60.0

    def seen(self, clean: Tensor, generator: Generator) -> tuple[Tensor, Tensor | None]:
        """Return the clean images."""
        return clean, None


@dataclass(frozen=True)
class Blurred(Degradation):
    """Blurs by a Gaussian of a standard deviation from 0.8 to 2.4 pixels, round or nearly so; adds noise."""

    weakest: float = 1.0
    strongest: float = 12.0

    def seen(self, clean: Tensor, generator: Generator) -> tuple[Tensor, Tensor | None]:
        """Return the blurred images, and (m, a, b) of the precision of their blur."""
        n = len(clean)
        m = -2 * self._between(0.8, 2.4, n, generator).log()
        oval = torch.rand(n, 1, 1, 1, generator=generator) < 0.5
        a, b = 0.3 * torch.randn(2, n, 1, 1, 1, generator=generator) * oval
        weights = oval_weights(precision(m, a, b), _BLURRED)
        blurred = averaged(Observation(clean, torch.ones(())), weights, _BLURRED)
        return blurred, torch.cat([m, a, b], 1)


@dataclass(frozen=True)
class Shrunk(Degradation):
    """Shrinks as programs and cameras do, and adds noise.

    Parameters
    ----------
    factor : int
        Pixels of the clean images for one of the data.
    """

    weakest: float = 1.0
    strongest: float = 25.0
    factor: int = 2

    def seen(self, clean: Tensor, generator: Generator) -> tuple[Tensor, Tensor | None]:
        """Return the shrunk images."""
        return Resample((self.factor, self.factor))(clean), None


def degradation(kernel: ProceduralKernel) -> Degradation:
    """Return what a kernel is there to undo."""
    if kernel.purpose == "refine":
        return Shrunk(factor=kernel.factor)
    return Blurred() if kernel.purpose == "deblur" else Noise()
