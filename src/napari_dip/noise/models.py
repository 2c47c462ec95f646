"""Noise models: the distribution p(y | u) of data y around noise-free data u, in each pixel.

Every model can draw data and score them. All parameters are in grey levels of the data, so data need not be
rescaled.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from annotated_types import Ge, Gt

from napari_dip.settings import check

if TYPE_CHECKING:
    from torch import Generator, Tensor


@dataclass(frozen=True)
class NoiseModel(ABC):
    """The distribution p(y | u) of data y around noise-free data u, independent in each pixel.

    Tensors have the shape ``(N, C, *spatial)``. Weights broadcast to this shape, and weight 0 hides a pixel.
    """

    known: ClassVar[bool] = True  #: False if the strength of the noise is unknown
    grows: ClassVar[bool] = False  #: whether the noise may be stronger in brighter pixels

    def __post_init__(self) -> None:
        check(self)

    @property
    @abstractmethod
    def in_words(self) -> str:
        """A description for the user, such as "σ = 12 grey levels everywhere"."""

    @abstractmethod
    def rescaled(self, offset: float, scale: float) -> "NoiseModel":
        """Return the noise of (y − offset) / scale, where this is the noise of y."""

    @abstractmethod
    def sample(self, u: "Tensor", generator: "Generator | None" = None) -> "Tensor":
        """Draw data y around u."""

    @abstractmethod
    def variance(self, u: "Tensor") -> "Tensor":
        """Return the variance of y around u, in grey levels²."""

    def skewness(self, u: "Tensor") -> "Tensor":
        """Return the skewness of y around u: 0 for symmetric noise."""
        return u.new_zeros(())

    @abstractmethod
    def nll(self, u: "Tensor", y: "Tensor", weights: "Tensor") -> "Tensor":
        """Return the weighted mean of −log p(y | u): a proper score, in nats per pixel."""

    def misfit(self, u: "Tensor", y: "Tensor", weights: "Tensor") -> "Tensor":
        """Return what a fit minimises. The default is the weighted mean of (y − u)² / 2 variance(u).

        The variance is treated as a constant in the derivative. This is a quasi-likelihood: on average its
        gradient vanishes at the truth, as the likelihood's does, and a fit can't lower it by increasing the
        variance.
        """
        return weighted_mean((y - u).square() / (2 * self.variance(u.detach())), weights)


def weighted_mean(values: "Tensor", weights: "Tensor") -> "Tensor":
    """Return Σ w v / Σ w, or 0 if all weights are 0. The weights w broadcast to the values v."""
    return (values * weights).sum() / weights.expand_as(values).sum().clamp_min(1e-12)


def normal_nll(u: "Tensor", y: "Tensor", variance: "Tensor", weights: "Tensor") -> "Tensor":
    """Return the weighted mean of −log p(y | u) for normal noise, in nats per pixel."""
    return weighted_mean(0.5 * ((y - u).square() / variance + (2 * math.pi * variance).log()), weights)


@dataclass(frozen=True)
class GaussianNoise(NoiseModel):
    """Additive Gaussian noise of known standard deviation.

    y = u + σ n, where n is normal with mean 0 and variance 1.

    Parameters
    ----------
    sigma : float
        Standard deviation σ, in grey levels.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_dip import DIP, Denoise, GaussianNoise, restore
    >>> image = np.random.default_rng(0).normal(100, 12, (32, 32))
    >>> restore(image, Denoise(GaussianNoise(sigma=12)), DIP(iterations=5)).image.shape
    (32, 32)
    """

    sigma: Annotated[float, Gt(0)]

    @property
    def in_words(self) -> str:
        """A description for the user."""
        return f"σ = {self.sigma:.3g} grey levels everywhere"

    def rescaled(self, offset: float, scale: float) -> "GaussianNoise":
        """Return the noise of (y − offset) / scale."""
        return replace(self, sigma=self.sigma / scale)

    def sample(self, u: "Tensor", generator: "Generator | None" = None) -> "Tensor":
        """Draw y = u + σ n."""
        return u + self.sigma * _standard_normal(u, generator)

    def variance(self, u: "Tensor") -> "Tensor":
        """Return σ²."""
        return u.new_full((), self.sigma**2)

    def nll(self, u: "Tensor", y: "Tensor", weights: "Tensor") -> "Tensor":
        """Return the mean of (y − u)² / 2σ² + ½ log 2πσ²."""
        return normal_nll(u, y, self.variance(u), weights)


@dataclass(frozen=True)
class PoissonNoise(NoiseModel):
    """Photon noise: (y − offset) / gain is a Poisson count.

    y = offset + gain · k, where k is Poisson with the mean (u − offset) / gain. The variance of y is
    gain · (u − offset).

    Parameters
    ----------
    gain : float
        Grey levels per photon.
    offset : float
        Grey level without light: the camera's black level.

    Examples
    --------
    Grey levels are photons in simulated data and in images of a photon counter:

    >>> import numpy as np
    >>> from napari_dip import DIP, Denoise, PoissonNoise, restore
    >>> photons = np.random.default_rng(0).poisson(20.0, (32, 32))
    >>> restore(photons, Denoise(PoissonNoise()), DIP(iterations=5)).image.shape
    (32, 32)
    """

    grows: ClassVar[bool] = True
    gain: Annotated[float, Gt(0)] = 1.0
    offset: float = 0.0

    @property
    def in_words(self) -> str:
        """A description for the user."""
        return f"{self.gain:.3g} grey levels per photon above grey level {self.offset:.4g}"

    def rescaled(self, offset: float, scale: float) -> "PoissonNoise":
        """Return the noise of (y − offset) / scale."""
        return replace(self, gain=self.gain / scale, offset=(self.offset - offset) / scale)

    def sample(self, u: "Tensor", generator: "Generator | None" = None) -> "Tensor":
        """Draw counts of mean (u − offset) / gain, in grey levels."""
        return self.offset + self.gain * _photons(u, self.gain, self.offset, generator)

    def variance(self, u: "Tensor") -> "Tensor":
        """Return gain (u − offset), or the variance of a tenth of a photon per pixel if that is larger."""
        return (self.gain * (u - self.offset)).clamp_min(0.1 * self.gain**2)

    def skewness(self, u: "Tensor") -> "Tensor":
        """Return 1 / √photons."""
        return _photon_skewness(u, self.gain, self.offset, self.variance(u))

    def nll(self, u: "Tensor", y: "Tensor", weights: "Tensor") -> "Tensor":
        """Return the mean of r − k log r + log k! + log gain for k measured and r expected photons."""
        counts = ((y - self.offset) / self.gain).clamp_min(0)
        rate = ((u - self.offset) / self.gain).clamp_min(1e-3)
        nll = rate - counts * rate.log() + (counts + 1).lgamma() + math.log(self.gain)
        return weighted_mean(nll, weights)


@dataclass(frozen=True)
class PoissonGaussianNoise(NoiseModel):
    """Photon noise and the camera's read noise.

    y = offset + gain · k + read_noise · n, where k is Poisson with the mean (u − offset) / gain, and n is
    normal with mean 0 and variance 1. The variance of y is gain · (u − offset) + read_noise².

    Parameters
    ----------
    gain : float
        Grey levels per photon.
    offset : float
        Grey level without light: the camera's black level.
    read_noise : float
        Standard deviation of the read noise, in grey levels.

    Examples
    --------
    A data sheet states 0.45 electrons per grey level and a read noise of 1.6 electrons:

    >>> from napari_dip import PoissonGaussianNoise
    >>> noise = PoissonGaussianNoise(gain=1 / 0.45, offset=100, read_noise=1.6 / 0.45)
    >>> noise.in_words
    '2.22 grey levels per photon, and read noise of 3.56 grey levels'
    """

    grows: ClassVar[bool] = True
    gain: Annotated[float, Gt(0)] = 1.0
    offset: float = 0.0
    read_noise: Annotated[float, Ge(0)] = 1.0

    @property
    def in_words(self) -> str:
        """A description for the user."""
        return f"{self.gain:.3g} grey levels per photon, and read noise of {self.read_noise:.3g} grey levels"

    def rescaled(self, offset: float, scale: float) -> "PoissonGaussianNoise":
        """Return the noise of (y − offset) / scale."""
        moved = (self.offset - offset) / scale
        return replace(self, gain=self.gain / scale, offset=moved, read_noise=self.read_noise / scale)

    def sample(self, u: "Tensor", generator: "Generator | None" = None) -> "Tensor":
        """Draw photon counts and read noise, in grey levels."""
        counts = _photons(u, self.gain, self.offset, generator)
        return self.offset + self.gain * counts + self.read_noise * _standard_normal(u, generator)

    def variance(self, u: "Tensor") -> "Tensor":
        """Return gain (u − offset) + read_noise², or that of a tenth of a photon if it is larger."""
        photons = (self.gain * (u - self.offset)).clamp_min(0)
        return (photons + self.read_noise**2).clamp_min(0.1 * self.gain**2)

    def skewness(self, u: "Tensor") -> "Tensor":
        """Return the third moment of the photon noise, gain² (u − offset), over variance^(3/2)."""
        return _photon_skewness(u, self.gain, self.offset, self.variance(u))

    def nll(self, u: "Tensor", y: "Tensor", weights: "Tensor") -> "Tensor":
        """Return the score of the normal distribution with the mean u and this variance."""
        return normal_nll(u, y, self.variance(u), weights)


@dataclass(frozen=True)
class LaplaceNoise(NoiseModel):
    """Heavy-tailed noise, which makes the fit robust against hot pixels, cosmic rays, salt and pepper.

    p(y | u) = exp(−|y − u| / b) / 2b with the scale b = σ / √2.

    Parameters
    ----------
    sigma : float
        Standard deviation σ, in grey levels.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_dip import DIP, Denoise, LaplaceNoise, restore
    >>> image = np.random.default_rng(0).laplace(100, 12 / np.sqrt(2), (32, 32))
    >>> restore(image, Denoise(LaplaceNoise(sigma=12)), DIP(iterations=5)).image.shape
    (32, 32)
    """

    sigma: Annotated[float, Gt(0)]

    @property
    def in_words(self) -> str:
        """A description for the user."""
        return f"heavy-tailed, σ = {self.sigma:.3g} grey levels"

    @property
    def scale(self) -> float:
        """The scale b, which is the mean absolute deviation, in grey levels."""
        return self.sigma / math.sqrt(2)

    def rescaled(self, offset: float, scale: float) -> "LaplaceNoise":
        """Return the noise of (y − offset) / scale."""
        return replace(self, sigma=self.sigma / scale)

    def sample(self, u: "Tensor", generator: "Generator | None" = None) -> "Tensor":
        """Draw y = u + the difference of two exponential variables, which has this distribution."""
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
        """Return the negative log-likelihood: squares would not be robust."""
        return self.nll(u, y, weights)


@dataclass(frozen=True)
class UnknownNoise(NoiseModel):
    """Gaussian noise of unknown strength: in each channel, σ is estimated from the residual.

    Examples
    --------
    It is the noise of a task unless you choose another:

    >>> from napari_dip import Denoise
    >>> Denoise()
    Denoise(noise=UnknownNoise())
    """

    known: ClassVar[bool] = False

    @property
    def in_words(self) -> str:
        """A description for the user."""
        return "of unknown strength"

    def rescaled(self, offset: float, scale: float) -> "UnknownNoise":
        """Return the model itself."""
        return self

    def sample(self, u: "Tensor", generator: "Generator | None" = None) -> "Tensor":
        """Refuse, since noise of unknown strength cannot be drawn."""
        raise ValueError("noise of unknown strength cannot be drawn: choose a noise model with parameters")

    def variance(self, u: "Tensor") -> "Tensor":
        """Refuse, since the variance is unknown before there are residuals."""
        raise ValueError("the variance is unknown: choose a noise model with parameters")

    def nll(self, u: "Tensor", y: "Tensor", weights: "Tensor") -> "Tensor":
        """Return the mean over channels of ½ log 2πe σ̂², where σ̂² is the weighted mean square of y − u.

        A millionth of the data's variance is added to σ̂², so that the score of a perfect fit is finite.
        """
        axes = (0, *range(2, y.ndim))
        total = weights.expand_as(y).sum(axes, keepdim=True)
        counts = total > 0  # a channel without observed pixels does not count

        def mean(values: "Tensor") -> "Tensor":
            return (values * weights).sum(axes, keepdim=True) / total.clamp_min(1e-12)

        spread = mean((y - mean(y)).square())
        floor = 1e-6 * spread.where(spread > 0, spread.mean()).clamp_min(1e-30)
        nll = 0.5 * (2 * math.pi * math.e * (mean((y - u).square()) + floor)).log()
        return weighted_mean(nll, counts)

    def misfit(self, u: "Tensor", y: "Tensor", weights: "Tensor") -> "Tensor":
        """Return the same profile likelihood."""
        return self.nll(u, y, weights)


@dataclass(frozen=True)
class StripeNoise(UnknownNoise):
    """Rows or columns with offsets of their own, and other noise of unknown strength.

    The offsets are measured in the data and taken off before the image is restored. Edges along a line stay,
    and so does a filament over less than three quarters of a line. A line over the full width that is much
    brighter or darker than the stripes stays too; a weaker one can't be told from a stripe, and is taken off.
    When denoising, unknown noise is treated in this way if stripes are found. Choose this model to say where
    they are.

    Parameters
    ----------
    lines : {"rows", "columns", "both"}
        Which lines have offsets.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_dip import DIP, Denoise, StripeNoise, restore
    >>> random = np.random.default_rng(0)
    >>> image = random.normal(100, 10, (32, 32)) + random.normal(0, 10, (32, 1))
    >>> restore(image, Denoise(StripeNoise(lines="rows")), DIP(iterations=5)).image.shape
    (32, 32)
    """

    lines: Literal["rows", "columns", "both"] = "both"

    @property
    def in_words(self) -> str:
        """A description for the user."""
        where = "rows and columns" if self.lines == "both" else self.lines
        return f"of unknown strength, with {where} that have offsets of their own"


@dataclass(frozen=True)
class CorrelatedNoise(UnknownNoise):
    """Noise of unknown strength that neighbouring pixels have in common.

    Blurring, interpolation, rotation, drizzling and demosaicking leave such noise. Its spectrum is measured
    where the image has the least structure. When denoising, Deep Image Prior then stops by a second image,
    which is split off the data and has independent noise, because pixels held out of a fit can be predicted
    from the noise of their neighbours. Unknown noise is treated in this way if it is found to be correlated.
    Choose this model if you know that it is, and the test before the run misses it. Other methods treat it as
    unknown noise.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.ndimage import gaussian_filter
    >>> from napari_dip import DIP, CorrelatedNoise, Denoise, restore
    >>> image = gaussian_filter(np.random.default_rng(0).normal(100, 30, (64, 64)), 1)
    >>> restore(image, Denoise(CorrelatedNoise()), DIP(iterations=5)).frames[0].criterion.name
    'SPLIT'
    """

    @property
    def in_words(self) -> str:
        """A description for the user."""
        return "of unknown strength, correlated between neighbouring pixels"


#: The names that the command line and the forms use.
NOISE_MODELS: dict[str, type[NoiseModel]] = {
    "unknown": UnknownNoise,
    "gaussian": GaussianNoise,
    "poisson": PoissonNoise,
    "poisson-gaussian": PoissonGaussianNoise,
    "laplace": LaplaceNoise,
    "stripes": StripeNoise,
    "correlated": CorrelatedNoise,
}


def _standard_normal(u: "Tensor", generator: "Generator | None") -> "Tensor":
    import torch

    return torch.randn(u.shape, generator=generator, device=u.device, dtype=u.dtype)


def _photons(u: "Tensor", gain: float, offset: float, generator: "Generator | None") -> "Tensor":
    import torch

    return torch.poisson(((u - offset) / gain).clamp_min(0), generator=generator)


def _photon_skewness(u: "Tensor", gain: float, offset: float, variance: "Tensor") -> "Tensor":
    """Return the skewness of photon noise, to which read noise adds variance alone."""
    return (gain**2 * (u - offset)).clamp_min(0) / variance**1.5
