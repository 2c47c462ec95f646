import math
import re
import threading
from pathlib import Path

import numpy as np
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

PAGE = Path(__file__).parents[2] / "docs" / "stopping.md"


def iterate(index, score=None, loss=0.0, preparing=False):
    return Iterate(index, torch.zeros(1), torch.tensor(loss), score, preparing=preparing)


def first(rule, iterates):
    """Return the index at which a rule stops, and its outcome."""
    check = rule.start()
    return next(((one.index, outcome) for one in iterates if (outcome := check(one))), None)


class Recorder(StoppingRule):
    """Stops at one index, and records what it saw."""

    def __init__(self, at, outcome=Outcome.RULE):
        self.at, self.outcome, self.seen = at, outcome, []

    def start(self):
        def check(one):
            self.seen.append(one.index)
            return self.outcome if one.index == self.at else None

        return check


def test_max_iterations():
    assert first(MaxIterations(3), map(iterate, range(9))) == (3, Outcome.MAX_ITERATIONS)


def test_no_iteration_at_all_still_waits_for_the_preparation():
    check = MaxIterations(0).start()
    assert check(iterate(0, preparing=True)) is None
    assert check(iterate(0)) is Outcome.MAX_ITERATIONS


@pytest.mark.parametrize("one", [iterate(0, preparing=True), iterate(0), iterate(9)])
def test_the_time_limit_counts_from_the_start_and_holds_for_every_iterate(one, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    check = TimeLimit(5).start()
    now[0] = 104.9
    assert check(one) is None
    now[0] = 105.0
    assert check(one) is Outcome.TIME_LIMIT


@pytest.mark.parametrize(("seconds", "error"), [(-1.0, ValueError), ("5", TypeError)])
def test_an_impossible_time_limit_is_refused(seconds, error):
    with pytest.raises(error, match=r"TimeLimit\.seconds must be"):
        TimeLimit(seconds)


def test_no_improvement_counts_iterations_since_the_best_score():
    scores = [5.0, 4.0, None, 4.5, 4.5, 4.5]
    iterates = [iterate(index, score) for index, score in enumerate(scores)]
    assert first(NoImprovement(3), iterates) == (4, Outcome.NO_IMPROVEMENT)
    assert first(NoImprovement(9), iterates) is None


def test_no_improvement_states_the_given_outcome():
    iterates = [iterate(index, 1.0) for index in range(5)]
    assert first(NoImprovement(2, Outcome.VARIANCE), iterates) == (2, Outcome.VARIANCE)


def test_discrepancy_stops_once_the_residual_is_as_weak_as_the_noise():
    scores = [9.0, None, 1.01, math.nan, 1.0, 0.9]
    iterates = [iterate(index, score) for index, score in enumerate(scores)]
    assert first(Discrepancy(), iterates) == (4, Outcome.DISCREPANCY)


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_is_found_at_the_next_check(loss):
    iterates = [iterate(0), iterate(4, loss=loss), iterate(5, loss=loss)]
    assert first(Diverged(), iterates) == (5, Outcome.DIVERGED)


def test_a_stop_is_requested_from_another_thread():
    event = threading.Event()
    check = StopRequested(event).start()
    assert check(iterate(0)) is None
    event.set()
    assert check(iterate(1)) is Outcome.STOPPED


def test_either_stops_at_the_first_and_both_rules_see_every_iterate():
    early, late = Recorder(1), Recorder(3)
    assert first(late | early, map(iterate, range(9))) == (1, Outcome.RULE)
    assert early.seen == late.seen == [0, 1]


@pytest.mark.parametrize(("one", "other"), [(1, 4), (4, 1)])
def test_both_stop_when_each_has_fired_once(one, other):
    assert first(Recorder(one) & Recorder(other), map(iterate, range(9)))[0] == 4


def test_rules_can_be_started_again():
    rule = MaxIterations(2) | NoImprovement(5)
    assert first(rule, map(iterate, range(9))) == first(rule, map(iterate, range(9)))


@pytest.mark.parametrize("sentences", [Outcome, StoppingCriterion])
def test_every_reason_is_a_sentence(sentences):
    assert all(one.value[0].isupper() and one.value.endswith(".") for one in sentences)


def test_the_page_on_stopping_lists_every_outcome():
    rows = dict(re.findall(r"^\| `([A-Z_]+)` \| (.*) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    assert set(rows) == {one.name for one in Outcome}
    assert all(Outcome[name].value == sentence for name, sentence in rows.items())


def test_a_rule_of_your_own_ends_each_frame_as_the_page_says(phantom):
    """The page's example, on a series of two frames: the first one's end does not end the series."""
    code = next(
        block
        for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
        if "StoppingRule" in block
    )
    noise = np.random.default_rng(0).normal(0, 10, (2, 32, 32))
    names = {"stack": phantom[:32, :32] + noise}
    exec(compile(code, str(PAGE), "exec"), names)
    clean = names["clean"]
    assert [frame.outcome for frame in clean.frames] == [Outcome.RULE] * 2
    assert np.isfinite(np.asarray(clean)).all()
