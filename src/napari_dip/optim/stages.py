"""What happens to iterates between the loop and the reader: small generators that can be nested."""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from torch import Tensor, no_grad, stack

from napari_dip.optim.iterate import Iterate, Outcome
from napari_dip.optim.stopping import DIVERGENCE_CHECK, StoppingRule

_UNFINISHED = "Stopped before the filter had finished: this is what it had reached."


def averaged(iterates: Iterable[Iterate], *, decay: float) -> Iterator[Iterate]:
    """Replace each x by a moving average that forgets the first ones, which are far from the image.

    The n-th x enters with the weight max(1 − decay, 3 / (n + 2)). Until the memory is full, the average
    therefore weighs the n-th x by about n².

    Parameters
    ----------
    iterates : iterable of Iterate
        Single outputs.
    decay : float
        Weight of the past in a long run, in [0, 1); 0.99 remembers about 100 iterations.
    """
    average: Tensor | None = None
    for number, iterate in enumerate(iterates, 1):
        weight = max(1 - decay, 3 / (number + 2))
        average = iterate.x.clone() if average is None else average.lerp(iterate.x, weight)
        yield replace(iterate, x=average)


def averaged_with(iterates: Iterable[Iterate], others: Sequence[Tensor]) -> Iterator[Iterate]:
    """Replace each x by its mean with other images."""
    for iterate in iterates:
        yield replace(iterate, x=mean([*others, iterate.x]))


def mean(images: Sequence[Tensor]) -> Tensor:
    """Return the mean of images of one shape."""
    return stack(tuple(images)).mean(0)


def scored(
    iterates: Iterable[Iterate], score: Callable[[Tensor], Tensor], *, every: int = 5
) -> Iterator[Iterate]:
    """Score each x at the start of a run, and later only some: a GPU has to wait for each score.

    Parameters
    ----------
    iterates : iterable of Iterate
        Any stream.
    score : callable
        Returns the score of an image, 0-d; lower is better.
    every : int
        Number of iterations from one score to the next, after the first ``4 * every``.
    """
    for iterate in iterates:
        if iterate.index % every == 0 or iterate.index < 4 * every:
            with no_grad():
                value = float(score(iterate.x))
            iterate = replace(iterate, score=value)
        yield iterate


def scored_by_variance(
    iterates: Iterable[Iterate], *, decay: float, warm_up: int, every: int = 5
) -> Iterator[Iterate]:
    """Score iterates by the variance of the latest outputs, without keeping these.

    With the moving average m and variance v of the outputs x (ES-EMV in section 3 of Wang et al., *Early
    Stopping for Deep Image Prior*, TMLR 2023), from m = x and v = 0 at the start,

        v ← decay (v + (1 − decay) mean (x − m)²),   m ← decay m + (1 − decay) x.

    It needs single outputs, so it comes before `averaged`.

    Parameters
    ----------
    iterates : iterable of Iterate
        Single outputs.
    decay : float
        Weight of the past, in [0, 1); 0.95 remembers about 20 iterations.
    warm_up : int
        Index of the first score: outputs vary little until a network has begun to learn.
    every : int
        Number of iterations from one score to the next: a GPU has to wait for each.
    """
    average: Tensor | None = None
    for iterate in iterates:
        if average is None:
            average, variance = iterate.x.clone(), iterate.x.new_zeros(())
        step = iterate.x - average
        variance = decay * (variance + (1 - decay) * step.square().mean())
        average.add_(step, alpha=1 - decay)
        if iterate.index >= warm_up and iterate.index % every == 0:
            iterate = replace(iterate, score=float(variance))
        yield iterate


def stopped(iterates: Iterable[Iterate], rule: StoppingRule) -> Iterator[Iterate]:
    """End the stream as soon as the rule says so, or an iterate has an outcome; the last one states it."""
    check = rule.start()
    for iterate in iterates:
        outcome = iterate.outcome or check(iterate)
        yield replace(iterate, outcome=outcome)
        if outcome:
            return


def interrupted(iterates: Iterable[Iterate], rule: StoppingRule) -> Iterator[Iterate]:
    """End a stream whose only iterate that is not `preparing` is the answer, as `stopped` does.

    If the rule ends it before, what has been reached until then is the answer.
    """
    for iterate in stopped(iterates, rule):
        if iterate.preparing and iterate.outcome is not None:
            iterate = replace(iterate, preparing=False, note=_UNFINISHED)
        yield iterate


def best_last(iterates: Iterable[Iterate]) -> Iterator[Iterate]:
    """Yield the iterate with the best score once more at the end, with the outcome of the last one.

    A stream without scores passes unchanged; if it diverged, its last finite iterate is the best one. The
    iterates of a run that is still preparing pass as well; none of them is the best.
    """
    best: Iterate | None = None
    lowest = math.inf
    recent: deque[Iterate] = deque(maxlen=DIVERGENCE_CHECK + 1)
    for iterate in iterates:
        if not iterate.preparing:
            recent.append(iterate)
        if iterate.score is not None and iterate.score <= lowest:
            best, lowest = iterate, iterate.score
        yield iterate
    if not recent:
        return
    last = recent[-1]
    outcome = last.outcome
    if not last.x.isfinite().all():
        outcome = Outcome.DIVERGED
        best = best or next((one for one in reversed(recent) if one.x.isfinite().all()), None)
    if best is not None and best is not last:
        yield replace(best, outcome=outcome)
