"""The uncertainty of an answer: simulated data of the answer are restored, and the errors are measured."""

import math
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from napari_dip.diagnostics.calibration import calibrated
from napari_dip.diagnostics.lost import lost_variance
from napari_dip.diagnostics.noise import measured_noise
from napari_dip.noise.models import LaplaceNoise, NoiseModel
from napari_dip.operators import Identity
from napari_dip.optim.iterate import Iterate, Outcome, PixelErrors, State, Unseen
from napari_dip.problem import Problem
from napari_dip.restoration.uncertainty import NO_UNCERTAINTY, REFITS
from napari_dip.steps import finished

#: Share of the observed pixels that nothing may see, and the least number of them.
_SHARE, _LEAST = 0.05, 100
#: Difference between the seed of a run and that of its unseen pixels and simulated noise.
_APART = 104_729

Solve = Callable[..., Generator[Iterate, None, State]]


def with_uncertainty(
    solve: Solve, problem: Problem, *, seed: int, initial_state: State | None
) -> Generator[Iterate, None, State]:
    """Yield the iterates of a run, whose answer has the standard error of each pixel.

    One pixel in twenty is kept from the run. Then data are simulated twice, as the answer with new noise, and
    restored in the same way. The results differ from the answer as the answer differs from the truth, but for
    what it has lost for good. The pixels that nothing has seen tell how much that is (`calibrated`).

    Parameters
    ----------
    solve : callable
        Solves a problem, given the seed and the initial state.
    problem : Problem
        What the image has to explain.
    seed, initial_state
        As for `solve`.

    Yields
    ------
    Iterate
        While simulated data are restored, the answer is repeated without its outcome; the index counts on.
    """
    noise, reason = _noise_of(problem)
    fitted, unseen = problem, None
    if noise is not None:
        fitted, unseen, generator = divided(problem, seed)
    answer: Iterate | None = None
    reached = 0
    run = solve(fitted, seed=seed, initial_state=initial_state)
    try:
        while True:
            iterate = next(run)
            reached = max(reached, iterate.index)
            if iterate.outcome is None:
                yield iterate
            else:
                answer = iterate
    except StopIteration as end:
        state: State = end.value
    finally:
        run.close()
    if answer is None:
        return state
    if noise is None or unseen is None:
        yield _without(answer, reason)
        return state
    if answer.outcome in (Outcome.STOPPED, Outcome.DIVERGED) or not answer.x.isfinite().all():
        yield _without(answer, "the run did not finish")
        return state
    errors = []
    for number in range(REFITS):
        # Drawn on the CPU, the random numbers don't depend on the device.
        simulated = replace(fitted, data=noise.sample(answer.x.cpu(), generator).to(answer.x))
        outcome, x = None, answer.x
        with closing(solve(simulated, seed=seed + 1 + number, initial_state=None)) as refit:
            for iterate in refit:
                outcome, x = iterate.outcome, iterate.x
                yield _meanwhile(answer, reached + iterate.index, number)
        if outcome is Outcome.STOPPED or not x.isfinite().all():
            yield _without(answer, "the run was stopped before it was measured")
            return state
        reached += iterate.index
        errors.append(x - answer.x)
    yield replace(
        answer, errors=_measured(answer.x, errors, noise, fitted, unseen), unseen=_unseen(answer, unseen)
    )
    return state


def divided(problem: Problem, seed: int) -> tuple[Problem, Problem, torch.Generator]:
    """Return a problem without the pixels that nothing may see, one with these pixels alone, and a generator.

    Parameters
    ----------
    problem : Problem
        What the image has to explain.
    seed : int
        The seed of the run. From it, the generator draws the pixels here, and simulated noise after that.
    """
    generator = torch.Generator().manual_seed((seed + _APART) % 2**63)
    return *problem.split(_SHARE, generator), generator


def _measured(
    x: Tensor, errors: list[Tensor], noise: NoiseModel, fitted: Problem, unseen: Problem
) -> PixelErrors:
    """Return how far the pixels of an answer may be wrong."""
    variance, skewness = (part.expand_as(x) for part in (noise.variance(x), noise.skewness(x)))
    seen, hidden = ((one.weights > 0).expand_as(x)[0].cpu().numpy() for one in (fitted, unseen))
    image, of_noise, lopsided, data = (
        one[0].double().cpu().numpy() for one in (x, variance, skewness, fitted.data)
    )
    data = np.where(seen | hidden, data, image)
    known = zip(image, data, np.where(seen, 1 / of_noise, 0.0), lopsided, strict=True)
    lost = np.stack([finished(lost_variance(*channel)) for channel in known])
    of_refits = torch.cat(errors).double().cpu().numpy()
    found = calibrated(image, of_refits, lost, of_noise, data, hidden)
    return PixelErrors(
        torch.from_numpy(found.standard_error)[None].to(x), variance.sqrt().to(x), found.scores
    )


def _meanwhile(answer: Iterate, index: int, number: int) -> Iterate:
    """Return what is shown of an answer while simulated data are restored."""
    note = f"The uncertainty is being measured on simulated data ({number + 1} of {REFITS})."
    nothing = answer.x.new_full((), math.nan)
    return replace(answer, index=index, loss=nothing, score=None, outcome=None, note=note)


def _unseen(answer: Iterate, unseen: Problem) -> Unseen:
    """Return the pixels that nothing has seen, with the answer itself."""
    fits = None if answer.unseen is None else answer.unseen.fits
    return Unseen(unseen.weights > 0, answer.x, fits)


def _without(answer: Iterate, reason: str) -> Iterate:
    """Return an answer that says why it has no uncertainty."""
    return replace(answer, note=f"{answer.note} {NO_UNCERTAINTY}: {reason}.".strip())


def _noise_of(problem: Problem) -> tuple[NoiseModel | None, str]:
    """Return the noise of some data, told or measured; or None, and why no uncertainty can be given."""
    if problem.only_missing or not isinstance(problem.operator, Identity):
        return None, "it is available for denoising only"
    if isinstance(problem.noise, LaplaceNoise):
        return None, "it is not available for Laplace noise"
    if int(problem.observed.sum()) * _SHARE < _LEAST:
        return None, f"at least {math.ceil(_LEAST / _SHARE)} observed pixels are needed"
    noise = problem.noise if problem.noise.known else measured_noise(problem)
    if noise is None:
        return None, "the noise is unknown and can't be measured in this image; choose a noise model"
    return noise, ""
