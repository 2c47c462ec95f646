"""An estimate of the image by classic filters, before any fit."""

from collections.abc import Generator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from napari_dip.filters.nonlocal_bayes import nonlocal_bayes
from napari_dip.filters.vst import Stabiliser
from napari_dip.image.fill import filled
from napari_dip.noise.absence import positive_sigma
from napari_dip.noise.models import LaplaceNoise
from napari_dip.noise.second_difference import immerkaer_sigma
from napari_dip.operators import Blur, Identity, Operator, Resample
from napari_dip.operators.base import Compose
from napari_dip.optim.background import library_call
from napari_dip.optim.cgls import back_project
from napari_dip.problem import Problem

#: Filters to choose from, with their strength for noise of standard deviation 1, smoothest first: total
#: variation ("tv") and non-local means ("nlm").
_CANDIDATES = (("tv", 4.8), ("tv", 2.4), ("nlm", 1.0), ("nlm", 0.6), ("tv", 1.2))
#: Filters up to this factor of the least error are as good: most of it is the hidden pixels' own noise.
_TOLERANCE = 1.001
#: Side of the central part of a large image on which the filters are compared, in pixels, by number of axes.
_SIDE = {2: 512, 3: 64}
#: Steps of conjugate gradients towards A x = smoothed data: few, since every further step amplifies noise.
_STEPS = 4


def initial_estimate(problem: Problem) -> Generator[Tensor | None, None, Tensor]:
    """Estimate x by classic filters, from the observed pixels.

    Missing pixels are filled from their neighbours, and a transform gives the noise the same variance
    everywhere. The data are filtered by non-local means (Buades et al., 2005) or total variation (Rudin et
    al., 1992; Chambolle, 2004), whichever best predicts a quarter of the pixels that it does not see (Batson
    and Royer, *Noise2Self*, ICML 2019). With the result as the pilot, non-local Bayes filters the data once
    more. Behind an operator, a few steps of conjugate gradients lead from the smoothed data to x.

    Parameters
    ----------
    problem : Problem
        What x has to explain. Missing pixels have no influence.

    Yields
    ------
    Tensor or None
        The best estimate so far, shape ``(1, C, *grid)``; None until the first filter is chosen.

    Returns
    -------
    Tensor, shape ``(1, C, *grid)``
        The estimate, in grey levels.
    """
    data = problem.data[0].double().cpu()
    counts = (problem.weights > 0).expand_as(problem.data)[0].cpu().numpy()
    stabiliser = Stabiliser.of(problem)
    yield None
    even = filled_channels(stabiliser(data).numpy(), counts)
    if isinstance(problem.noise, LaplaceNoise):
        from scipy.ndimage import median_filter

        even = median_filter(even, (1, *(3,) * (even.ndim - 1)))
    sigmas = np.array([_sigma(channel) for channel in even]).reshape(-1, *(1,) * (even.ndim - 1))
    even /= sigmas
    best = yield from _best(even, counts)
    smooth = yield from library_call(filtered, *best, even)

    def restored(image: Tensor) -> Tensor:
        return stabiliser.inverse(torch.from_numpy(sigmas) * image)[None].to(problem.data)

    yield plain_estimate(problem, restored(torch.from_numpy(smooth)))
    noisy = np.where(counts, even, smooth)
    better = yield from nonlocal_bayes(torch.from_numpy(smooth), torch.from_numpy(noisy)[None])
    estimate = restored(better[0])
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


def _best(image: np.ndarray, counts: np.ndarray) -> Generator[None, None, tuple[str, float]]:
    """Return the candidate that best predicts hidden pixels, in an image with noise of variance 1.

    Among candidates that are as good, the smoothest is taken.
    """
    side = _SIDE[image.ndim - 1]
    middle = (slice(None), *(slice(max(0, n - side) // 2, (n + side + 1) // 2) for n in image.shape[1:]))
    image, counts = image[middle], counts[middle]
    hidden = np.zeros(image.shape[-2:], bool)
    hidden[::2, ::2] = True
    judging = counts & hidden
    if not judging.any():
        return _CANDIDATES[0]
    blind, errors = filled_channels(image, counts & ~hidden), []
    for candidate in _CANDIDATES:
        predicted = yield from library_call(filtered, *candidate, blind)
        errors.append(float(np.square(predicted - image)[judging].mean()))
    enough = _TOLERANCE * min(errors)
    return next(one for one, error in zip(_CANDIDATES, errors, strict=True) if error <= enough)


def filtered(name: str, strength: float, image: np.ndarray) -> np.ndarray:
    """Return all channels filtered together, shape ``(C, *spatial)``; their noise has the variance 1."""
    from skimage.restoration import denoise_nl_means, denoise_tv_chambolle

    if name == "tv":
        return denoise_tv_chambolle(image, weight=strength, channel_axis=0)
    settings = {"h": strength, "sigma": 1.0, "fast_mode": True}
    planar = image.ndim == 3
    settings |= {"patch_size": 5, "patch_distance": 9} if planar else {"patch_size": 3, "patch_distance": 3}
    last = np.moveaxis(image, 0, -1)
    # scikit-image 0.26 drops axes of length 1, such as that of a single channel or of a line of pixels.
    smooth = denoise_nl_means(last, channel_axis=-1, **settings).reshape(last.shape)
    return np.moveaxis(smooth, -1, 0)


def filled_channels(image: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return an image with the missing pixels of each channel filled from their neighbours."""
    return np.stack([filled(channel, seen) for channel, seen in zip(image, counts, strict=True)])


def _sigma(channel: np.ndarray) -> float:
    """Return the standard deviation of the noise, never 0."""
    return positive_sigma(immerkaer_sigma(channel), channel.ravel())


def _back_projected(problem: Problem, data: Tensor, gain: float = 1.0) -> Tensor:
    """Return x after a few steps of conjugate gradients from the mean towards A x = data."""
    mean = data.mean((0, *range(2, data.ndim)), keepdim=True) / gain
    return back_project(problem.operator, data, mean.expand(1, -1, *problem.grid.shape), steps=_STEPS)
