"""A transform after which the noise is as strong everywhere, as classic filters want it."""

import contextlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from napari_dip.noise.estimate import estimate_noise
from napari_dip.noise.models import NoiseModel, PoissonGaussianNoise, PoissonNoise
from napari_dip.problem import Problem


@dataclass(frozen=True, eq=False)
class Stabiliser:
    """∫ dy / √variance(y), after which photon noise has the strength 1; other noise is left as it is.

    Parameters
    ----------
    noises : tuple of NoiseModel
        Of each channel.
    """

    noises: tuple[NoiseModel, ...]

    @classmethod
    def of(cls, problem: Problem) -> Self:
        """Take the noise model; where that knows nothing, ask the data whether noise grows with light."""
        data, counts = problem.data[0].cpu(), (problem.weights > 0).expand_as(problem.data)[0].cpu()
        # Where nothing but missing pixels is wanted the others are to be believed as they are.
        if problem.noise.known or problem.only_missing:
            return cls((problem.noise,) * len(data))
        return cls(tuple(_found(*channel, problem.noise) for channel in zip(data, counts, strict=True)))

    def __call__(self, image: Tensor) -> Tensor:
        """Return the transform of an image, shape ``(C, *spatial)``."""
        return self._each(_stabilised, image)

    def inverse(self, image: Tensor) -> Tensor:
        """Return the image of which this is the transform."""
        return self._each(_straightened, image)

    def step(self, image: Tensor) -> Tensor:
        """Return what a step of 1 in the transform is worth in grey levels."""
        return self._each(_step, image)

    def _each(self, act: Callable[[Tensor, NoiseModel], Tensor], image: Tensor) -> Tensor:
        return torch.stack([act(*channel) for channel in zip(image, self.noises, strict=True)])


def _stabilised(y: Tensor, noise: NoiseModel) -> Tensor:
    if not isinstance(noise, PoissonNoise | PoissonGaussianNoise):
        return y
    return 2 / noise.gain * noise.variance(y).sqrt()


def _straightened(t: Tensor, noise: NoiseModel) -> Tensor:
    if not isinstance(noise, PoissonNoise | PoissonGaussianNoise):
        return t
    read = noise.read_noise if isinstance(noise, PoissonGaussianNoise) else 0.0
    return ((t * noise.gain / 2) ** 2 - read**2) / noise.gain + noise.offset


def _step(y: Tensor, noise: NoiseModel) -> Tensor:
    return (
        noise.variance(y).sqrt()
        if isinstance(noise, PoissonNoise | PoissonGaussianNoise)
        else torch.ones_like(y)
    )


def _found(data: Tensor, counts: Tensor, unknown: NoiseModel) -> NoiseModel:
    """Return photon noise as a channel shows it, or what the noise was taken for where it shows none."""
    axes = "ZYX" if data.ndim == 3 else "YX"
    with warnings.catch_warnings(), contextlib.suppress(ValueError):
        warnings.simplefilter("ignore")
        return estimate_noise(PoissonNoise(), data.numpy(), missing=~counts.numpy(), axes=axes)
    return unknown
