"""What happens to iterates on their way from the loop to the reader: small generators to be nested."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from torch import Tensor, no_grad

from napari_dip.solver.iterate import Iterate
from napari_dip.solver.stopping import StoppingRule


def averaged(iterates: Iterable[Iterate], *, decay: float) -> Iterator[Iterate]:
    """Replace each x by the exponential moving average of all so far, free of the bias towards the start.

    Parameters
    ----------
    iterates : iterable of Iterate
        Any stream.
    decay : float
        Weight of the past, in [0, 1); 0.99 remembers about 100 updates.
    """
    total: Tensor | None = None
    weight = 0.0
    for iterate in iterates:
        weight = decay * weight + (1 - decay)
        new = (1 - decay) * iterate.x
        total = new if total is None else new.add_(total, alpha=decay)
        yield replace(iterate, x=total / weight)


def scored(
    iterates: Iterable[Iterate], score: Callable[[Tensor], Tensor], *, every: int = 5
) -> Iterator[Iterate]:
    """Score each x whose index is a multiple of `every`: a GPU is kept waiting for each score.

    Parameters
    ----------
    iterates : iterable of Iterate
        Any stream.
    score : callable
        Lower is better; 0-d.
    every : int
        Updates from one score to the next.
    """
    for iterate in iterates:
        if iterate.index % every == 0:
            with no_grad():
                value = float(score(iterate.x))
            iterate = replace(iterate, score=value)
        yield iterate


def stopped(iterates: Iterable[Iterate], rule: StoppingRule) -> Iterator[Iterate]:
    """End the stream when the rule says so, with the reason on the last iterate."""
    check = rule.start()
    for iterate in iterates:
        outcome = check(iterate)
        yield replace(iterate, outcome=outcome)
        if outcome:
            return


def best_last(iterates: Iterable[Iterate]) -> Iterator[Iterate]:
    """After the stream has ended yield its best-scored iterate once more, with the reason of the end.

    A stream without scores, or with its best at its end, passes unchanged.
    """
    best: Iterate | None = None
    lowest = math.inf
    last: Iterate | None = None
    for last in iterates:
        if last.score is not None and last.score < lowest:
            best, lowest = last, last.score
        yield last
    if best is not None and last is not None and best is not last:
        yield replace(best, outcome=last.outcome)
