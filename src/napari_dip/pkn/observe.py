"""What a kernel needs to know about a problem's data: their noise, their blur, and a scaled guide."""

import contextlib
import math

import torch.nn.functional as F
from torch import Tensor

from napari_dip.errors import RestorationError
from napari_dip.image.grid import middle
from napari_dip.noise.estimate import PLANES, SIDE, estimating
from napari_dip.noise.models import GaussianNoise, NoiseModel
from napari_dip.noise.neighbourhoods import number_of_whole, shortage
from napari_dip.operators import Blur
from napari_dip.pkn.kernels.gaussian import covariance_of, log_precision
from napari_dip.pkn.observation import Observation
from napari_dip.problem import Problem
from napari_dip.steps import Steps, finished

#: Side of the square over which the brightness is averaged that determines the noise, in pixels.
_BRIGHTNESS = 5
#: Ratio of the standard deviations of the noise in two channels up to which they count as equal.
_EVEN = 1.5
#: Noise-to-signal ratio that a guide is assumed to have at least, relative to that of the image.
_GUIDE_NOISE = 0.5


def observed(problem: Problem, guide: Tensor | None = None) -> Observation:
    """Return a problem's data, their noise, and what else a kernel may need.

    Parameters
    ----------
    problem : Problem
        With two spatial axes.
    guide : Tensor, shape ``(1, G, H, W)``, optional
        Image whose grey levels are compared instead of those of the data.

    Raises
    ------
    RestorationError
        The noise can't be measured.
    """
    return finished(observing(problem, guide))


def observing(problem: Problem, guide: Tensor | None = None) -> Steps[Observation]:
    """Do what `observed` does, in steps."""
    noise = yield from measuring(problem)
    data, weights = problem.data, problem.weights
    seen = None if bool(weights.min() > 0) else (weights > 0).to(data.dtype)
    image = data
    if seen is not None:
        yield "Filling in missing pixels."
        image = Observation(data, data.new_ones(1, 1, 1, 1), seen).filled()
    sigma = _sigma(noise, image)
    blur = None
    if isinstance(problem.operator, Blur):
        blur = log_precision(covariance_of(problem.operator.psf)).to(data)
    if guide is not None:
        guide = yield from _scaling(guide, sigma, image)
    return Observation(data, sigma, seen, guide, blur, even=_even(noise, image))


def measured_noise(problem: Problem) -> NoiseModel:
    """Return the noise of a problem's data: the problem's own if its strength is known, else measured.

    Raises
    ------
    RestorationError
        The noise can't be measured.
    """
    return finished(measuring(problem))


def unmeasurable_reason(problem: Problem) -> str | None:
    """Return in words that too few pixels are observed to measure the noise, or None.

    It is None for noise that is known, too.
    """
    if problem.noise.known:
        return None
    part = middle(problem.weights, (SIDE, SIDE))
    whole = number_of_whole((part > 0).any(1)[0].cpu().numpy())
    return shortage(whole * min(problem.data.shape[1], PLANES))


def measuring(problem: Problem) -> Steps[NoiseModel]:
    """Do what `measured_noise` does, in steps."""
    if problem.noise.known:
        return problem.noise
    yield "Measuring the noise."
    seen = problem.observed.expand_as(problem.data)[0].cpu().numpy()
    try:
        found = yield from estimating(problem.noise, problem.data[0].cpu().numpy(), missing=~seen, axes="CYX")
    except ValueError as error:
        raise RestorationError(f"The noise can't be measured: {error}. Say how strong it is.") from error
    return found.model


def _sigma(noise: NoiseModel, image: Tensor) -> Tensor:
    """Return the noise's standard deviation: one number, or a map if it depends on brightness."""
    image = image.mean(1, keepdim=True)
    variance = noise.variance(image)
    if variance.numel() > 1:
        around = F.avg_pool2d(F.pad(image, (_BRIGHTNESS // 2,) * 4, mode="replicate"), _BRIGHTNESS, stride=1)
        variance = noise.variance(around)
    return variance.sqrt().reshape(1, 1, *(variance.shape[2:] or (1, 1)))


def _even(noise: NoiseModel, image: Tensor) -> bool:
    """Whether the noise is about equally strong in all channels, on average over the pixels."""
    if image.shape[1] == 1:
        return True
    means = noise.variance(image).expand_as(image).mean((0, 2, 3))
    return bool(means.max() <= _EVEN**2 * means.min())


def _scaling(guide: Tensor, sigma: Tensor, image: Tensor) -> Steps[Tensor]:
    """Return, in steps, a guide scaled so that its noise is as strong as the image's.

    In a guide with very little noise all structure would then count as an edge. So its noise is assumed to be
    at least half as strong as the image's, relative to the structure in each.
    """
    whole, noise = image.var((2, 3)).mean(), sigma.square().mean()
    structure = (whole - noise).maximum(0.1 * whole).sqrt()
    own = float(_GUIDE_NOISE * noise.sqrt() * guide.var((2, 3)).mean().sqrt() / structure)
    with contextlib.suppress(ValueError):  # it is too small, or has no noise
        found = yield from estimating(GaussianNoise(1.0), guide[0].cpu().numpy(), axes="CYX")
        own = max(own, math.sqrt(float(found.model.variance(guide.new_zeros(())))))
    return guide * (noise.sqrt() / own) if own else guide
