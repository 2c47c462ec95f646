"""The second fit of missing pixels, with made-up runs where possible."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_dip import DIP, Decoder, Hourglass, Outcome, RestorationError
from napari_dip.dip.preparation import Preparation
from napari_dip.dip.second_fit import fitted_twice, worth_second_fit
from napari_dip.dip.settings import FitSettings
from napari_dip.dip.validation import Validation
from napari_dip.errors import DivergenceError
from napari_dip.image.intensity import Range
from napari_dip.optim.iterate import Iterate
from napari_dip.optim.stopping import MaxIterations
from napari_dip.settings import subset

SMALL = DIP(
    iterations=30, input_channels=2, precision="float32", network=Hourglass(widths=(4, 4), skips=(2, 2))
)
SETTINGS = subset(SMALL, FitSettings)


@pytest.fixture
def holes(phantom, problem):
    """A problem of which only the missing pixels are wanted, half of all."""
    weights = np.random.default_rng(0).random(phantom.shape) > 0.5
    return problem(phantom * weights, weights, only_missing=True)


def divided(problem, stopping="held-out"):
    return Validation.of(problem, stopping, None, torch.Generator().manual_seed(0))


def scripted(*runs):
    """Return a run whose calls follow scripts of (level, score), or errors, and how it was called."""
    calls = []

    def run(settings, prepared, waiting, weights):
        calls.append((settings, prepared))
        script = runs[len(calls) - 1]
        data = prepared.validation.problem.data
        for index, step in enumerate(script):
            if isinstance(step, Exception):
                raise step
            level, score = step
            outcome = Outcome.NO_IMPROVEMENT if index + 1 == len(script) else None
            yield Iterate(index, torch.full_like(data, level), torch.tensor(1.0), score, outcome)
        weights["0.weight"] = torch.tensor(float(len(calls)))

    return run, calls


def both(problem, *runs, weights=None):
    """Return the iterates of two made-up runs that belong to the fit, and how they were called."""
    validation = divided(problem)
    prepared = Preparation(
        validation, validation.fitted, None, [], Range.of(problem.data, problem.weights > 0)
    )
    run, calls = scripted(*runs)
    waiting = Iterate(0, problem.data, torch.tensor(1.0))
    weights = {} if weights is None else weights
    iterates = list(fitted_twice(run, SETTINGS, prepared, waiting, weights))
    return [one for one in iterates if not one.preparing], calls


def levels(iterates):
    return [float(one.x.mean()) for one in iterates]


def test_the_answer_of_the_first_fit_is_repeated_until_the_second_is_better(holes):
    iterates, _ = both(holes, [(1.0, 3.0), (2.0, 2.0)], [(3.0, 5.0), (4.0, None), (5.0, 1.0), (6.0, None)])
    assert levels(iterates)[-4:] == [2.0, 2.0, 5.0, 2.0]  # an answer without a score is no better
    assert [one.index for one in iterates[-4:]] == [1, 2, 3, 4]
    assert [one.outcome for one in iterates[:-1]] == [None] * (len(iterates) - 1)
    assert iterates[-1].outcome is Outcome.NO_IMPROVEMENT


@pytest.mark.parametrize(("score", "expected"), [(1.0, 3.0), (2.5, 2.0)])
def test_held_out_pixels_decide_between_both_fits(score, expected, holes):
    iterates, _ = both(holes, [(1.0, 3.0), (2.0, 2.0)], [(3.0, 9.0), (3.0, score)])
    assert levels(iterates)[-1] == expected
    assert iterates[-1].score == min(score, 2.0)


def test_both_fits_share_the_iterations(holes):
    _, calls = both(holes, [(1.0, 2.0)] * 8, [(1.0, 2.0)] * 2)
    assert [settings.iterations for settings, _ in calls] == [20, 30 - 7]


def test_the_second_fit_sees_one_image_more_that_does_not_know_the_held_out_pixels(holes):
    held = divided(holes).held_out.weights > 0
    other = replace(holes, data=holes.data + 50.0 * held)
    runs = [(100.0, 2.0)], [(1.0, 1.0)]
    seen = [both(one, *runs)[1][1][1].seen for one in (holes, other)]
    assert [len(one) for one in seen] == [1, 1]
    torch.testing.assert_close(*[one[0] for one in seen])


def test_both_fits_keep_their_weights(holes):
    weights = {}
    both(holes, [(1.0, 2.0)], [(1.0, 2.0)], weights=weights)
    assert {name: float(value) for name, value in weights.items()} == {"first.0.weight": 1, "0.weight": 2}


def test_it_takes_missing_pixels_a_judge_and_a_network_that_sees_images(holes, phantom, problem):
    assert worth_second_fit(SETTINGS, divided(holes))
    assert not worth_second_fit(SETTINGS, divided(problem(phantom)))
    assert not worth_second_fit(SETTINGS, divided(holes, "max-iterations"))
    assert not worth_second_fit(replace(SETTINGS, initial_estimate=False), divided(holes))
    assert not worth_second_fit(replace(SETTINGS, network=Decoder(width=4, layers=3)), divided(holes))


@pytest.mark.parametrize("iterations", [1, 2, 12])
def test_no_run_takes_more_iterations_than_it_may(iterations, holes, drained):
    iterates, state = drained(replace(SMALL, iterations=iterations, patience=100).solve(holes))
    assert max(one.index for one in iterates) == iterations
    assert {name.partition("0.")[0] for name in state} == {"first.", ""}


def test_a_warm_start_takes_what_a_run_returned_that_was_stopped_in_the_first_fit(holes, drained):
    _, state = drained(SMALL.solve(holes, stopping_rule=MaxIterations(3)))
    assert {name.partition("0.")[0] for name in state} == {"first."}
    firsts = [
        next(one for one in drained(SMALL.solve(holes, initial_state=known))[0] if one.index == 0)
        for known in (None, state)
    ]
    assert firsts[1].loss < firsts[0].loss


def test_weights_of_a_single_fit_are_refused_at_once(holes, drained):
    _, state = drained(replace(SMALL, initial_estimate=False).solve(holes))
    with pytest.raises(RestorationError, match="initial state"):
        next(one for one in SMALL.solve(holes, initial_state=state) if not one.preparing)


def test_the_first_answer_is_kept_if_the_second_fit_diverges(holes):
    iterates, _ = both(holes, [(1.0, 2.0)], [DivergenceError()])
    assert levels(iterates)[-1] == 1.0
    assert iterates[-1].outcome is Outcome.DIVERGED


def test_two_fits_fill_in_sharp_edges_better_than_one(problem, drained):
    rows, columns = np.mgrid[:48, :48]
    image = np.where((rows + 2 * columns) % 24 < 8, 200.0, 40.0)
    weights = np.random.default_rng(1).random(image.shape) > 0.5
    made = problem(image * weights, weights, only_missing=True)
    method = DIP(iterations=450, precision="float32", network=Hourglass(widths=(16, 16, 16), skips=(4,) * 3))
    errors = []
    for estimate in (False, True):
        iterates, _ = drained(replace(method, initial_estimate=estimate).solve(made))
        errors.append(float(np.mean((iterates[-1].x[0, 0].numpy() - image)[~weights] ** 2)))
    assert errors[1] < 0.8 * errors[0], errors
