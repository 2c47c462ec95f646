"""A run can be stopped before its fit is worth anything, and answers with something that is.

No test looks at the clock: slow filters are made to wait for events, and time limits for a clock of the test.
"""

import math
from dataclasses import replace
from threading import Event

import numpy as np
import pytest
import torch

from napari_dip import GaussianPSF, Outcome, StopRequested
from napari_dip.dip.early_stop import EarlyStop
from napari_dip.dip.initial_estimate import initial_estimate
from napari_dip.dip.validation import Validation
from napari_dip.filters import both_steps
from napari_dip.operators import Blur, Resample
from napari_dip.optim.iterate import Iterate
from napari_dip.optim.stopping import MaxIterations, StoppingRule

BLUR = Blur(torch.from_numpy(GaussianPSF(3.0).kernel(2)).float())


@pytest.fixture
def noisy(phantom, random):
    return (phantom + random.normal(0, 25, phantom.shape)).astype(np.float32)


@pytest.fixture
def method(tiny):
    return replace(tiny, stopping="held-out", iterations=30)


def held_back(monkeypatch, name):
    """Keep a step of non-local Bayes from ending before the event is set."""
    release, step = Event(), getattr(both_steps, name)

    def slow(*arguments):
        yield
        release.wait()
        return (yield from step(*arguments))

    monkeypatch.setattr(both_steps, name, slow)
    return release


@pytest.fixture
def blocked(monkeypatch):
    """Keep the first step from ending before the event is set."""
    release = held_back(monkeypatch, "nonlocal_bayes_pilot")
    yield release
    release.set()


@pytest.fixture
def blocked_later(monkeypatch):
    """Keep the second step from ending before the event is set."""
    release = held_back(monkeypatch, "nonlocal_bayes")
    yield release
    release.set()


def estimate_of(method, made):
    """Return the complete initial estimate of a run with seed 0."""
    generator = torch.Generator().manual_seed(0)
    steps = initial_estimate(Validation.of(made, "held-out", None, generator).fitted)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


class StopWhen(StoppingRule):
    """Stops at the first iterate of which a claim is true."""

    def __init__(self, claim, outcome=Outcome.STOPPED):
        self.claim, self.outcome = claim, outcome

    def start(self):
        return lambda iterate: self.outcome if self.claim(iterate) else None


# While the fit is prepared.


def test_iterates_come_while_a_filter_works_and_the_fit_is_the_same(noisy, problem, method, blocked, drained):
    run = method.solve(problem(noisy))
    for _ in range(3):
        waiting = next(run)
        assert waiting.preparing
        assert (waiting.index, waiting.score, waiting.outcome) == (0, None, None)
        assert math.isnan(waiting.loss)
        assert torch.equal(waiting.x[0, 0], torch.from_numpy(noisy))
    blocked.set()
    iterates, weights = drained(run)
    others, other_weights = drained(method.solve(problem(noisy)))
    # The answer is repeated while the postfilter works.
    first, second = (dict.fromkeys((one.index, one.score) for one in run) for run in (iterates, others))
    assert list(first) == list(second)
    assert torch.equal(iterates[-1].x, others[-1].x)
    assert all(torch.equal(weights[name], value) for name, value in other_weights.items())


def test_a_stop_while_a_filter_works_gives_the_data(noisy, problem, method, blocked):
    stop = Event()
    stop.set()
    *_, answer = method.solve(problem(noisy), stopping_rule=StopRequested(stop))
    assert not blocked.is_set()
    assert (answer.outcome, answer.index, answer.preparing) == (Outcome.STOPPED, 0, False)
    assert torch.equal(answer.x[0, 0], torch.from_numpy(noisy))
    assert answer.note == "Stopped before the fit began: this is the image as it was measured."


def test_missing_pixels_of_the_data_are_filled_in(noisy, problem, method, blocked, random):
    observed = random.random(noisy.shape) > 0.3
    answers = []
    for hidden in (0.0, 1e5):
        made = problem(np.where(observed, noisy, hidden), observed)
        *_, answer = method.solve(made, stopping_rule=StopWhen(lambda iterate: iterate.preparing))
        answers.append(answer.x[0, 0].numpy())
        assert answer.note.endswith("this is the measured image, with missing pixels interpolated.")
    np.testing.assert_array_equal(*answers)
    np.testing.assert_array_equal(answers[0][observed], noisy[observed])
    assert np.abs(answers[0] - noisy)[~observed].mean() < 40


def test_a_stop_after_the_first_filter_gives_its_estimate(noisy, phantom, problem, method, blocked_later):
    rule = StopWhen(lambda iterate: iterate.preparing and not np.array_equal(iterate.x[0, 0], noisy))
    *_, answer = method.solve(problem(noisy), stopping_rule=rule)
    assert not blocked_later.is_set()
    assert answer.index == 0
    assert np.square(answer.x[0, 0].numpy() - phantom).mean() < 0.5 * np.square(noisy - phantom).mean()
    assert answer.note == "Stopped before the fit began: this is an estimate by a classic filter."


