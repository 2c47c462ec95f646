from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_dip import DIP, GaussianNoise, GaussianPSF, Hourglass, Outcome, RestorationError
from napari_dip.operators import Blur, Identity, Resample
from napari_dip.optim.stopping import MaxIterations
from napari_dip.problem import Problem

QUICK = DIP(
    iterations=4,
    input_channels=2,
    precision="float32",
    network=Hourglass(widths=(4, 4), skips=(2, 2)),
)
PSF = torch.from_numpy(GaussianPSF(3.0).kernel(2)).float()


@pytest.fixture
def first(drained):
    """Return a function that gives the first iterate of a fit."""

    def iterate(method, problem, **options):
        return drained(method.solve(problem, stopping_rule=MaxIterations(1), **options))[0][0]

    return iterate


def test_the_run_ends_with_an_outcome_and_returns_its_weights(phantom, problem, drained, tiny):
    iterates, state = drained(tiny.solve(problem(phantom)))
    assert iterates[0].index == 0
    assert iterates[-1].outcome is Outcome.MAX_ITERATIONS
    assert iterates[-1].x.shape == (1, 1, 64, 64)
    assert all(isinstance(value, torch.Tensor) for value in state.values())


def test_a_warm_start_continues_where_the_last_run_ended(phantom, problem, drained):
    settings = DIP(iterations=60, precision="float32", stopping="max-iterations", input_noise_std=0.0)

    def run(start=None):
        iterates, state = drained(settings.solve(problem(phantom), initial_state=start))
        return [float(iterate.loss) for iterate in iterates], state

    cold, state = run()
    warm, _ = run(state)
    assert warm[0] < cold[0] - 1
    assert warm[0] == pytest.approx(cold[-1], abs=0.3)


def test_the_answer_is_the_best_by_held_out_pixels(phantom, problem, drained, tiny):
    iterates, _ = drained(replace(tiny, stopping="held-out").solve(problem(phantom)))
    assert iterates[-1].score == min(one.score for one in iterates)


def test_without_held_out_pixels_the_last_average_is_the_answer(phantom, problem, drained, tiny):
    iterates, _ = drained(replace(tiny, stopping="max-iterations").solve(problem(phantom)))
    assert all(one.score is None for one in iterates)
    assert iterates[-1].index == tiny.iterations


def test_the_caller_can_stop_it_too(phantom, problem, drained, tiny):
    iterates, weights = drained(tiny.solve(problem(phantom), stopping_rule=MaxIterations(2)))
    assert max(iterate.index for iterate in iterates) == 2
    assert iterates[-1].outcome is Outcome.MAX_ITERATIONS
    assert weights


def test_a_run_without_progress_ends(problem):
    noise = torch.randn(32, 32, generator=torch.Generator().manual_seed(0))
    method = DIP(iterations=10_000, input_channels=2, precision="float32", patience=20)
    *_, answer = method.solve(problem(noise))
    assert answer.outcome is Outcome.NO_IMPROVEMENT


def test_volumes_and_channels(random, tiny):
    data = torch.as_tensor(random.random((1, 2, 9, 16, 12)), dtype=torch.float32)
    cube = Problem(data, Identity(), GaussianNoise(0.1), torch.ones(1, 1, 9, 16, 12))
    *_, answer = tiny.solve(cube)
    assert answer.x.shape == data.shape


def test_coordinates_as_input(phantom, problem, tiny):
    *_, answer = replace(tiny, input="coordinates").solve(problem(phantom))
    assert answer.x.isfinite().all()


# Ensembles.


