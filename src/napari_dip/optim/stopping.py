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

#: Iterations from one check of the loss to the next; a GPU has to wait for each check.
DIVERGENCE_CHECK = 5

Check = Callable[[Iterate], Outcome | None]


class StoppingRule(ABC):
    """A rule that ends a run: ``a | b`` as soon as one of two rules does, ``a & b`` once both have."""

    @abstractmethod
    def start(self) -> Check:
        """Start a run: return a function that takes each iterate and returns an outcome to end the run.

        It also sees the iterates that a run yields before its first iteration (`Iterate.preparing`). An
        outcome other than `Outcome.STOPPED` ends the run of one frame; a series goes on with the next one.
        """

    def parts(self) -> "tuple[StoppingRule, ...]":
        """Return the rules that this one combines, or itself."""
        return (self,)

    def __or__(self, other: "StoppingRule") -> "StoppingRule":
        return _Either(self, other)

    def __and__(self, other: "StoppingRule") -> "StoppingRule":
        return _Both(self, other)


@dataclass(frozen=True)
class _Pair(StoppingRule):
    """Two rules, of which each sees every iterate, so that neither loses count."""

    first: StoppingRule
    second: StoppingRule

    def parts(self) -> tuple[StoppingRule, ...]:
        """Return the rules that this one combines."""
        return self.first.parts() + self.second.parts()


class _Either(_Pair):
    def start(self) -> Check:
        checks = self.first.start(), self.second.start()

        def check(iterate: Iterate) -> Outcome | None:
            first, second = (one(iterate) for one in checks)
            return first or second

        return check


class _Both(_Pair):
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
    """Never stop; other rules end the run."""

    def start(self) -> Check:
        """Start a run."""
        return lambda iterate: None


@dataclass(frozen=True)
class MaxIterations(StoppingRule):
    """Stop after a number of iterations, counted over all networks of a frame.

    Parameters
    ----------
    iterations : int
        Largest number of iterations; 0 ends a run before the first one.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_dip import DIP, Denoise, MaxIterations, restore
    >>> image = np.random.default_rng(0).normal(100, 10, (32, 32))
    >>> method = DIP(stopping="max-iterations")
    >>> restore(image, Denoise(), method, stopping_rule=MaxIterations(5)).frames[0].iterations
    5
    """

    iterations: Annotated[int, Ge(0)]

    def __post_init__(self) -> None:
        checked(self)

    def start(self) -> Check:
        """Start a run."""
        return lambda iterate: (
            Outcome.MAX_ITERATIONS if iterate.index >= self.iterations and not iterate.preparing else None
        )


@dataclass(frozen=True)
class TimeLimit(StoppingRule):
    """Stop after a number of seconds, counted from the first step of a frame.

    Parameters
    ----------
    seconds : float
        Largest number of seconds; the run ends with the first iterate after them.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_dip import DIP, Denoise, TimeLimit, restore
    >>> image = np.random.default_rng(0).normal(100, 10, (32, 32))
    >>> restore(image, Denoise(), DIP(), stopping_rule=TimeLimit(0.1)).outcome.name
    'TIME_LIMIT'
    """

    seconds: Annotated[float, Ge(0)]

    def __post_init__(self) -> None:
        checked(self)

    def start(self) -> Check:
        """Start a run, and with it the clock."""
        end = time.monotonic() + self.seconds
        return lambda iterate: Outcome.TIME_LIMIT if time.monotonic() >= end else None


@dataclass(frozen=True)
class NoImprovement(StoppingRule):
    """Stop when the score has not fallen for a number of iterations.

    Parameters
    ----------
    patience : int
        Number of iterations since the lowest score.
    outcome : Outcome
        The reason to state, which depends on what the score measures.
    """

    patience: int
    outcome: Outcome = Outcome.NO_IMPROVEMENT

    def start(self) -> Check:
        """Start a run."""
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

    This is Morozov's discrepancy principle: a fit that explains the data better than the truth does explains
    noise. The score has to be the mean of (y − A x)² / variance(A x) over the observed pixels.
    """

    def start(self) -> Check:
        """Start a run."""
        return lambda iterate: (
            Outcome.DISCREPANCY if iterate.score is not None and iterate.score <= 1 else None
        )


@dataclass(frozen=True)
class Diverged(StoppingRule):
    """Stop when the loss is infinite or NaN."""

    def start(self) -> Check:
        """Start a run."""
        return lambda iterate: (
            Outcome.DIVERGED
            if iterate.index % DIVERGENCE_CHECK == 0 and not math.isfinite(iterate.loss)
            else None
        )


@dataclass(frozen=True)
class StopRequested(StoppingRule):
    """Stop when another thread has set an event, and keep the best result; a series ends too.

    Parameters
    ----------
    event : threading.Event
        Set it to stop the run.

    Examples
    --------
    >>> from threading import Event
    >>> import numpy as np
    >>> from napari_dip import DIP, Denoise, StopRequested, restore
    >>> image = np.random.default_rng(0).normal(100, 10, (32, 32))
    >>> stop = Event()
    >>> stop.set()  # usually by another thread, during the run
    >>> restore(image, Denoise(), DIP(), stopping_rule=StopRequested(stop)).outcome.name
    'STOPPED'
    """

    event: Event

    def start(self) -> Check:
        """Start a run."""
        return lambda iterate: Outcome.STOPPED if self.event.is_set() else None
