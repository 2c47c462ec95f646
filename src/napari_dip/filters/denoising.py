"""Denoising by non-local Bayes, with noise, colours and missing pixels taken care of."""

from collections.abc import Generator
from contextlib import closing
from dataclasses import replace

import torch
from torch import Tensor

from napari_dip.diagnostics.noise import measured_channels
from napari_dip.errors import RestorationError
from napari_dip.filters.nonlocal_bayes import nonlocal_bayes, nonlocal_bayes_pilot
from napari_dip.filters.recovery import sources_measurable, with_sources
from napari_dip.filters.vst import Stabiliser
from napari_dip.image.fill import filled_planes
from napari_dip.noise.models import (
    CorrelatedNoise,
    GaussianNoise,
    LaplaceNoise,
    NoiseModel,
    PoissonGaussianNoise,
    PoissonNoise,
)
from napari_dip.noise.whiteness import whiteness
from napari_dip.operators import Identity
from napari_dip.optim.background import in_background
from napari_dip.optim.iterate import Iterate, Outcome
from napari_dip.optim.stages import interrupted
from napari_dip.optim.stopping import Never, StoppingRule
from napari_dip.problem import Problem

#: Standard deviation of the Gaussian within which sums of photons are kept, in pixels.
_WIDE = 10.0
#: Least share of its weight that counts as observed.
_LEAST_SHARE = 0.1


def unsupported_reason(problem: Problem, *, guided: bool) -> str | None:
    """Return why non-local Bayes can't denoise a problem's data, as a sentence for the user, or None."""
    if not isinstance(problem.operator, Identity):
        return "Non-local Bayes only denoises."
    if problem.only_missing:
        return "Non-local Bayes can't fill holes: choose Deep Image Prior."
    if isinstance(problem.noise, LaplaceNoise):
        return "Non-local Bayes leaves outliers in: choose Deep Image Prior, or mark them as missing."
    if guided:
        return "Non-local Bayes takes no guide: choose Deep Image Prior, or a kernel network."
    return problem.too_sparse("Non-local Bayes")


def measured_noise(problem: Problem) -> NoiseModel:
    """Return the noise of a problem's data: the problem's own if its strength is known, else measured.

    Raises
    ------
    RestorationError
        The noise can't be measured.
    """
    if problem.noise.known:
        return problem.noise
    try:
        return measured_channels(problem, strict=False)
    except ValueError as error:
        raise RestorationError(f"The noise can't be measured: {error}. Say how strong it is.") from error


def remarks(problem: Problem) -> tuple[str, ...]:
    """Return what the user should know of unknown noise before the run, in sentences.

    Raises
    ------
    RestorationError
        The noise can't be measured.
    """
    if problem.noise.known:
        return ()
    measured = f"The noise was measured: {problem.described(measured_noise(problem))}."
    correlated = isinstance(problem.noise, CorrelatedNoise)
    if correlated or whiteness(problem.data, problem.weights).smooth:
        return (
            measured,
            "The noise is correlated between neighbouring pixels. Non-local Bayes leaves much of such noise: "
            "choose Deep Image Prior.",
        )
    return (measured,)


def denoising(
    problem: Problem, rule: StoppingRule | None = None, *, strength: float, recover_sources: bool
) -> Generator[Iterate, None, None]:
    """Yield the denoised image as the last iterate, and before it the best image so far.

    Parameters
    ----------
    problem : Problem
        Its operator is the identity.
    rule : StoppingRule, optional
        Can end the run while the filter works.
    strength : float
        What the standard deviation of the noise is multiplied by.
    recover_sources : bool
        Put faint sources back that the filter has weakened, where they are measurable.

    Raises
    ------
    RestorationError
        The noise can't be measured.
    """
    with closing(_iterates(problem, strength, recover_sources=recover_sources)) as iterates:
        yield from interrupted(iterates, rule or Never())


def _iterates(problem: Problem, strength: float, *, recover_sources: bool) -> Generator[Iterate, None, None]:
    def waiting(x: Tensor | None) -> Iterate:
        best = problem.complete_data if x is None else x
        return Iterate(0, best, best.new_full((), torch.nan), preparing=True)

    yield waiting(None)  # a small image can be stopped too, between two frames of a series
    yield (yield from in_background(_answering(problem, strength, recover_sources=recover_sources), waiting))


def _answering(
    problem: Problem, strength: float, *, recover_sources: bool
) -> Generator[Tensor | None, None, Iterate]:
    """Return the answer; yield the best image so far."""
    noise = measured_noise(problem)
    yield None
    x = yield from _denoised(problem, Stabiliser.of(replace(problem, noise=noise)), strength)
    answer = Iterate(1, x, problem(x), outcome=Outcome.COMPUTED)
    if recover_sources and sources_measurable(problem):
        yield x
        answer = yield from with_sources(problem, answer)
        answer = replace(answer, loss=problem(answer.x))
    return answer


def _denoised(
    problem: Problem, stabiliser: Stabiliser, strength: float
) -> Generator[Tensor | None, None, Tensor]:
    """Return what the two steps make of the data; yield what the first one does.

    They work on the principal components of the channels, which have little in common. The noise is equally
    strong in all of them.
    """
    data = problem.data.double().cpu()
    seen = (problem.weights > 0).expand_as(problem.data).cpu()
    noisy = filled_planes(stabiliser(data[0])[None], seen)[0]
    sigmas = strength * noisy.new_tensor([_sigma(one) for one in stabiliser.noises])
    sigmas = sigmas.view(-1, *(1,) * (noisy.ndim - 1))
    noisy = noisy / sigmas
    mean = noisy.mean(tuple(range(1, noisy.ndim)), keepdim=True)
    axes = torch.linalg.eigh((noisy - mean).flatten(1) @ (noisy - mean).flatten(1).mT)[1].flip(1)

    def components(image: Tensor) -> Tensor:
        # In float32 the filter is twice as fast.
        return (axes.mT @ (image - mean).flatten(1)).view_as(image).float()

    def restored(image: Tensor) -> Tensor:
        channels = (axes @ image.double().flatten(1)).view_as(image) + mean
        return stabiliser.inverse(sigmas * channels)[None].to(problem.data)

    first = yield from nonlocal_bayes_pilot(components(noisy))
    yield restored(first)
    pilot = (axes @ first.double().flatten(1)).view_as(first) + mean
    second = yield from nonlocal_bayes(first, components(noisy.where(seen[0], pilot))[None])
    x = restored(second[0])
    grows = [isinstance(one, PoissonNoise | PoissonGaussianNoise) for one in stabiliser.noises]
    x[:, grows] = _with_sums_of_data(x, problem)[:, grows]
    return x


def _with_sums_of_data(x: Tensor, problem: Problem) -> Tensor:
    """Return x + G (y − x), which has the local sums of the data y, for a Gaussian G.

    Few photons are distributed so unevenly that similar patches have another mean than all of them.
    """
    from scipy.ndimage import gaussian_filter

    width = [0, 0, *(_WIDE,) * (x.ndim - 2)]
    seen = (problem.weights > 0).expand_as(x)
    left = gaussian_filter((problem.data - x).where(seen, 0).double().cpu().numpy(), width)
    share = gaussian_filter(seen.double().cpu().numpy(), width).clip(_LEAST_SHARE)
    return x + torch.from_numpy(left / share).to(x)


def _sigma(noise: NoiseModel) -> float:
    """Return the standard deviation that noise has after it has been stabilised."""
    return noise.sigma if isinstance(noise, GaussianNoise) else 1.0