def test_the_answer_of_several_networks_is_their_mean_and_better_than_one(phantom, problem, drained):
    network = Hourglass(widths=(16, 16, 16), skips=(4, 4, 4))
    settings = DIP(
        ensemble_size=3, iterations=150, validation_fraction=0.1, precision="float32", network=network
    )
    gains = []
    for seed in range(3):
        noisy = phantom + np.random.default_rng(seed).normal(0, 25, phantom.shape)
        answers = {}
        iterates, _ = drained(settings.solve(problem(noisy)))
        for iterate in iterates:
            if iterate.score is not None:
                number = min(iterate.index // 151, 2)
                if number not in answers or iterate.score < answers[number].score:
                    answers[number] = iterate
        assert iterate.score == min(answer.score for answer in answers.values())
        assert iterate.outcome is not None
        alone, together = (
            float((answers[number].x[0, 0] - torch.as_tensor(phantom)).square().mean()) for number in (0, 2)
        )
        gains.append(alone - together)
    # A network that improves nothing on the held-out pixels is left out of the mean.
    assert sum(gains) > 0


def test_the_iterations_of_an_ensemble_are_counted_through(phantom, problem, drained, tiny):
    method = replace(tiny, ensemble_size=2, stopping="max-iterations")
    iterates, _ = drained(method.solve(problem(phantom)))
    # While the second network is made, the answer of the first one is repeated.
    iterates = list({one.index: one for one in iterates}.values())
    assert [one.index for one in iterates] == [*range(13)]
    assert [one.outcome for one in iterates[:-1]] == [None] * 12
    assert torch.equal(iterates[7].x, iterates[6].x)  # nothing tells when the second one has learnt enough
    own = 2 * iterates[12].x - iterates[6].x
    assert not torch.allclose(own, iterates[6].x)


# Initial states.


def test_frames_with_different_noise_can_share_weights(phantom, problem, drained, tiny):
    _, weights = drained(replace(tiny, stopping="held-out").solve(problem(phantom)))
    warm = replace(tiny, stopping="variance").solve(problem(phantom), initial_state=weights)
    iterates, _ = drained(warm)
    assert iterates[-1].x.isfinite().all()


def test_the_weights_of_another_network_are_refused(phantom, problem, drained, tiny):
    with pytest.raises(RestorationError, match="network of another shape"):
        next(tiny.solve(problem(phantom), initial_state={"last.weight": torch.zeros(1)}))
    _, weights = drained(tiny.solve(problem(phantom)))
    with pytest.raises(RestorationError, match="network of another shape"):
        drained(replace(tiny, input_channels=3).solve(problem(phantom), initial_state=weights))


# What x can be.


@pytest.mark.parametrize("operator", [Identity(), Resample((2, 2))], ids=["identity", "fine"])
def test_the_sieve_only_matters_behind_a_blur(operator, phantom, problem, first):
    for made, matters in [
        (problem(phantom, operator=operator), False),
        (problem(phantom, operator=Blur(PSF)), True),
    ]:
        coarse, fine = (first(replace(QUICK, sieve_width=one), made).x for one in (1.0, 0.0))
        assert torch.equal(coarse, fine) is not matters


def test_a_wider_sieve_gives_a_smoother_image(phantom, problem, first):
    made = problem(phantom, operator=Blur(PSF))
    rough = [
        float(first(replace(QUICK, sieve_width=one), made).x.diff(dim=-1).square().mean())
        for one in (0.0, 0.5, 1.0)
    ]
    assert rough[0] > 1.5 * rough[1]
    assert rough[1] > 1.1 * rough[2]


@pytest.mark.parametrize("operator", [Identity(), Blur(PSF)], ids=["identity", "blur"])
def test_no_iterate_falls_below_the_floor(operator, phantom, problem, drained):
    made = problem(phantom - 100, operator=operator, floor=-20.0)
    method = replace(QUICK, iterations=30, stopping="max-iterations", learning_rate=0.1)
    bounded, free = (drained(method.solve(one))[0] for one in (made, replace(made, floor=None)))
    assert min(float(iterate.x.min()) for iterate in bounded) >= -20.001
    assert min(float(iterate.x.min()) for iterate in free) < -20.5


# What the network sees.


@pytest.mark.parametrize(("stopping", "made"), [("held-out", True), ("discrepancy", False)])
def test_no_initial_estimate_is_made_of_correlated_noise(stopping, made, phantom, problem, monkeypatch):
    problems = []

    def estimate(problem):
        problems.append(problem)
        yield None
        return problem.data

    monkeypatch.setattr("napari_dip.dip.preparation.initial_estimate", estimate)
    [*replace(QUICK, stopping=stopping).solve(problem(phantom))]
    assert len(problems) == made


def test_a_guide_alone_can_be_the_input(phantom, problem):
    method = replace(QUICK, input="guide")
    *_, answer = method.solve(problem(phantom), guide=torch.from_numpy(phantom)[None, None])
    assert answer.x.isfinite().all()


@pytest.mark.parametrize("input", ["noise", "coordinates", "guide"])
def test_the_grey_levels_of_a_guide_do_not_matter(input, phantom, problem, first):
    method = replace(QUICK, input=input, initial_estimate=False)
    guide = torch.from_numpy(phantom)[None, None]

    def seeing(guide):
        return first(method, problem(phantom), guide=guide).x

    torch.testing.assert_close(seeing(1000 * guide - 7), seeing(guide), rtol=1e-3, atol=0.1)
    assert not torch.allclose(seeing(guide.flip(2)), seeing(guide), rtol=1e-3, atol=0.1)
    assert guide.equal(torch.from_numpy(phantom)[None, None])
