"""Who decides when a fit has come far enough: pixels held out of it, the strength of the noise, or nobody."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Self

from torch import Generator

from napari_dip.noise.whiteness import whiteness
from napari_dip.operators import Blur, Identity
from napari_dip.optim.iterate import Iterate, Outcome, StoppingCriterion
from napari_dip.optim.stages import scored, varied
from napari_dip.optim.stopping import Discrepancy, Never, NoImprovement, StoppingRule
from napari_dip.problem import Problem

#: Share of the pixels to hold out. Blurred pixels tell what their neighbours tell, and little of what goes
#: wrong in x: it takes many. Where x has more pixels than the data, each of those is dear.
_SHARES, _DEAR = {Identity: 0.05, Blur: 0.1}, 0.02
#: Of the running variance: weight of the past, updates before its first value counts, and after its lowest.
_MEMORY, _WARM_UP, _UNSETTLED = 0.95, 40, 30


@dataclass(frozen=True, eq=False)
class Validation:
    """A problem divided into what is fitted and what judges the fit.

    Parameters
    ----------
    problem : Problem
        The whole.
    fitted : Problem
        What the fit sees.
    held_out : Problem, optional
        Pixels that it does not see, where they are the criterion.
    criterion : StoppingCriterion, optional
        Who decides; None where the number of updates does.
    """

    problem: Problem
    fitted: Problem
    held_out: Problem | None
    criterion: StoppingCriterion | None

    @classmethod
    def of(cls, problem: Problem, stopping: str, share: float | None, generator: Generator) -> Self:
        """Choose the criterion, and divide the problem.

        Parameters
        ----------
        problem : Problem
            The whole.
        stopping : {"auto", "held-out", "variance", "discrepancy", "max-iterations"}
            As in `DIP`.
        share : float, optional
            Of the pixels, to hold out.
        generator : torch.Generator
            Draws them.
        """
        criterion = _judge(problem, stopping)
        fitted, held_out = problem, None
        if criterion is StoppingCriterion.HELD_OUT:
            share = share or _SHARES.get(type(problem.operator), _DEAR)
            fitted, held_out = problem.split(share, generator)
        return cls(problem, fitted, held_out, criterion)

    @property
    def suits_classic_filters(self) -> bool:
        """Whether the noise is such that classic filters take it out: not where it is correlated."""
        return self.criterion in (None, StoppingCriterion.HELD_OUT)

    def rule(self, patience: int) -> StoppingRule:
        """Return the rule by which the criterion ends a run."""
        match self.criterion:
            case StoppingCriterion.HELD_OUT:
                return NoImprovement(patience)
            case StoppingCriterion.VARIANCE:
                return NoImprovement(_UNSETTLED, Outcome.VARIANCE)
            case StoppingCriterion.DISCREPANCY:
                return Discrepancy()
        return Never()

    def score_outputs(self, iterates: Iterator[Iterate]) -> Iterator[Iterate]:
        """Score single outputs, where that is what the criterion looks at."""
        if self.criterion is StoppingCriterion.VARIANCE:
            return varied(iterates, decay=_MEMORY, warm_up=_WARM_UP)
        return iterates

    def score_averages(self, iterates: Iterator[Iterate]) -> Iterator[Iterate]:
        """Score moving averages of one run alone, where that is what the criterion looks at."""
        if self.criterion is StoppingCriterion.DISCREPANCY:
            measured = whiteness(self.problem.data, self.problem.weights).variance
            return scored(iterates, partial(self.problem.discrepancy, measured=measured))
        return iterates

    def score_means(self, iterates: Iterator[Iterate]) -> Iterator[Iterate]:
        """Score means with earlier runs, where that is what the criterion looks at."""
        return iterates if self.held_out is None else scored(iterates, self.held_out.score)


def _judge(problem: Problem, stopping: str) -> StoppingCriterion | None:
    if stopping == "max-iterations":
        return None
    if stopping != "auto":
        return StoppingCriterion[stopping.replace("-", "_").upper()]
    noise = whiteness(problem.data, problem.weights)
    # Who wants what is missing wants whatever its neighbours tell of it. And noise that is correlated can be
    # copied into x as it is where x has the pixels of the data, but not through a blur.
    if noise.white or problem.only_missing or not isinstance(problem.operator, Identity):
        return StoppingCriterion.HELD_OUT
    # Compression without other noise leaves nothing to be measured.
    return (
        StoppingCriterion.DISCREPANCY if problem.noise.known or noise.measured else StoppingCriterion.VARIANCE
    )
