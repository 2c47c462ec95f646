"""An estimate of the image by classic filters, before any fit."""

from collections.abc import Generator
from dataclasses import replace

import torch
from torch import Tensor

from napari_dip.diagnostics.noise import measured_noise
from napari_dip.filters.both_steps import denoised
from napari_dip.filters.splitting import reconstructed
from napari_dip.image.fill import filled_planes
from napari_dip.noise.absence import positive_sigma
from napari_dip.noise.models import GaussianNoise, LaplaceNoise, NoiseModel
from napari_dip.noise.per_channel import PerChannelNoise
from napari_dip.noise.second_difference import immerkaer_sigma
from napari_dip.operators import Blur
from napari_dip.optim.cgls import back_project
from napari_dip.problem import Problem

#: Steps of conjugate gradients towards A x = smoothed data: few, since every further step amplifies noise.
_STEPS = 4


def initial_estimate(problem: Problem) -> Generator[Tensor | None, None, Tensor]:
    """Estimate x by non-local Bayes, from the observed pixels.

    Missing pixels are filled from their neighbours, and a transform gives the noise the same variance
    everywhere. Where outliers are expected, a median over 3 pixels along each axis takes them out first.

    Parameters
    ----------
    problem : Problem
        What x has to explain; its operator is the identity or a `Blur`. Missing pixels have no influence.

    Yields
    ------
    Tensor or None
        The best estimate so far, shape ``(1, C, *grid)``; None until there is one.

    Returns
    -------
    Tensor, shape ``(1, C, *grid)``
        The estimate, in grey levels.
    """
    outliers = isinstance(problem.noise, LaplaceNoise)
    quiet = _without_outliers(problem) if outliers else problem
    yield None
    measured = None if outliers else problem.noise if problem.noise.known else measured_noise(problem)
    quiet = replace(quiet, noise=measured or _strength(quiet))
    yield None
    return (yield from (reconstructed if isinstance(problem.operator, Blur) else denoised)(quiet))


def plain_estimate(problem: Problem, data: Tensor) -> Tensor:
    """Return complete data on the grid of x, in grey levels of x, without a filter.

    Parameters
    ----------
    problem : Problem
        What x has to explain.
    data : Tensor, shape ``(1, C, *spatial)``
        Its data, or an image of them, with missing pixels filled in.

    Returns
    -------
    Tensor, shape ``(1, C, *grid)``
        The data themselves for the identity. For a blur their border is repeated, and for super-resolution
        they are interpolated linearly. For other operators, x after a few steps of conjugate gradients.
    """
    if problem.operator.resembles_data:
        return problem.interpolated(data)
    return _back_projected(problem, data, problem.gain)


def _without_outliers(problem: Problem) -> Problem:
    """Return a problem whose missing pixels are filled in, and whose data are medians over 3 pixels."""
    from scipy.ndimage import median_filter

    data = _filled(problem)
    medians = median_filter(data.cpu().numpy(), (1, 1, *(3,) * (data.ndim - 2)))
    return replace(problem, data=torch.from_numpy(medians).to(data))


def _strength(problem: Problem) -> NoiseModel:
    """Return noise that is equally strong in all pixels, as the second differences of the data tell."""
    images = _filled(problem)[0].double().cpu().numpy()
    sigmas = (positive_sigma(immerkaer_sigma(image), image.ravel()) for image in images)
    return PerChannelNoise.of(tuple(map(GaussianNoise, sigmas)))


def _filled(problem: Problem) -> Tensor:
    """Return the data with missing pixels filled from their neighbours."""
    return filled_planes(problem.data, (problem.weights > 0).expand_as(problem.data))


def _back_projected(problem: Problem, data: Tensor, gain: float = 1.0) -> Tensor:
    """Return x after a few steps of conjugate gradients from the mean towards A x = data."""
    mean = data.mean((0, *range(2, data.ndim)), keepdim=True) / gain
    return back_project(problem.operator, data, mean.expand(1, -1, *problem.grid.shape), steps=_STEPS)
