"""The noise with which a residual is compared."""

from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
import torch
from torch import Tensor

from napari_dip.noise.absence import positive_sigma
from napari_dip.noise.estimate import estimating
from napari_dip.noise.growing import growing_noise
from napari_dip.noise.lower_bound import alike, noise_lower_bound
from napari_dip.noise.models import GaussianNoise, NoiseModel, UnknownNoise
from napari_dip.noise.neighbourhoods import number_of_whole, shortage
from napari_dip.noise.per_channel import PerChannelNoise
from napari_dip.noise.residual import residual_sigma
from napari_dip.noise.whiteness import Whiteness
from napari_dip.problem import Problem
from napari_dip.steps import finished

#: Number of pixels of a plane, over all channels, in which the noise is measured.
_PIXELS = 2**17


@dataclass(frozen=True, eq=False)
class ComparedNoise:
    """The noise with which a residual is compared.

    Parameters
    ----------
    sigma : Tensor, shape ``(1, C, *spatial)``
        Its standard deviation in each pixel, above 0. If it is unknown, that of the residual.
    skewness : Tensor, the same shape
        Its skewness in each pixel; 0 if it is unknown.
    power : Tensor, the same shape
        An unbiased estimate of its variance in each pixel from the data alone, divided by `sigma` squared.
    origin : {"task", "data", "nothing"}
        Whether it was told, measured in the data, or is unknown.
    in_words : str
        A description for the user, in grey levels.
    """

    sigma: Tensor
    skewness: Tensor
    power: Tensor
    origin: Literal["task", "data", "nothing"]
    in_words: str

    @classmethod
    def of(cls, problem: Problem, explained: Tensor, white: Whiteness) -> Self:
        """Return the noise of a problem's data.

        Parameters
        ----------
        problem : Problem
            Has the data and the noise model.
        explained : Tensor, shape ``(1, C, *spatial)``
            A x.
        white : Whiteness
            What the noise of neighbouring pixels has in common.
        """
        if problem.noise.known:
            arrays = _of_model(problem.noise, explained, problem.data)
            return cls(*arrays, "task", problem.described(problem.noise))
        if not white.white and white.measured:
            strength = white.variance.to(explained).sqrt()
            levels = ", ".join(f"{one * problem.units.scale:.3g}" for one in strength.flatten().tolist())
            rest = torch.zeros_like(explained), torch.ones_like(explained)
            what = f"σ = {levels} grey levels, {white.in_words}"
            return cls(strength.expand_as(explained), *rest, "data", what)
        found = measured_noise(problem)
        if found is not None:
            arrays = _of_model(found, explained, problem.data)
            return cls(*arrays, "data", problem.described(found))
        sigma = _of_residual(problem, explained).expand_as(explained)
        return cls(sigma, torch.zeros_like(sigma), torch.ones_like(sigma), "nothing", "unknown")


def _of_model(noise: NoiseModel, u: Tensor, data: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the standard deviation and the skewness of noise around u, and its power.

    Where the variance depends on the brightness, it is a linear function of it, but for very few photons. The
    same function of the data is right on average, even where u is wrong.
    """
    variance = noise.variance(u).expand_as(u)
    far = 2 * torch.maximum(u.abs().amax(), data.abs().amax()).double() + 1
    bright = torch.full_like(u, float(far), dtype=torch.float64)
    there = noise.variance(bright)
    slope = (noise.variance(2 * bright) - there) / far
    linear = there + slope * (data - far)
    return variance.sqrt(), noise.skewness(u).expand_as(u), (linear / variance).to(u)


def middle(image: Tensor) -> Tensor:
    """Return the middle of the planes of an image, which is enough to measure the noise."""
    side = int((_PIXELS // image.shape[1]) ** 0.5)
    top, left = (max(0, n - side) // 2 for n in image.shape[-2:])
    return image[..., top : top + side, left : left + side]


def measured_noise(problem: Problem) -> NoiseModel | None:
    """Return the noise of all channels, or None if that of one can't be measured."""
    try:
        return measured_channels(problem)
    except ValueError:  # there is no noise, or structure hides it
        return None


def measured_channels(problem: Problem, *, strict: bool = True) -> NoiseModel:
    """Return the noise as measured in the middle of each channel.

    Parameters
    ----------
    problem : Problem
        Has the data.
    strict : bool
        Refuse a measurement that is vague, or may be wrong because the noise is cut off.

    Raises
    ------
    ValueError
        The noise of a channel can't be measured; the message says why.
    """
    channels = range(problem.data.shape[1])
    return PerChannelNoise.of(tuple(_of_channel(problem, channel, strict) for channel in channels))


def cautious_channels(problem: Problem) -> NoiseModel:
    """Return the noise of each channel as its quietest places tell: rather too weak than too strong.

    It serves for data that may have no noise, where `measured_channels` would take fine structure for noise.
    """
    seen = (problem.weights > 0).expand_as(problem.data)[0].cpu().numpy()
    images = problem.data[0].double().cpu().numpy()
    sigmas = alike([_least(image, there) for image, there in zip(images, seen, strict=True)])
    each = zip(sigmas, images, seen, strict=True)
    return PerChannelNoise.of(tuple(GaussianNoise(positive_sigma(s, x[there])) for s, x, there in each))


def _least(image: np.ndarray, seen: np.ndarray) -> float:
    """Return the lower bound of the noise of a channel, which for a volume is that of the usual plane."""
    shape = (-1, *image.shape[-2:])
    planes = zip(image.reshape(shape), seen.reshape(shape), strict=True)
    return float(np.median([noise_lower_bound(*plane) for plane in planes]))


def unmeasurable_reason(problem: Problem) -> str | None:
    """Return in words that too few pixels of a channel are observed to measure its noise, or None.

    It is None for noise that is known, too.
    """
    if problem.noise.known:
        return None
    seen = middle((problem.weights > 0).expand_as(problem.data))[0].cpu().numpy()
    return shortage(min(number_of_whole(channel) for channel in seen))


def _of_channel(problem: Problem, channel: int, strict: bool) -> NoiseModel:
    """Return the noise as measured in the middle of a channel."""
    observed = (problem.weights > 0).expand_as(problem.data)
    image, seen = (middle(one)[0, channel].cpu().numpy() for one in (problem.data, observed))
    steps = estimating(UnknownNoise(), image, missing=~seen, axes="ZYX"[-image.ndim :], strict=strict)
    model = finished(steps).model
    if isinstance(model, GaussianNoise):
        # It does not grow clearly, but it is probably photon noise, which matters where stars are bright.
        growing = finished(growing_noise(image, ~seen))
        if growing is not None and growing.matters:
            return growing.model
    return model


def _of_residual(problem: Problem, explained: Tensor) -> Tensor:
    """Return the standard deviation of the residual of each channel, never 0; shape ``(1, C, 1, ...)``."""
    seen = (problem.weights > 0).expand_as(explained)[0]
    sigma = residual_sigma((problem.data - explained)[0], seen)
    values = zip(sigma.flatten().tolist(), problem.data[0], seen, strict=True)
    positive = [positive_sigma(one, data[there].double().cpu().numpy()) for one, data, there in values]
    return sigma.new_tensor(positive).view_as(sigma)[None]
