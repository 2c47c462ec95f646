"""Runs can be stopped and cancelled everywhere; this is tested by counting pieces of work."""

import numpy as np
import pytest
import torch
from torch import nn

from napari_dip import Denoise, FineTune, GaussianNoise, GaussianPSF, MaxIterations, Outcome, SuperResolve
from napari_dip.errors import FileError
from napari_dip.finetuning import run as module
from napari_dip.optim.stopping import StoppingRule
from napari_dip.pretrained.degradation import pre_upsampled

pytestmark = pytest.mark.usefixtures("foreground")

TUNING = {"action": "fine-tuning", "iterations": 3}
#: Most pieces of work after a stop: the choice of the number of steps of back-projection, and the steps.
LAST = 13 + 12


class Counting(nn.Module):
    """Interpolates, adds the output of a few convolutions, and counts how often it is called."""

    calls = 0

    def __init__(self, factor):
        super().__init__()
        torch.manual_seed(0)
        self.factor = factor
        self.layers = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 1, 3, padding=1))

    def forward(self, x):
        type(self).calls += 1
        x = pre_upsampled(x, self.factor) if self.factor > 1 else x
        return x + self.layers(x)


def problem_of(task, n=24):
    """Return the problem of restoring an image with structure that the network does not explain."""
    rows, columns = np.mgrid[:n, :n] / n
    image = 120 + 60 * np.sin(9 * rows + 4 * columns)
    image[n // 4 : n // 2, n // 4 : n // 2] = 220
    noise = np.random.default_rng(0).normal(0, 1, image.shape)
    sigma = task.noise.sigma if isinstance(task.noise, GaussianNoise) else 0.0
    data = torch.from_numpy(image + sigma * noise).float()[None, None]
    return task.problem(data, task.operator((n, n)), torch.ones_like(data))


def method(task, **settings):
    factor = task.factor if isinstance(task, SuperResolve) else 1
    return FineTune.of(Counting(factor), factor=factor, **settings)


FINER = SuperResolve(factor=2, psf=GaussianPSF(1.5))
CLEANER = Denoise(GaussianNoise(15.0))


class From(StoppingRule):
    """Says an outcome from one of its calls on."""

    def __init__(self, first, outcome):
        self.first, self.outcome = first, outcome

    def start(self):
        calls = 0

        def check(iterate):
            nonlocal calls
            calls += 1
            return self.outcome if calls > self.first else None

        return check


def stages(iterates):
    """Return the index of the first iterate with each note, and of one in the middle."""
    found = {}
    for at, one in enumerate(iterates):
        found.setdefault((one.note, min(one.index, 1)), []).append(at)
    return sorted({at for places in found.values() for at in (places[0], places[len(places) // 2])})


@pytest.mark.parametrize("outcome", [Outcome.STOPPED, Outcome.TIME_LIMIT])
@pytest.mark.parametrize("task", [FINER, CLEANER], ids=["finer", "cleaner"])
def test_a_run_can_be_stopped_at_every_stage(task, outcome):
    problem = problem_of(task)
    *whole, _ = method(task, **TUNING).solve(problem)
    places = stages(whole)
    assert len(places) >= 8
    for at in places:
        *before, answer = method(task, **TUNING).solve(problem, stopping_rule=From(at, outcome))
        assert answer.outcome is outcome
        assert tuple(answer.x.shape[2:]) == problem.grid.shape
        assert bool(answer.x.isfinite().all())
        if whole[at].criterion is None:  # fine-tuning has not begun
            assert len(before) == at
            assert answer.state is None
        else:
            assert at <= len(before) <= at + LAST


def test_an_answer_from_before_the_network_shows_the_data_and_says_so():
    problem = problem_of(FINER)
    *_, answer = method(FINER).solve(problem, stopping_rule=From(0, Outcome.STOPPED))
    assert answer.preparing
    assert "before the network had restored" in answer.note
    inside = np.s_[..., 8:-8, 8:-8]
    expected = problem.widened(pre_upsampled(problem.data, 2))
    torch.testing.assert_close(answer.x[inside], expected[inside])


def test_an_answer_from_before_the_check_is_the_output_and_says_so():
    problem = problem_of(FINER)
    whole = list(method(FINER, **TUNING).solve(problem))
    first = next(at for at, one in enumerate(whole) if not one.preparing)
    *_, answer = method(FINER, **TUNING).solve(problem, stopping_rule=From(first + 2, Outcome.STOPPED))
    assert "before it was checked" in answer.note
    assert torch.equal(answer.x, whole[first].x)


def test_a_stop_during_the_self_ensemble_keeps_the_mean_so_far():
    problem = problem_of(CLEANER)
    settings = {**TUNING, "recover_sources": False}
    *whole, answer = method(CLEANER, **settings).solve(problem)
    assert "self-ensemble" not in answer.note
    rule = From(len(whole) - 5, Outcome.STOPPED)
    *before, stopped = method(CLEANER, **settings).solve(problem, stopping_rule=rule)
    assert len(before) == len(whole) - 4
    assert stopped.outcome is Outcome.STOPPED
    assert "The self-ensemble was cut short" in stopped.note
    assert not torch.equal(stopped.x, answer.x)


@pytest.mark.parametrize("n", [0, 2])
def test_a_number_of_iterations_leaves_the_rest_of_the_run_as_it_is(n):
    problem = problem_of(FINER)
    *iterates, answer = method(FINER, **TUNING).solve(problem, stopping_rule=MaxIterations(n))
    assert answer.outcome is Outcome.MAX_ITERATIONS
    assert "back-projection reduces the residual" in answer.note
    assert max(one.index for one in iterates) <= n


@pytest.mark.parametrize("task", [FINER, CLEANER], ids=["finer", "cleaner"])
def test_a_run_pauses_between_any_two_outputs_of_the_network(task):
    problem, calls = problem_of(task), []
    for _ in method(task, **TUNING).solve(problem):
        calls.append(Counting.calls)
    assert max(np.diff(calls)) <= 2


def test_a_run_pauses_between_any_two_tiles():
    """A piece has at most one output; the work beside the tiles is not what takes long."""
    problem, calls = problem_of(FINER, 272), []
    Counting.calls = 0
    iterates = method(FINER, action="network").solve(problem)
    for one in iterates:
        calls.append(Counting.calls)
        if not one.preparing:
            break
    iterates.close()
    assert calls[-1] >= 2 + 4  # two ranges are tried, and then there are four tiles
    assert max(np.diff(calls)) <= 1


def test_a_cancelled_run_does_nothing_more():
    problem = problem_of(FINER)
    for at in stages(list(method(FINER, **TUNING).solve(problem))):
        iterates = method(FINER, **TUNING).solve(problem)
        for _ in range(at + 1):
            next(iterates)
        before = Counting.calls
        iterates.close()
        assert Counting.calls == before


def test_the_result_does_not_depend_on_the_pauses(monkeypatch):
    problem = problem_of(FINER)
    *_, paused = method(FINER, **TUNING).solve(problem)
    monkeypatch.undo()
    *_, other = method(FINER, **TUNING).solve(problem)
    assert torch.equal(paused.x, other.x)


def test_weights_that_do_not_fit_on_the_disk_are_not_kept(monkeypatch):
    def full(_):
        raise FileError("the disk is full")

    settings = {**TUNING, "iterations": 6, "learning_rate": 1e-4}
    *_, kept = method(FINER, **settings).solve(problem_of(FINER))
    monkeypatch.setattr(module, "AdaptedWeights", full)
    *_, answer = method(FINER, **settings).solve(problem_of(FINER))
    assert kept.state is not None
    assert answer.state is None
    assert "The adapted weights were not kept: the disk is full." in answer.note
    assert torch.equal(answer.x, kept.x)
