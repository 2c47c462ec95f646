"""Noise models: each draws data and scores them.

All parameters are in grey levels of the data, so nothing has to be rescaled.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from annotated_types import Ge, Gt

from napari_dip.settings import check

if TYPE_CHECKING:
    from torch import Generator, Tensor


@dataclass(frozen=True)
class NoiseModel(ABC):
    """The distribution p(y | u) of data y around noise-free data u, independent in each pixel.

    Tensors have the shape ``(N, C, *spatial)``; weights broadcast to it, and weight 0 hides a pixel.
    """

    known: ClassVar[bool] = True  #: whether it says how strong the noise is

    def __post_init__(self) -> None:
        check(self)

    @property
    @abstractmethod
    def in_words(self) -> str:
        """What it says, such as "σ = 12 grey levels everywhere"."""

    @abstractmethod
    def sample(self, u: "Tensor", generator: "Generator | None" = None) -> "Tensor":
        """Draw data y around u."""

    @abstractmethod
    def variance(self, u: "Tensor") -> "Tensor":
        """Return the variance of y around u, in grey levels²."""

    @abstractmethod
    def nll(self, u: "Tensor", y: "Tensor", weights: "Tensor") -> "Tensor":
        """Return the weighted mean of −log p(y | u), a proper score in nats per pixel."""

    def misfit(self, u: "Tensor", y: "Tensor", weights: "Tensor") -> "Tensor":
        """Return what a fit minimises: by default the weighted mean of (y − u)² / 2 variance(u).

        The variance is held constant under differentiation. That is the quasi-likelihood: its gradient
        vanishes on average at the truth, as the likelihood's does, and cannot be lowered by
        inflating the variance.
        """
        return weighted_mean((y - u).square() / (2 * self.variance(u.detach())), weights)


def weighted_mean(values: "Tensor", weights: "Tensor") -> "Tensor":
    """Return Σ w v / Σ w, with weights that broadcast to the values; 0 where there is no weight."""
    return (values * weights).sum() / weights.expand_as(values).sum().clamp_min(1e-12)


def _normal_nll(u: "Tensor", y: "Tensor", variance: "Tensor", weights: "Tensor") -> "Tensor":
    return weighted_mean(0.5 * ((y - u).square() / variance + (2 * math.pi * variance).log()), weights)


@dataclass(frozen=True)
class GaussianNoise(NoiseModel):
    """Additive Gaussian noise of known standard deviation.

    Parameters
    ----------
    sigma : float
        Standard deviation, in grey levels.
    """

    sigma: Annotated[float, Gt(0)]

    @property
    def in_words(self) -> str:
        """What it says."""
        return f"σ = {self.sigma:.3g} grey levels everywhere"

    def sample(self, u: "Tensor", generator: "Generator | None" = None) -> "Tensor":
        """Draw y = u + σ n."""
        return u + self.sigma * _standard_normal(u, generator)

    def variance(self, u: "Tensor") -> "Tensor":
        """Return σ²."""
        return u.new_full((), self.sigma**2)

    def nll(self, u: "Tensor", y: "Tensor", weights: "Tensor") -> "Tensor":
        """Return the mean of (y − u)² / 2σ² + ½ log 2πσ²."""
        return _normal_nll(u, y, self.variance(u), weights)


@dataclass(frozen=True)
class PoissonNoise(NoiseModel):
    """Photon noise: (y − offset) / gain is a Poisson count.

    Parameters
    ----------
    gain : float
        Grey levels per photon.
    offset : float
        Grey level without light (the camera's black level).
    """

    gain: Annotated[float, Gt(0)] = 1.0
    offset: float = 0.0

    @property
    def in_words(self) -> str:
        """What it says."""
        return f"{self.gain:.3g} grey levels a photon above grey level {self.offset:.4g}"

    def sample(self, u: "Tensor", generator: "Generator | None" = None) -> "Tensor":
        """Draw counts of mean (u − offset) / gain, in grey levels."""
        return self.offset + self.gain * _photons(u, self.gain, self.offset, generator)

    def variance(self, u: "Tensor") -> "Tensor":
        """Return gain (u − offset), at the least that of one photon in ten pixels."""
        return (self.gain * (u - self.offset)).clamp_min(0.1 * self.gain**2)

    def nll(self, u: "Tensor", y: "Tensor", weights: "Tensor") -> "Tensor":
        """Return the mean of r − k log r + log k! + log gain, k and r photons measured and expected."""
        counts = ((y - self.offset) / self.gain).clamp_min(0)
        rate = ((u - self.offset) / self.gain).clamp_min(1e-3)
        nll = rate - counts * rate.log() + (counts + 1).lgamma() + math.log(self.gain)
        return weighted_mean(nll, weights)


@dataclass(frozen=True)
class PoissonGaussianNoise(NoiseModel):
    """Photon noise and the camera's read noise: y = offset + gain · Poisson + Gaussian.

    Parameters
    ----------
    gain : float
        Grey levels per photon.
    offset : float
        Grey level without light (the camera's black level).
    read_noise : float
        Standard deviation of the read noise, in grey levels.
    """

    gain: Annotated[float, Gt(0)] = 1.0
    offset: float = 0.0
    read_noise: Annotated[float, Ge(0)] = 1.0

    @property
    def in_words(self) -> str:
        """What it says."""
        return f"{self.gain:.3g} grey levels a photon, and read noise of {self.read_noise:.3g} grey levels"

    def sample(self, u: "Tensor", generator: "Generator | None" = None) -> "Tensor":
        """Draw photon counts and read noise, in grey levels."""
        counts = _photons(u, self.gain, self.offset, generator)
        return self.offset + self.gain * counts + self.read_noise * _standard_normal(u, generator)

    def variance(self, u: "Tensor") -> "Tensor":
        """Return gain (u − offset) + read_noise², at the least that of one photon in ten pixels."""
        photons = (self.gain * (u - self.offset)).clamp_min(0)
        return (photons + self.read_noise**2).clamp_min(0.1 * self.gain**2)

    def nll(self, u: "Tensor", y: "Tensor", weights: "Tensor") -> "Tensor":
        """Return the score of the normal distribution with this mean and variance."""
        return _normal_nll(u, y, self.variance(u), weights)


@dataclass(frozen=True)
class LaplaceNoise(NoiseModel):
    """Heavy-tailed noise: a robust choice against hot pixels, cosmic rays, salt and pepper.

    Parameters
    ----------
    sigma : float
        Standard deviation, in grey levels; √2 times the scale of the distribution.
    """

    sigma: Annotated[float, Gt(0)]

    @property
    def in_words(self) -> str:
        """What it says."""
        return f"heavy-tailed, σ = {self.sigma:.3g} grey levels"

    @property
    def scale(self) -> float:
        """Mean absolute deviation, in grey levels."""
        return self.sigma / math.sqrt(2)

    def sample(self, u: "Tensor", generator: "Generator | None" = None) -> "Tensor":
        """Draw the difference of two exponential variables, which has this distribution."""
        import torch

        first, second = (torch.empty_like(u).exponential_(generator=generator) for _ in range(2))
        return u + self.scale * (first - second)

    def variance(self, u: "Tensor") -> "Tensor":
        """Return σ²."""
        return u.new_full((), self.sigma**2)

    def nll(self, u: "Tensor", y: "Tensor", weights: "Tensor") -> "Tensor":
        """Return the mean of |y − u| / scale + log 2 scale."""
        return weighted_mean((y - u).abs() / self.scale + math.log(2 * self.scale), weights)

    def misfit(self, u: "Tensor", y: "Tensor", weights: "Tensor") -> "Tensor":
        """Return the likelihood itself: a square would not be robust."""
        return self.nll(u, y, weights)


@dataclass(frozen=True)
class UnknownNoise(NoiseModel):
    """Gaussian noise of unknown strength: in each channel σ is whatever the residual says."""

    known: ClassVar[bool] = False

    @property
    def in_words(self) -> str:
        """What it says."""
        return "of unknown strength"

    def sample(self, u: "Tensor", generator: "Generator | None" = None) -> "Tensor":
        """Refuse: noise of unknown strength cannot be drawn."""
        raise ValueError("noise of unknown strength cannot be drawn: choose a noise model with parameters")

    def variance(self, u: "Tensor") -> "Tensor":
        """Refuse: the variance is unknown until there are residuals."""
        raise ValueError("the variance is unknown: choose a noise model with parameters")

    def nll(self, u: "Tensor", y: "Tensor", weights: "Tensor") -> "Tensor":
        """Return ½ log 2πe σ̂², σ̂² the weighted mean square of y − u in a channel, averaged over channels.

        σ̂² is kept above a millionth of the data's variance, so that exact data leave it finite.
        """
        axes = (0, *range(2, y.ndim))
        total = weights.expand_as(y).sum(axes, keepdim=True)
        counts = total > 0  # a channel without observed pixels says nothing

        def mean(values: "Tensor") -> "Tensor":
            return (values * weights).sum(axes, keepdim=True) / total.clamp_min(1e-12)

        spread = mean((y - mean(y)).square())
        floor = 1e-6 * spread.where(spread > 0, spread.mean()).clamp_min(1e-30)
        nll = 0.5 * (2 * math.pi * math.e * (mean((y - u).square()) + floor)).log()
        return weighted_mean(nll, counts)

    def misfit(self, u: "Tensor", y: "Tensor", weights: "Tensor") -> "Tensor":
        """Return the profile likelihood itself."""
        return self.nll(u, y, weights)


#: The names that the command line and the forms use.
NOISE_MODELS: dict[str, type[NoiseModel]] = {
    "unknown": UnknownNoise,
    "gaussian": GaussianNoise,
    "poisson": PoissonNoise,
    "poisson-gaussian": PoissonGaussianNoise,
    "laplace": LaplaceNoise,
}


def _standard_normal(u: "Tensor", generator: "Generator | None") -> "Tensor":
    import torch

    return torch.randn(u.shape, generator=generator, device=u.device, dtype=u.dtype)


def _photons(u: "Tensor", gain: float, offset: float, generator: "Generator | None") -> "Tensor":
    import torch

    return torch.poisson(((u - offset) / gain).clamp_min(0), generator=generator)
