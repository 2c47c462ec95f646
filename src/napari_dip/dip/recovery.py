"""The last step of a run: faint sources that the fit has lost are put back."""

from collections.abc import Generator, Iterable, Iterator
from dataclasses import replace

from napari_dip.dip.refinement import refined
from napari_dip.filters.faint_sources import faint_sources
from napari_dip.optim.iterate import Iterate
from napari_dip.problem import Problem


def recovered(iterates: Iterable[Iterate], problem: Problem) -> Iterator[Iterate]:
    """Add faint sources to the answer of a run that was not stopped from outside.

    Parameters
    ----------
    iterates : iterable of Iterate
        A run; its last iterate, which has an outcome, is the answer.
    problem : Problem
        Its operator is the identity, and its noise independent.
    """

    def refine(answer: Iterate) -> Generator[None, None, Iterate]:
        found = yield from faint_sources(problem, answer.x)
        if not found.count:
            return answer
        note = f"{answer.note} {_sentence(found.count)}".strip()
        return replace(answer, x=answer.x + found.image, sources=found.image, note=note)

    return refined(iterates, refine)


def _sentence(count: int) -> str:
    if count == 1:
        return "One faint source was too weak in the fit, and was put back."
    return f"{count} faint sources were too weak in the fit, and were put back."
