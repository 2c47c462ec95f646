"""Deconvolution and super-resolution with non-local Bayes as the prior, by half-quadratic splitting."""

from collections.abc import Generator, Iterator

import numpy as np
import torch
from torch import Tensor

from napari_dip.filters.both_steps import both_steps
from napari_dip.filters.sums import with_sums_of_data
from napari_dip.filters.variance import variance_of_data
from napari_dip.image.fill import filled_planes
from napari_dip.optim.proximal import proximal
from napari_dip.problem import Problem
from napari_dip.steps import silently

#: Strength of the noise that is taken off in the first and in the last round, as a multiple of that of the
#: data; and the number of rounds.
_FIRST, _LAST, _ROUNDS = 16.0, 0.5, 8
#: The same for super-resolution, as multiples of how much the data differ from pixel to pixel, to which the
#: noise of the data in the last round is added; and the share of that difference that may be noise.
_FINER_FIRST, _FINER_LAST, _FINER_ROUNDS, _NOISELESS = 3.0, 0.3, 12, 0.07
#: Variance of x around the denoised image, as a multiple of that of the noise that was taken off.
_VARIANCE = 4.0
#: Steps of conjugate gradients in a round.
_STEPS = 20
#: Standard deviation, in pixels, of the Gaussian that smooths the variance of the noise. If it followed the
#: structure of the image, patches with the same structure would look different after a division by it.
_WIDE = 5.0


def reconstructed(problem: Problem, strength: float = 1.0) -> Generator[Tensor | None, None, Tensor]:
    """Deconvolve the data of a problem, or restore finer pixels.

    Two steps take turns: x is drawn to the data, and denoised by non-local Bayes, which gives z. The noise
    that is taken off, s times that of the data, becomes weaker from round to round. Each x minimises

        Σ (y − A x)² / σ² + Σ (x − z)² / (4 s² σ²).

    Data without noise have details that they don't resolve. For super-resolution, s σ is therefore at least a
    share of the difference between neighbouring pixels, and begins with a multiple of it.

    Source: Zhang et al., *Plug-and-Play Image Restoration with Deep Denoiser Prior*, IEEE Trans. Pattern
    Analysis and Machine Intelligence 44, 2022, section 3, where the denoiser is a network.

    Parameters
    ----------
    problem : Problem
        Its operator is a `Blur`, a `Resample` or both, and it knows how strong the noise is.
    strength : float
        What the standard deviation of the noise is multiplied by.

    Yields
    ------
    Tensor or None
        After each round, the best image so far, shape ``(1, C, *grid)``; None between them.

    Returns
    -------
    Tensor, shape ``(1, C, *grid)``
        The image.
    """
    device, problem = problem.data.device, problem.to("cpu")
    variance = strength**2 * variance_of_data(problem)
    seen = (problem.weights > 0).expand_as(problem.data)
    data = filled_planes(problem.data, seen)
    detail = _detail(data) if problem.grid.finer else None
    if detail is not None:
        variance = variance + (_NOISELESS * detail).square()
    precision = seen / variance
    x = z = problem.interpolated(data)
    everywhere = torch.ones_like(x[0], dtype=torch.bool)
    for removed in _strengths(problem, variance, detail):
        nearness = 1 / (_VARIANCE * removed.square())
        x = proximal(problem.operator, problem.data, precision, z, nearness, x, steps=_STEPS)
        yield None
        z = (removed * (yield from silently(both_steps((x / removed)[0].double(), everywhere)))).float()
        z = _above_floor(z, problem)
        yield z.to(device)
    return _above_floor(with_sums_of_data(z, problem), problem).to(device)


def _strengths(problem: Problem, variance: Tensor, detail: Tensor | None) -> Iterator[Tensor]:
    """Yield the standard deviation of the noise that is taken off in each round, on the grid of x.

    Parameters
    ----------
    problem : Problem
        Knows the grids.
    variance : Tensor, shape ``(1, C, *spatial)``
        Variance of the noise of the data.
    detail : Tensor, shape ``(1, C, 1, ...)``, optional
        What `_detail` returns, if x has finer pixels than the data.
    """
    from scipy.ndimage import gaussian_filter

    even = gaussian_filter(variance.numpy(), (0, 0, *(_WIDE,) * (variance.ndim - 2)))
    sigma = problem.interpolated(torch.from_numpy(even)).sqrt()
    if detail is None:
        for share in np.geomspace(_FIRST, _LAST, _ROUNDS):
            yield share * sigma
    else:
        for share in np.geomspace(_FINER_FIRST, _FINER_LAST, _FINER_ROUNDS):
            yield torch.hypot(share * detail, _LAST * sigma)


def _detail(data: Tensor) -> Tensor:
    """Return half the rms difference between neighbouring pixels, above 0, shape ``(1, C, 1, ...)``."""
    axes = tuple(range(2, data.ndim))
    squares = [data.diff(dim=axis).square().mean(axes, keepdim=True) for axis in axes if data.shape[axis] > 1]
    mean = torch.stack(squares).mean(0)
    return (mean.sqrt() / 2).clamp_min(1e-6 * float(data.abs().amax()) or 1.0)


def _above_floor(x: Tensor, problem: Problem) -> Tensor:
    return x if problem.floor is None else x.clamp_min(problem.floor)
