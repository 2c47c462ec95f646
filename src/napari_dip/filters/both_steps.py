"""Both steps of non-local Bayes, with photon noise, colours and missing pixels taken care of."""

from collections.abc import Generator

import torch
from torch import Tensor

from napari_dip.filters.nonlocal_bayes import nonlocal_bayes, nonlocal_bayes_pilot
from napari_dip.filters.scales import coarser, with_coarse
from napari_dip.filters.sums import with_sums_of_data
from napari_dip.filters.vst import Stabiliser
from napari_dip.image.fill import filled_planes
from napari_dip.noise.models import GaussianNoise, NoiseModel
from napari_dip.problem import Problem
from napari_dip.steps import showing

#: Number of scales of the first step.
_SCALES = 3


def denoised(problem: Problem, strength: float = 1.0) -> Generator[Tensor | None, None, Tensor]:
    """Denoise the data of a problem.

    Parameters
    ----------
    problem : Problem
        Its operator is the identity, and it knows how strong the noise is.
    strength : float
        What the standard deviation of the noise is multiplied by.

    Yields
    ------
    Tensor, shape ``(1, C, *spatial)``, or None
        None after each batch of groups; once, what the first step makes of the data.

    Returns
    -------
    Tensor, shape ``(1, C, *spatial)``
        The denoised data, in grey levels.
    """
    stabiliser = Stabiliser.of(problem)
    seen = (problem.weights > 0).expand_as(problem.data).cpu()
    even = filled_planes(stabiliser(problem.data[0].double().cpu())[None], seen)[0]
    sigmas = strength * even.new_tensor([_sigma(one) for one in stabiliser.noises])
    sigmas = sigmas.view(-1, *(1,) * (even.ndim - 1))

    def restored(image: Tensor) -> Tensor:
        return stabiliser.inverse(sigmas * image)[None].to(problem.data)

    x = restored((yield from showing(restored, both_steps(even / sigmas, seen[0]))))
    return with_sums_of_data(x, problem)


def both_steps(data: Tensor, seen: Tensor) -> Generator[Tensor | None, None, Tensor]:
    """Denoise data with noise of variance 1.

    The steps work on the principal components of the channels, which have little in common. The noise is
    equally strong in all of them.

    Parameters
    ----------
    data : Tensor of float64, shape ``(C, *spatial)``
        2-D or 3-D, with missing pixels filled in.
    seen : Tensor of bool, shape ``(C, *spatial)``
        False where a pixel is missing. The second step replaces it by what the first one makes of it.

    Yields
    ------
    Tensor of float64, shape ``(C, *spatial)``, or None
        None after each batch of groups; once, what the first step makes of the data.

    Returns
    -------
    Tensor of float64, shape ``(C, *spatial)``
        The denoised image.
    """
    mean = data.mean(tuple(range(1, data.ndim)), keepdim=True)
    axes = torch.linalg.eigh((data - mean).flatten(1) @ (data - mean).flatten(1).mT)[1].flip(1)

    def components(image: Tensor) -> Tensor:
        # In float32 the filter is twice as fast.
        return (axes.mT @ (image - mean).flatten(1)).view_as(image).float()

    def channels(image: Tensor) -> Tensor:
        return (axes @ image.double().flatten(1)).view_as(image) + mean

    first = yield from _pilot(components(data), _SCALES)
    pilot = channels(first)
    yield pilot
    noisy = components(data.where(seen, pilot))
    second = yield from nonlocal_bayes(first, noisy[None])
    return channels(second[0])


def _pilot(data: Tensor, scales: int) -> Generator[None, None, Tensor]:
    """Return what the first step makes of data on several scales.

    Patches of few pixels tell little about structure that is coarse and faint. In a coarser image it is
    stronger. After Facciolo, Pierazzo, Morel, *Conservative Scale Recomposition for Multiscale Denoising*,
    SIAM J. Imaging Sciences 10, 2017.
    """
    fine = yield from nonlocal_bayes_pilot(data)
    coarse = coarser(data) if scales > 1 else None
    return fine if coarse is None else with_coarse(fine, (yield from _pilot(coarse, scales - 1)))


def _sigma(noise: NoiseModel) -> float:
    """Return the standard deviation that noise has after it has been stabilised."""
    return noise.sigma if isinstance(noise, GaussianNoise) else 1.0
