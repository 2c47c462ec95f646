import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_dip import DIP, PRESETS, Gaussian, Outcome, RestorationError, Unknown
from napari_dip.operators import Identity
from napari_dip.problem import Problem
from napari_dip.solver.stopping import Budget


def problem(image, weights=None, noise=None):
    data = torch.as_tensor(np.asarray(image, np.float32))[None, None]
    weights = torch.ones_like(data) if weights is None else torch.as_tensor(weights)[None, None].float()
    return Problem(data, Identity(), noise or Unknown(), weights)


def drained(run):
    """Return what a generator yields, and what it returns."""
    iterates = []
    while True:
        try:
            iterates.append(next(run))
        except StopIteration as end:
            return iterates, end.value


def test_the_run_ends_with_an_outcome_and_returns_its_weights(phantom, tiny):
    iterates, state = drained(tiny.solve(problem(phantom)))
    assert iterates[0].index == 0
    assert iterates[-1].outcome is Outcome.BUDGET
    assert iterates[-1].x.shape == (1, 1, 64, 64)
    assert all(isinstance(value, torch.Tensor) for value in state.values())


def test_a_warm_start_goes_on_where_the_last_run_ended(phantom):
    settings = DIP(runs=1, iterations=60, precision="float32", stopping="budget", jitter=0.0)

    def run(start=None):
        iterates, state = drained(settings.solve(problem(phantom), start=start))
        return [float(iterate.loss) for iterate in iterates], state

    first, state = run()
    second, _ = run(state)
    assert second[0] < first[0] - 1
    assert second[0] == pytest.approx(first[-1], abs=0.3)


def test_the_answer_is_the_best_by_held_out_pixels(phantom, tiny):
    iterates = list(replace(tiny, stopping="held-out").solve(problem(phantom)))
    assert iterates[-1].score == min(one.score for one in iterates)


def test_without_held_out_pixels_the_last_average_is_the_answer(phantom, tiny):
    iterates = list(replace(tiny, stopping="budget").solve(problem(phantom)))
    assert all(one.score is None for one in iterates)
    assert iterates[-1].index == tiny.iterations


def test_the_caller_may_stop_it_too(phantom, tiny):
    iterates = list(tiny.solve(problem(phantom), until=Budget(2)))
    assert max(iterate.index for iterate in iterates) == 2
    assert iterates[-1].outcome is Outcome.BUDGET


def test_patience_and_time_end_a_run(phantom):
    quick = DIP(runs=1, iterations=10_000, input_channels=2, precision="float32")
    *_, answer = replace(quick, time_limit=0.3).solve(problem(phantom))
    assert answer.outcome is Outcome.TIME_LIMIT
    noise = torch.randn(32, 32, generator=torch.Generator().manual_seed(0))
    *_, answer = replace(quick, patience=20).solve(problem(noise))
    assert answer.outcome is Outcome.NO_IMPROVEMENT


def test_volumes(random, tiny):
    data = torch.as_tensor(random.random((1, 2, 9, 16, 12)), dtype=torch.float32)
    cube = Problem(data, Identity(), Gaussian(0.1), torch.ones(1, 1, 9, 16, 12))
    *_, answer = tiny.solve(cube)
    assert answer.x.shape == data.shape


def test_coordinates_as_input(phantom, tiny):
    *_, answer = replace(tiny, input="coordinates").solve(problem(phantom))
    assert answer.x.isfinite().all()


@pytest.mark.parametrize(
    ("shape", "weights", "message"),
    [((7, 7), None, "at least 8 pixels"), ((8, 8), "few", "at least 4 observed")],
)
def test_what_it_can_not_do_it_refuses_in_words(shape, weights, message):
    few = np.zeros(shape)
    few[0, :3] = 1
    reason = DIP().refuses(problem(np.zeros(shape), few if weights == "few" else None))
    assert message in reason
    assert DIP().refuses(problem(np.zeros((1, 8)))) is None


def test_the_answer_of_several_runs_is_their_mean_and_better_than_one(phantom):
    settings = DIP(runs=3, iterations=150, held_out=0.1, precision="float32")
    gains = []
    for seed in range(3):
        noisy = phantom + np.random.default_rng(seed).normal(0, 25, phantom.shape)
        answers = {}
        for iterate in settings.solve(problem(noisy)):
            if iterate.score is not None:
                run = min(iterate.index // 151, 2)
                if run not in answers or iterate.score < answers[run].score:
                    answers[run] = iterate
        assert iterate.score == min(answer.score for answer in answers.values())
        assert iterate.outcome is not None
        first, last = (
            float((answers[run].x[0, 0] - torch.as_tensor(phantom)).square().mean()) for run in (0, 2)
        )
        gains.append(first - last)
    # A run that makes nothing better is left out of the mean.
    assert min(gains) >= 0
    assert sum(gains) > 0


def test_runs_differ_and_are_counted_through(phantom, tiny):
    iterates = list(replace(tiny, runs=2, stopping="budget").solve(problem(phantom)))
    assert [one.index for one in iterates] == [*range(13)]
    assert [one.outcome for one in iterates[:-1]] == [None] * 12
    assert torch.equal(iterates[7].x, iterates[6].x)  # nothing tells when the second has come far enough
    own = 2 * iterates[12].x - iterates[6].x
    assert not torch.allclose(own, iterates[6].x)


def test_a_stopped_run_returns_its_weights_too(phantom, tiny):
    _, weights = drained(tiny.solve(problem(phantom), until=Budget(2)))
    assert weights


def test_a_warm_start_of_another_shape_is_refused(phantom, tiny):
    with pytest.raises(RestorationError, match="network of another shape"):
        next(tiny.solve(problem(phantom), start={"last.weight": torch.zeros(1)}))


def test_settled_settings_leave_nothing_open():
    assert DIP().settled("cpu").precision in ("float32", "bfloat16")
    assert DIP(precision="float32").settled("cpu") == DIP(precision="float32")
