"""A run of non-local Bayes: the noise, the filter, and the faint sources that it has lost."""

from collections.abc import Generator
from contextlib import closing
from dataclasses import replace

import torch
from torch import Tensor

from napari_dip.diagnostics.noise import cautious_channels, measured_channels, unmeasurable_reason
from napari_dip.errors import RestorationError
from napari_dip.filters.both_steps import denoised
from napari_dip.filters.recovery import sources_measurable, with_sources
from napari_dip.filters.splitting import reconstructed
from napari_dip.noise.models import CorrelatedNoise, LaplaceNoise, NoiseModel
from napari_dip.noise.whiteness import whiteness
from napari_dip.operators import Identity
from napari_dip.optim.background import in_background
from napari_dip.optim.iterate import Iterate, Outcome
from napari_dip.optim.stages import interrupted
from napari_dip.optim.stopping import Never, StoppingRule
from napari_dip.problem import Problem


def unsupported_reason(problem: Problem, *, guided: bool) -> str | None:
    """Return why non-local Bayes can't restore a problem's data, as a sentence for the user, or None."""
    if not problem.operator.resembles_data:
        return "Non-local Bayes only denoises, deconvolves and super-resolves."
    if problem.only_missing:
        return "Non-local Bayes can't fill holes: choose Deep Image Prior."
    if isinstance(problem.noise, LaplaceNoise):
        return "Non-local Bayes leaves outliers in: choose Deep Image Prior, or mark them as missing."
    if guided:
        return "Non-local Bayes takes no guide: choose Deep Image Prior, or a kernel network."
    if sparse := problem.too_sparse("Non-local Bayes"):
        return sparse
    reason = None if problem.grid.finer else unmeasurable_reason(problem)
    return None if reason is None else f"The noise can't be measured: {reason}."


def measured_noise(problem: Problem) -> NoiseModel:
    """Return the noise of a problem's data: the problem's own if its strength is known, else measured.

    Raises
    ------
    RestorationError
        The noise can't be measured.
    """
    if problem.noise.known:
        return problem.noise
    if problem.grid.finer:
        return cautious_channels(problem)
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
    # Data that may have no noise look smooth because of their scene.
    if correlated or (not problem.grid.finer and whiteness(problem.data, problem.weights).smooth):
        return (
            measured,
            "The noise is correlated between neighbouring pixels. Non-local Bayes leaves much of such noise: "
            "choose Deep Image Prior.",
        )
    return (measured,)


def restoring(
    problem: Problem, rule: StoppingRule | None = None, *, strength: float, recover_sources: bool
) -> Generator[Iterate, None, None]:
    """Yield the restored image as the last iterate, and before it the best image so far.

    Parameters
    ----------
    problem : Problem
        Its x shows what the data show, with their pixels or finer ones.
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
    rough = problem.interpolated(problem.complete_data)

    def waiting(x: Tensor | None) -> Iterate:
        best = rough if x is None else x
        return Iterate(0, best, best.new_full((), torch.nan), preparing=True)

    yield waiting(None)  # a small image can be stopped too, between two frames of a series
    yield (yield from in_background(_answering(problem, strength, recover_sources=recover_sources), waiting))


def _answering(
    problem: Problem, strength: float, *, recover_sources: bool
) -> Generator[Tensor | None, None, Iterate]:
    """Return the answer; yield the best image so far."""
    noise = measured_noise(problem)
    yield None
    act = denoised if isinstance(problem.operator, Identity) else reconstructed
    x = yield from act(replace(problem, noise=noise), strength)
    answer = Iterate(1, x, problem(x), outcome=Outcome.COMPUTED)
    if recover_sources and sources_measurable(problem):
        yield x
        answer = yield from with_sources(problem, answer)
        answer = replace(answer, loss=problem(answer.x))
    return answer
