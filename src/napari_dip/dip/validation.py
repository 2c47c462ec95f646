"""Who decides when a fit has come far enough: pixels held out of it, the strength of the noise, or nobody."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Self

from torch import Generator

from napari_dip.noise.whiteness import whiteness
from napari_dip.operators import Blur, Identity
from napari_dip.optim.iterate import Iterate, Judge, Outcome
from napari_dip.optim.stages import scored, varied
from napari_dip.optim.stopping import Discrepancy, Never, NoImprovement, StoppingRule
from napari_dip.problem import Problem

#: Share of the pixels to hold out. Blurred pixels tell what their neighbours tell, and little of what goes
#: wrong in x: it takes many. Where x has more pixels than the data, each of those is dear.
_SHARES, _DEAR = {Identity: 0.05, Blur: 0.1}, 0.02
#: Of the running variance: weight of the past, updates before its first value counts, and after its lowest.
_MEMORY, _WARM_UP, _UNSETTLED = 0.95, 40, 30


@dataclass(frozen=True, eq=False)
class Trial:
    """A problem divided into what is fitted and what judges the fit.

    Parameters
    ----------
    problem : Problem
        The whole.
    fitted : Problem
        What the fit sees.
    held_out : Problem, optional
        Pixels that it does not see, where they are the judge.
    judge : Judge, optional
        Who decides; None where the number of updates does.
    """

    problem: Problem
    fitted: Problem
    held_out: Problem | None
    judge: Judge | None

    @classmethod
    def of(cls, problem: Problem, stopping: str, share: float | None, generator: Generator) -> Self:
        """Choose the judge, and divide the problem.

        Parameters
        ----------
        problem : Problem
            The whole.
        stopping : {"auto", "held-out", "variance", "discrepancy", "budget"}
            As in `DIP`.
        share : float, optional
            Of the pixels, to hold out.
        generator : torch.Generator
            Draws them.
        """
        judge = _judge(problem, stopping)
        fitted, held_out = problem, None
        if judge is Judge.HELD_OUT:
            share = share or _SHARES.get(type(problem.operator), _DEAR)
            fitted, held_out = problem.split(share, generator)
        return cls(problem, fitted, held_out, judge)

    @property
    def trusts_filters(self) -> bool:
        """Whether the noise is such that classic filters take it out: not where it is correlated."""
        return self.judge in (None, Judge.HELD_OUT)

    def rule(self, patience: int) -> StoppingRule:
        """Return the rule by which the judge ends a run."""
        match self.judge:
            case Judge.HELD_OUT:
                return NoImprovement(patience)
            case Judge.VARIANCE:
                return NoImprovement(_UNSETTLED, Outcome.VARIANCE)
            case Judge.DISCREPANCY:
                return Discrepancy()
        return Never()

    def of_outputs(self, iterates: Iterator[Iterate]) -> Iterator[Iterate]:
        """Score single outputs, where that is what the judge looks at."""
        if self.judge is Judge.VARIANCE:
            return varied(iterates, decay=_MEMORY, warm_up=_WARM_UP)
        return iterates

    def of_averages(self, iterates: Iterator[Iterate]) -> Iterator[Iterate]:
        """Score moving averages of one run alone, where that is what the judge looks at."""
        if self.judge is Judge.DISCREPANCY:
            measured = whiteness(self.problem.data, self.problem.weights).variance
            return scored(iterates, partial(self.problem.discrepancy, measured=measured))
        return iterates

    def of_means(self, iterates: Iterator[Iterate]) -> Iterator[Iterate]:
        """Score means with earlier runs, where that is what the judge looks at."""
        return iterates if self.held_out is None else scored(iterates, self.held_out.score)


def _judge(problem: Problem, stopping: str) -> Judge | None:
    if stopping == "budget":
        return None
    if stopping != "auto":
        return Judge[stopping.replace("-", "_").upper()]
    noise = whiteness(problem.data, problem.weights)
    # Who wants what is missing wants whatever its neighbours tell of it. And noise that is correlated can be
    # copied into x as it is where x has the pixels of the data, but not through a blur.
    if noise.white or problem.only_missing or not isinstance(problem.operator, Identity):
        return Judge.HELD_OUT
    # Compression without other noise leaves nothing to be measured.
    return Judge.DISCREPANCY if problem.noise.known or noise.measured else Judge.VARIANCE
