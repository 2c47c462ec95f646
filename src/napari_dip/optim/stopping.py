"""When to stop: frozen rules that combine with ``|`` and ``&``."""

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event
from typing import Annotated

from annotated_types import Ge

from napari_dip.optim.iterate import Iterate, Outcome
from napari_dip.settings import check as checked

#: Updates from one look at the loss to the next; a GPU has to wait for each look.
DIVERGENCE_CHECK = 5

Check = Callable[[Iterate], Outcome | None]


class StoppingRule(ABC):
    """A rule; ``a | b`` stops at whichever comes first, ``a & b`` once both have fired."""

    @abstractmethod
    def start(self) -> Check:
        """Begin a run: return a function that is shown each iterate and names an outcome to stop."""

    def __or__(self, other: "StoppingRule") -> "StoppingRule":
        return _Either(self, other)

    def __and__(self, other: "StoppingRule") -> "StoppingRule":
        return _Both(self, other)


# In both combinations each side sees every iterate, so that neither loses count.
@dataclass(frozen=True)
class _Either(StoppingRule):
    first: StoppingRule
    second: StoppingRule

    def start(self) -> Check:
        checks = self.first.start(), self.second.start()

        def check(iterate: Iterate) -> Outcome | None:
            first, second = (one(iterate) for one in checks)
            return first or second

        return check


@dataclass(frozen=True)
class _Both(StoppingRule):
    first: StoppingRule
    second: StoppingRule

    def start(self) -> Check:
        checks = self.first.start(), self.second.start()
        fired: list[Outcome | None] = [None, None]

        def check(iterate: Iterate) -> Outcome | None:
            for side, one in enumerate(checks):
                fired[side] = one(iterate) or fired[side]
            return fired[1] if all(fired) else None

        return check


@dataclass(frozen=True)
class Never(StoppingRule):
    """Leave the end to others."""

    def start(self) -> Check:
        """Begin a run."""
        return lambda iterate: None


@dataclass(frozen=True)
class MaxIterations(StoppingRule):
    """Stop after a number of updates, all runs of a frame together."""

    iterations: Annotated[int, Ge(0)]

    def __post_init__(self) -> None:
        checked(self)

    def start(self) -> Check:
        """Begin a run."""
        return lambda iterate: Outcome.MAX_ITERATIONS if iterate.index >= self.iterations else None


@dataclass(frozen=True)
class TimeLimit(StoppingRule):
    """Stop after a number of seconds, though not before the first update."""

    seconds: float

    def start(self) -> Check:
        """Begin a run: the clock starts."""
        end = time.monotonic() + self.seconds
        return lambda iterate: Outcome.TIME_LIMIT if iterate.index > 0 and time.monotonic() >= end else None


@dataclass(frozen=True)
class NoImprovement(StoppingRule):
    """Stop when the score has not fallen for a number of updates.

    Parameters
    ----------
    patience : int
        Updates since the lowest score.
    outcome : Outcome
        What to call it: the reason depends on what the score measures.
    """

    patience: int
    outcome: Outcome = Outcome.NO_IMPROVEMENT

    def start(self) -> Check:
        """Begin a run."""
        best, at = math.inf, 0

        def check(iterate: Iterate) -> Outcome | None:
            nonlocal best, at
            if iterate.score is None:
                return None
            if iterate.score < best:
                best, at = iterate.score, iterate.index
            return self.outcome if iterate.index - at >= self.patience else None

        return check


@dataclass(frozen=True)
class Discrepancy(StoppingRule):
    """Stop as soon as the residual is no stronger than the noise: score <= 1.

    Morozov's discrepancy principle: a fit that explains the data better than the truth would explains noise.
    The score has to be the mean of (y − A x)² / variance(A x) over the observed pixels.
    """

    def start(self) -> Check:
        """Begin a run."""
        return lambda iterate: (
            Outcome.DISCREPANCY if iterate.score is not None and iterate.score <= 1 else None
        )


@dataclass(frozen=True)
class Diverged(StoppingRule):
    """Stop when the loss is no longer finite."""

    def start(self) -> Check:
        """Begin a run."""
        return lambda iterate: (
            Outcome.DIVERGED
            if iterate.index % DIVERGENCE_CHECK == 0 and not math.isfinite(iterate.loss)
            else None
        )


@dataclass(frozen=True)
class StopRequested(StoppingRule):
    """Stop, and keep what there is, when another thread has set an event."""

    event: Event

    def start(self) -> Check:
        """Begin a run."""
        return lambda iterate: Outcome.STOPPED if self.event.is_set() else None
