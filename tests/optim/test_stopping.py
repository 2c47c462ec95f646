import threading

import pytest
import torch

from napari_dip.optim.iterate import Iterate, Outcome, StoppingCriterion
from napari_dip.optim.stopping import (
    Discrepancy,
    Diverged,
    MaxIterations,
    NoImprovement,
    StoppingRule,
    StopRequested,
    TimeLimit,
)


def iterate(index, score=None, loss=0.0):
    return Iterate(index, torch.zeros(1), torch.tensor(loss), score)


def first(rule, iterates):
    check = rule.start()
    return next(((one.index, outcome) for one in iterates if (outcome := check(one))), None)


class Recorder(StoppingRule):
    """Fires at one index, and notes what it saw."""

    def __init__(self, at):
        self.at, self.seen = at, []

    def start(self):
        def check(one):
            self.seen.append(one.index)
            return Outcome.TIME_LIMIT if one.index == self.at else None

        return check


def test_budget():
    assert first(MaxIterations(3), map(iterate, range(9))) == (3, Outcome.MAX_ITERATIONS)


def test_time_limit(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    check = TimeLimit(5).start()
    assert check(iterate(0)) is None
    now[0] = 105.0
    assert check(iterate(1)) is Outcome.TIME_LIMIT


def test_no_improvement_counts_updates_since_the_best_score():
    scores = [5.0, 4.0, None, 4.5, 4.5, 4.5]
    iterates = [iterate(index, score) for index, score in enumerate(scores)]
    assert first(NoImprovement(3), iterates) == (4, Outcome.NO_IMPROVEMENT)
    assert first(NoImprovement(9), iterates) is None


def test_no_improvement_says_what_it_is_told():
    iterates = [iterate(index, 1.0) for index in range(5)]
    assert first(NoImprovement(2, Outcome.VARIANCE), iterates) == (2, Outcome.VARIANCE)


def test_discrepancy_stops_once_the_residual_is_as_weak_as_the_noise():
    scores = [9.0, None, 1.01, float("nan"), 1.0, 0.9]
    iterates = [iterate(index, score) for index, score in enumerate(scores)]
    assert first(Discrepancy(), iterates) == (4, Outcome.DISCREPANCY)


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_diverged(loss):
    assert first(Diverged(), [iterate(0), iterate(4, loss=loss), iterate(5, loss=loss)]) == (
        5,
        Outcome.DIVERGED,
    )


def test_asked():
    event = threading.Event()
    check = StopRequested(event).start()
    assert check(iterate(0)) is None
    event.set()
    assert check(iterate(1)) is Outcome.STOPPED


def test_either_stops_at_the_first_and_both_sides_see_everything():
    early, late = Recorder(1), Recorder(3)
    assert first(late | early, map(iterate, range(9))) == (1, Outcome.TIME_LIMIT)
    assert early.seen == late.seen == [0, 1]


def test_both_stops_when_each_has_fired_once():
    assert first(Recorder(1) & Recorder(4), map(iterate, range(9)))[0] == 4


def test_rules_can_be_started_again():
    rule = MaxIterations(2) | NoImprovement(5)
    assert first(rule, map(iterate, range(9))) == first(rule, map(iterate, range(9)))


@pytest.mark.parametrize("member", [*Outcome, *StoppingCriterion])
def test_every_reason_is_a_sentence(member):
    assert member.value[0].isupper()
    assert member.value.endswith(".")
