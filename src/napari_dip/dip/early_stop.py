"""The answer of a run that is stopped before its fit is worth anything."""

import math
from collections.abc import Generator
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from napari_dip.dip.initial_estimate import plain_estimate
from napari_dip.dip.validation import Validation
from napari_dip.image.fill import filled_planes, nearest
from napari_dip.operators import Blur, Identity
from napari_dip.optim.background import always, in_background
from napari_dip.optim.iterate import STOPPED_EARLY, Iterate, Outcome
from napari_dip.problem import Problem

#: Outcomes of a run that something outside the fit has ended.
_INTERRUPTED = (Outcome.STOPPED, Outcome.TIME_LIMIT, Outcome.RULE)

_BEFORE = STOPPED_EARLY + ": this is {}."
_EARLY = "Stopped before the fit became better than a simpler estimate: this is {}."
_FILTERED = "an estimate by a classic filter"
_MEASURED = "the image as it was measured"
_INTERPOLATED = "the measured image, with missing pixels interpolated"


@dataclass(eq=False)
class EarlyStop:
    """What a run knows about its image before the fit does.

    Parameters
    ----------
    problem : Problem
        What the image has to explain.
    warm : bool
        The networks start from the weights of an earlier run.
    estimate : Tensor, shape ``(1, C, *grid)``, optional
        The best estimate by classic filters so far. It does not depend on held-out pixels.
    validation : Validation, optional
        The pixels that validate the fit, once they are chosen.
    """

    problem: Problem
    warm: bool
    estimate: Tensor | None = None
    validation: Validation | None = None

    def waiting(self, estimate: Tensor | None) -> Iterate:
        """Keep the best estimate so far, and return the iterate to show while the fit is prepared."""
        self.estimate = estimate
        return _iterate(self._rough if estimate is None else estimate)

    def better_than(self, answer: Iterate, began: bool) -> Generator[Iterate, None, None]:
        """Yield a better answer than that of a run that was stopped early, if there is one.

        Any estimate is better than a network that was never fitted; later, the held-out pixels decide.

        Parameters
        ----------
        answer : Iterate
            Last iterate of the run, with its outcome. It is repeated while the better one is computed.
        began : bool
            Whether there was an iteration.
        """
        interrupted = answer.outcome in _INTERRUPTED
        untrained = answer.index == 0 and not self.warm and (interrupted or not began)
        if answer.preparing or (untrained and answer.outcome is not Outcome.DIVERGED):
            score = math.inf
        elif interrupted and answer.score is not None:
            score = answer.score
        else:
            return
        x = yield from in_background(self._better(score), always(answer))
        if x is None:
            return
        if self.problem.floor is not None:
            x = x.clamp_min(self.problem.floor)
        note = (_EARLY if began else _BEFORE).format(self._kind)
        yield replace(
            _iterate(x), note=note, outcome=answer.outcome, criterion=answer.criterion, preparing=False
        )

    def _better(self, score: float) -> Generator[None, None, Tensor | None]:
        """Return the estimate to answer with, or None unless held-out pixels give it a lower score."""
        problem = self.problem
        if score < math.inf:
            if self.validation is None or self.validation.held_out is None:
                return None
            fitted, estimate = self.validation.fitted, self.estimate
            if estimate is None:
                # Held-out pixels take the value of a neighbour, noise and all: the error is that of the data.
                estimate = plain_estimate(fitted, nearest(fitted.data, _seen(fitted)))
            yield
            with torch.no_grad():
                if float(self.validation.held_out.score(estimate)) >= score:
                    return None
        if self.estimate is not None:
            return self.estimate
        return plain_estimate(problem, filled_planes(problem.data, _seen(problem)))

    @property
    def _kind(self) -> str:
        """What the answer is, in words."""
        if self.estimate is not None:
            return _FILTERED
        same_pixels = isinstance(self.problem.operator, Identity | Blur)
        return _MEASURED if same_pixels and (self.problem.weights > 0).all() else _INTERPOLATED

    @cached_property
    def _rough(self) -> Tensor:
        """What can be shown at once: the data, or their mean if x does not show what the data show."""
        problem, data = self.problem, self.problem.complete_data
        if problem.operator.resembles_data:
            return problem.interpolated(data)
        mean = data.mean(tuple(range(2, data.ndim)), keepdim=True) / problem.gain
        return mean.expand(1, -1, *problem.grid.shape)


def _iterate(x: Tensor) -> Iterate:
    return Iterate(0, x, x.new_full((), math.nan), preparing=True)


def _seen(problem: Problem) -> Tensor:
    return (problem.weights > 0).expand_as(problem.data)