def test_the_time_limit_holds_while_a_filter_works(noisy, problem, method, blocked, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    run = replace(method, time_limit=5.0).solve(problem(noisy))
    assert next(run).outcome is None
    now[0] = 5.0
    *_, answer = run
    assert (answer.outcome, answer.index) == (Outcome.TIME_LIMIT, 0)
    assert torch.equal(answer.x[0, 0], torch.from_numpy(noisy))


def test_closing_a_run_does_not_wait_for_a_filter(noisy, problem, method, blocked):
    run = method.solve(problem(noisy))
    next(run)
    run.close()
    assert not blocked.is_set()


@pytest.mark.parametrize("operator", [BLUR, Resample((2, 2))], ids=["blur", "fine"])
def test_the_answer_lies_on_the_grid_of_x_and_explains_the_data(operator, noisy, phantom, problem, method):
    data = operator(torch.from_numpy(phantom)[None, None])[0, 0].numpy()
    made = problem(data, operator=operator)
    *_, answer = method.solve(made, stopping_rule=StopWhen(lambda iterate: True))
    assert answer.index == 0
    assert answer.x.shape[2:] == made.grid.shape
    left = (operator(answer.x)[0, 0] - torch.from_numpy(data)).square().mean()
    assert left < 0.2 * data.var()


def test_the_answer_does_not_fall_below_the_floor(noisy, problem, method, blocked):
    made = problem(noisy, floor=100.0)
    *_, answer = method.solve(made, stopping_rule=StopWhen(lambda iterate: True))
    assert torch.equal(answer.x, made.data.clamp_min(100))


# Once the fit has begun.


def test_a_network_that_was_never_fitted_is_no_answer(noisy, problem, method):
    made = problem(noisy)
    rule = StopWhen(lambda iterate: not iterate.preparing, Outcome.TIME_LIMIT)
    *_, untrained, answer = method.solve(made, stopping_rule=rule)
    assert (answer.outcome, answer.index) == (Outcome.TIME_LIMIT, 0)
    assert torch.equal(answer.x, estimate_of(method, made))
    assert not torch.equal(answer.x, untrained.x)


def test_no_iteration_at_all_gives_the_complete_estimate(noisy, problem, method):
    made = problem(noisy)
    *_, answer = method.solve(made, stopping_rule=MaxIterations(0))
    assert (answer.outcome, answer.index) == (Outcome.MAX_ITERATIONS, 0)
    assert torch.equal(answer.x, estimate_of(method, made))


@pytest.mark.parametrize("outcome", [Outcome.STOPPED, Outcome.TIME_LIMIT, Outcome.RULE])
def test_after_a_few_iterations_held_out_pixels_decide(outcome, noisy, problem, method):
    made = problem(noisy)
    rule = StopWhen(lambda iterate: iterate.index == 2, outcome)
    *_, last, answer = method.solve(made, stopping_rule=rule)
    assert last.outcome is answer.outcome is outcome
    assert answer.index == 0
    assert torch.equal(answer.x, estimate_of(method, made))
    assert answer.note == (
        "Stopped before the fit became better than a simpler estimate: "
        "this is an estimate by a classic filter."
    )


def test_a_run_that_ends_by_itself_keeps_its_own_answer(noisy, problem, method):
    plain = replace(method, iterations=2, postfilter=False, recover_sources=False)
    *_, answer = plain.solve(problem(noisy))
    assert answer.outcome is Outcome.MAX_ITERATIONS
    assert not torch.equal(answer.x, estimate_of(method, problem(noisy)))
    assert answer.note == ""


# Which answer is better.


def better(made, answer, *, began=True, warm=False, estimate=None):
    """Return the last of an answer and what is better."""
    validation = Validation.of(made, "held-out", None, torch.Generator().manual_seed(0))
    early = EarlyStop(made, warm, estimate, validation)
    return [answer, *early.better_than(answer, began)][-1]


def ended(x, score, *, index=3, outcome=Outcome.STOPPED):
    return Iterate(index, x, torch.tensor(0.0), score, outcome)


@pytest.mark.parametrize("estimated", [True, False])
def test_a_good_fit_is_kept_and_a_bad_one_is_not(estimated, noisy, phantom, problem):
    made, truth = problem(noisy), problem(phantom).data
    estimate = truth + 10 if estimated else None
    for fit, kept in ((truth, True), (truth + 100, False)):
        answer = ended(fit, float(made.score(fit)))
        assert (better(made, answer, estimate=estimate) is answer) is kept
    x = better(made, answer, estimate=estimate).x
    assert torch.equal(x, made.data if estimate is None else estimate)


def test_the_data_are_judged_by_the_noise_that_they_keep(noisy, phantom, problem):
    """Held-out pixels would prefer data whose gaps are filled with means: there noise is averaged away."""
    made, truth = problem(noisy), problem(phantom).data
    fit = truth + 18  # better than data with a noise of 25
    answer = ended(fit, float(made.score(fit)))
    assert better(made, answer) is answer


def test_a_warm_network_may_answer_at_once(noisy, phantom, problem):
    made, truth = problem(noisy), problem(phantom).data
    answer = ended(truth, float(made.score(truth)), index=0)
    assert better(made, answer, began=False, warm=True) is answer
    assert better(made, answer, began=False) is not answer


@pytest.mark.parametrize("outcome", [Outcome.NO_IMPROVEMENT, Outcome.MAX_ITERATIONS, Outcome.DIVERGED])
def test_what_the_fit_ends_itself_is_kept(outcome, noisy, problem):
    answer = ended(torch.zeros(1, 1, 64, 64), 1e9, index=0, outcome=outcome)
    assert better(problem(noisy), answer) is answer


def test_without_a_score_the_fit_is_kept(noisy, problem):
    answer = ended(torch.zeros(1, 1, 64, 64), None)
    assert better(problem(noisy), answer) is answer
