"""Variance-stabilising transforms: they give photon noise the same variance everywhere."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from napari_dip.noise.estimate import estimating
from napari_dip.noise.models import NoiseModel, PoissonGaussianNoise, PoissonNoise
from napari_dip.noise.per_pixel import PerPixelNoise
from napari_dip.problem import Problem
from napari_dip.steps import finished


@dataclass(frozen=True, eq=False)
class Stabiliser:
    """The transform ∫ dy / √variance(y), which gives photon noise the variance 1.

    Where the noise of each pixel is given, the image is divided by it. Channels with other noise pass
    unchanged.

    Parameters
    ----------
    noises : tuple of NoiseModel
        Noise model of each channel.
    """

    noises: tuple[NoiseModel, ...]

    @classmethod
    def of(cls, problem: Problem) -> Self:
        """Take the noise model; if it knows nothing, measure in the data whether noise grows with light."""
        data, counts = problem.data[0].cpu(), (problem.weights > 0).expand_as(problem.data)[0].cpu()
        # Where only missing pixels are wanted, observed ones count as they are.
        if isinstance(problem.noise, PerPixelNoise):
            return cls(tuple(PerPixelNoise(sigma.double().cpu()) for sigma in problem.noise.sigma[0]))
        if problem.noise.known or problem.only_missing:
            return cls((problem.noise,) * len(data))
        return cls(tuple(_photon_noise(*one) or problem.noise for one in zip(data, counts, strict=True)))

    def __call__(self, image: Tensor) -> Tensor:
        """Return the transform of an image, shape ``(C, *spatial)``, in units of the noise."""
        return self._each(_transformed, image)

    def inverse(self, image: Tensor) -> Tensor:
        """Return the grey levels of a transformed image."""
        return self._each(_inverted, image)

    def step(self, image: Tensor) -> Tensor:
        """Return the change in grey levels that changes the transform by 1, at each grey level."""
        return self._each(_step, image)

    def _each(self, act: Callable[[Tensor, NoiseModel], Tensor], image: Tensor) -> Tensor:
        return torch.stack([act(*channel) for channel in zip(image, self.noises, strict=True)])


def _transformed(y: Tensor, noise: NoiseModel) -> Tensor:
    if isinstance(noise, PerPixelNoise):
        return y / noise.sigma
    if not isinstance(noise, PoissonNoise | PoissonGaussianNoise):
        return y
    return 2 / noise.gain * noise.variance(y).sqrt()


def _inverted(t: Tensor, noise: NoiseModel) -> Tensor:
    if isinstance(noise, PerPixelNoise):
        return t * noise.sigma
    if not isinstance(noise, PoissonNoise | PoissonGaussianNoise):
        return t
    read = noise.read_noise if isinstance(noise, PoissonGaussianNoise) else 0.0
    return ((t * noise.gain / 2) ** 2 - read**2) / noise.gain + noise.offset


def _step(y: Tensor, noise: NoiseModel) -> Tensor:
    if isinstance(noise, PerPixelNoise):
        return noise.sigma
    if not isinstance(noise, PoissonNoise | PoissonGaussianNoise):
        return torch.ones_like(y)
    return noise.variance(y).sqrt()


def _photon_noise(data: Tensor, counts: Tensor) -> NoiseModel | None:
    """Return photon noise as it is measured in a channel, or None where the channel shows none."""
    axes = "ZYX" if data.ndim == 3 else "YX"
    # Filters of warnings belong to the whole process, and this may run in a thread.
    with np.errstate(all="ignore"), contextlib.suppress(ValueError):
        return finished(estimating(PoissonNoise(), data.numpy(), missing=~counts.numpy(), axes=axes)).model
    return None
