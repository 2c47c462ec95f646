"""An estimate of the image by classic filters, before any fit."""

from collections.abc import Generator
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from napari_dip.filters.both_steps import denoised, evened
from napari_dip.filters.vst import Stabiliser
from napari_dip.noise.absence import positive_sigma
from napari_dip.noise.models import LaplaceNoise
from napari_dip.noise.second_difference import immerkaer_sigma
from napari_dip.operators import Blur, Identity, Operator, Resample
from napari_dip.operators.base import Compose
from napari_dip.optim.cgls import back_project
from napari_dip.problem import Problem
from napari_dip.steps import showing

#: Steps of conjugate gradients towards A x = smoothed data: few, since every further step amplifies noise.
_STEPS = 4


def initial_estimate(problem: Problem) -> Generator[Tensor | None, None, Tensor]:
    """Estimate x by non-local Bayes, from the observed pixels.

    Missing pixels are filled from their neighbours, and a transform gives the noise the same variance
    everywhere. Where outliers are expected, a median over 3 pixels along each axis takes them out first.
    Behind an operator, a few steps of conjugate gradients lead from the smoothed data to x.

    Parameters
    ----------
    problem : Problem
        What x has to explain. Missing pixels have no influence.

    Yields
    ------
    Tensor or None
        The best estimate so far, shape ``(1, C, *grid)``; None until there is one.

    Returns
    -------
    Tensor, shape ``(1, C, *grid)``
        The estimate, in grey levels.
    """
    stabiliser = Stabiliser.of(problem)
    yield None
    even = evened(problem, stabiliser)
    if isinstance(problem.noise, LaplaceNoise):
        from scipy.ndimage import median_filter

        even = torch.from_numpy(median_filter(even.numpy(), (1, *(3,) * (even.ndim - 1))))
    sigmas = [_sigma(channel) for channel in even.numpy()]
    steps = denoised(problem, stabiliser, even, sigmas)
    estimate = yield from showing(partial(plain_estimate, problem), steps)
    return estimate if isinstance(problem.operator, Identity) else _back_projected(problem, estimate)


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
    if has_pixels_of_data(problem.operator):
        return interpolated(problem, data)
    return _back_projected(problem, data, problem.gain)


def has_pixels_of_data(operator: Operator) -> bool:
    """Whether x shows what the data show, with the same, finer or more pixels; not so for projections."""
    if isinstance(operator, Compose):
        return has_pixels_of_data(operator.outer) and has_pixels_of_data(operator.inner)
    return isinstance(operator, Identity | Blur | Resample)


def interpolated(problem: Problem, data: Tensor) -> Tensor:
    """Return data on the grid of x, interpolated linearly, with their border repeated beyond it."""
    factors = problem.grid.factors
    if max(factors) > 1:
        size = [n * f for n, f in zip(data.shape[2:], factors, strict=True)]
        data = F.interpolate(data, size, mode="bilinear" if len(size) == 2 else "trilinear")
    return problem.widened(data)


def _sigma(channel: np.ndarray) -> float:
    """Return the standard deviation of the noise, never 0."""
    return positive_sigma(immerkaer_sigma(channel), channel.ravel())


def _back_projected(problem: Problem, data: Tensor, gain: float = 1.0) -> Tensor:
    """Return x after a few steps of conjugate gradients from the mean towards A x = data."""
    mean = data.mean((0, *range(2, data.ndim)), keepdim=True) / gain
    return back_project(problem.operator, data, mean.expand(1, -1, *problem.grid.shape), steps=_STEPS)
