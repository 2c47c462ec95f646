"""The last step of a run: faint sources that the restored image has lost are put back."""

from collections.abc import Generator
from dataclasses import replace

from napari_dip.filters.faint_sources import faint_sources
from napari_dip.noise.models import CorrelatedNoise, LaplaceNoise
from napari_dip.noise.whiteness import whiteness
from napari_dip.operators import Identity
from napari_dip.optim.iterate import Iterate
from napari_dip.problem import Problem


def sources_measurable(problem: Problem, *, independent: bool | None = None) -> bool:
    """Return whether faint sources can be measured in the data: not under outliers or correlated noise.

    Parameters
    ----------
    problem : Problem
        What the image has to explain.
    independent : bool, optional
        Whether the noise counts as independent from pixel to pixel. By default this is measured.
    """
    plain = isinstance(problem.operator, Identity) and not problem.only_missing
    if not plain or isinstance(problem.noise, LaplaceNoise):
        return False
    if independent is None:
        correlated = isinstance(problem.noise, CorrelatedNoise)
        return not correlated and not whiteness(problem.data, problem.weights).smooth
    return independent


def with_sources(problem: Problem, answer: Iterate) -> Generator[None, None, Iterate]:
    """Return the answer of a run with its faint sources, in steps.

    Parameters
    ----------
    problem : Problem
        Its sources are measurable.
    answer : Iterate
        The answer; its note then says how many sources it lacked.
    """
    found = yield from faint_sources(problem, answer.x)
    if not found.count:
        return answer
    note = f"{answer.note} {_sentence(found.count)}".strip()
    return replace(answer, x=answer.x + found.image, sources=found.image, note=note)


def _sentence(count: int) -> str:
    if count == 1:
        return "One faint source was too weak in the restored image, and was put back."
    return f"{count} faint sources were too weak in the restored image, and were put back."
