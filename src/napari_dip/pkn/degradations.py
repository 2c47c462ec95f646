"""Degradations of clean images, for training: what an instrument would have measured."""

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

#: Radius of a blur's window, in pixels. The widest blur has a standard deviation of less than half of it.
_BLUR_RADIUS = 6


@dataclass(frozen=True)
class Degradation(ABC):
    """Degrades clean images and adds noise.

    Parameters
    ----------
    weakest, strongest : float
        Range of the noise's standard deviation, in grey levels of images from 0 to 255. Each example has its
        own, drawn with a uniform logarithm.
    """

    weakest: float
    strongest: float

    def __call__(self, clean: Tensor, generator: Generator) -> Observation:
        """Return the noisy data of clean images of shape ``(N, 1, H, W)``."""
        sigma = self._log_uniform(self.weakest, self.strongest, len(clean), generator)
        noiseless, blur = self.noiseless(clean, generator)
        noise = torch.randn(noiseless.shape, generator=generator, dtype=torch.float32)
        return Observation(noiseless + sigma * noise, sigma, blur=blur)

    @abstractmethod
    def noiseless(self, clean: Tensor, generator: Generator) -> tuple[Tensor, Tensor | None]:
        """Return the data without noise, and (m, a, b) of their blur's precision, if there is one."""

    @staticmethod
    def _log_uniform(low: float, high: float, count: int, generator: Generator) -> Tensor:
        """Draw numbers between two, with a uniform logarithm."""
        share = torch.rand(count, 1, 1, 1, generator=generator, dtype=torch.float32)
        return low * (share * math.log(high / low)).exp()


@dataclass(frozen=True)
class Noisy(Degradation):
    """Adds noise and nothing else."""

    weakest: float = 5.0
    strongest: float = 60.0

    def noiseless(self, clean: Tensor, generator: Generator) -> tuple[Tensor, Tensor | None]:
        """Return the clean images."""
        return clean, None


@dataclass(frozen=True)
class Blurred(Degradation):
    """Blurs by a Gaussian, round or slightly oval, with a width of 0.8 to 2.4 pixels, and adds noise."""

    weakest: float = 1.0
    strongest: float = 12.0

    def noiseless(self, clean: Tensor, generator: Generator) -> tuple[Tensor, Tensor | None]:
        """Return the blurred images, and (m, a, b) of their blur's precision."""
        n = len(clean)
        m = -2 * self._log_uniform(0.8, 2.4, n, generator).log()
        oval = torch.rand(n, 1, 1, 1, generator=generator, dtype=torch.float32) < 0.5
        a, b = 0.3 * torch.randn(2, n, 1, 1, 1, generator=generator, dtype=torch.float32) * oval
        weights = oval_weights(precision(m, a, b), _BLUR_RADIUS)
        blurred = averaged(Observation(clean, clean.new_ones(())), weights, _BLUR_RADIUS)
        return blurred, torch.cat([m, a, b], 1)


@dataclass(frozen=True)
class Downsampled(Degradation):
    """Downsamples as programs and cameras do, and adds noise.

    Parameters
    ----------
    factor : int
        Pixels of the clean images per pixel of the data, along each axis.
    """

    weakest: float = 1.0
    strongest: float = 25.0
    factor: int = 2

    def noiseless(self, clean: Tensor, generator: Generator) -> tuple[Tensor, Tensor | None]:
        """Return the downsampled images."""
        return Resample((self.factor, self.factor))(clean), None


def degradation(kernel: ProceduralKernel) -> Degradation:
    """Return the degradation that a kernel undoes."""
    if kernel.purpose == "refine":
        return Downsampled(factor=kernel.factor)
    return Blurred() if kernel.purpose == "deblur" else Noisy()
