"""Variance-stabilising transforms: they give photon noise the same variance everywhere."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from napari_dip.filters.anscombe import Anscombe
from napari_dip.noise.growing import growing_noise
from napari_dip.noise.models import NoiseModel, PoissonGaussianNoise, PoissonNoise
from napari_dip.noise.per_channel import PerChannelNoise
from napari_dip.noise.per_pixel import PerPixelNoise
from napari_dip.problem import Problem
from napari_dip.steps import finished


@dataclass(frozen=True, eq=False)
class Stabiliser:
    """A transform that gives the noise the variance 1, and the inverse of its mean.

    Photon noise, with read noise or without, is stabilised by the generalised `Anscombe` transform.
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
        if isinstance(problem.noise, PerChannelNoise):
            return cls(problem.noise.models)
        if problem.noise.known or problem.only_missing:
            return cls((problem.noise,) * len(data))
        return cls(tuple(_photon_noise(*one) or problem.noise for one in zip(data, counts, strict=True)))

    def __call__(self, data: Tensor) -> Tensor:
        """Return the transform of data, shape ``(C, *spatial)``, in units of the noise."""
        return torch.stack([one.transformed(channel) for one, channel in self._pairs(data)])

    def mean(self, image: Tensor) -> Tensor:
        """Return the mean of the transform over data around a noise-free image."""
        return torch.stack([one.mean(channel) for one, channel in self._pairs(image)])

    def inverse(self, transformed: Tensor) -> Tensor:
        """Return the noise-free image, in grey levels, whose data have this mean transform."""
        return torch.stack([one.inverse(channel) for one, channel in self._pairs(transformed)])

    def step(self, image: Tensor) -> Tensor:
        """Return the standard deviation of the noise around an image; 1 where the model tells none."""
        return torch.stack([one.step(channel) for one, channel in self._pairs(image)])

    def _pairs(self, image: Tensor) -> "Iterator[tuple[_Channel, Tensor]]":
        return zip(map(_Channel.of, self.noises), image, strict=True)


class _Channel:
    """The transform of one channel; this one changes nothing."""

    @staticmethod
    def of(noise: NoiseModel) -> "_Channel":
        if isinstance(noise, PerPixelNoise):
            return _Divided(noise.sigma)
        if isinstance(noise, PoissonNoise | PoissonGaussianNoise):
            return _Photons(noise)
        return _Channel()

    def transformed(self, y: Tensor) -> Tensor:
        return y

    def mean(self, u: Tensor) -> Tensor:
        return self.transformed(u)

    def inverse(self, t: Tensor) -> Tensor:
        return t

    def step(self, u: Tensor) -> Tensor:
        return torch.ones_like(u)


@dataclass(frozen=True, eq=False)
class _Divided(_Channel):
    """Division by the standard deviation of each pixel's noise."""

    sigma: Tensor

    def transformed(self, y: Tensor) -> Tensor:
        return y / self.sigma

    def inverse(self, t: Tensor) -> Tensor:
        return t * self.sigma

    def step(self, u: Tensor) -> Tensor:
        return self.sigma


@dataclass(frozen=True, eq=False)
class _Photons(_Channel):
    """The Anscombe transform of the photons that grey levels stand for."""

    noise: PoissonNoise | PoissonGaussianNoise

    @property
    def _transform(self) -> Anscombe:
        noise = self.noise
        return Anscombe.of(noise.read_noise / noise.gain if isinstance(noise, PoissonGaussianNoise) else 0.0)

    def transformed(self, y: Tensor) -> Tensor:
        return torch.from_numpy(self._transform(self._photons(y)))

    def mean(self, u: Tensor) -> Tensor:
        return torch.from_numpy(self._transform.mean(self._photons(u)))

    def inverse(self, t: Tensor) -> Tensor:
        photons = torch.from_numpy(self._transform.inverse(t.double().numpy()))
        return self.noise.offset + self.noise.gain * photons

    def step(self, u: Tensor) -> Tensor:
        return self.noise.variance(u).sqrt()

    def _photons(self, y: Tensor) -> np.ndarray:
        return ((y.double() - self.noise.offset) / self.noise.gain).numpy()


def _photon_noise(data: Tensor, counts: Tensor) -> NoiseModel | None:
    """Return photon noise as it is measured in a channel, or None where the channel shows none."""
    # Filters of warnings belong to the whole process, and this may run in a thread.
    with np.errstate(all="ignore"):
        found = finished(growing_noise(data.numpy(), ~counts.numpy()))
    return found.model if found is not None and found.matters else None
