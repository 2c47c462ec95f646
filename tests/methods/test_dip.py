from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from napari_dip import (
    DIP,
    Decoder,
    GaussianNoise,
    GaussianPSF,
    Hourglass,
    Outcome,
    PoissonNoise,
    RestorationError,
    UnknownNoise,
)
from napari_dip.operators import Blur, Identity, Resample
from napari_dip.optim.iterate import StoppingCriterion
from napari_dip.optim.stopping import MaxIterations
from napari_dip.problem import Problem


def problem(image, weights=None, noise=None):
    data = torch.as_tensor(np.asarray(image, np.float32))[None, None]
    weights = torch.ones_like(data) if weights is None else torch.as_tensor(weights)[None, None].float()
    return Problem(data, Identity(), noise or UnknownNoise(), weights)


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
    assert iterates[-1].outcome is Outcome.MAX_ITERATIONS
    assert iterates[-1].x.shape == (1, 1, 64, 64)
    assert all(isinstance(value, torch.Tensor) for value in state.values())


def test_a_warm_start_goes_on_where_the_last_run_ended(phantom):
    settings = DIP(
        ensemble_size=1, iterations=60, precision="float32", stopping="max-iterations", input_noise_std=0.0
    )

    def run(start=None):
        iterates, state = drained(settings.solve(problem(phantom), initial_state=start))
        return [float(iterate.loss) for iterate in iterates], state

    first, state = run()
    second, _ = run(state)
    assert second[0] < first[0] - 1
    assert second[0] == pytest.approx(first[-1], abs=0.3)


def test_the_answer_is_the_best_by_held_out_pixels(phantom, tiny):
    iterates = list(replace(tiny, stopping="held-out").solve(problem(phantom)))
    assert iterates[-1].score == min(one.score for one in iterates)


def test_without_held_out_pixels_the_last_average_is_the_answer(phantom, tiny):
    iterates = list(replace(tiny, stopping="max-iterations").solve(problem(phantom)))
    assert all(one.score is None for one in iterates)
    assert iterates[-1].index == tiny.iterations


def test_the_caller_may_stop_it_too(phantom, tiny):
    iterates = list(tiny.solve(problem(phantom), stopping_rule=MaxIterations(2)))
    assert max(iterate.index for iterate in iterates) == 2
    assert iterates[-1].outcome is Outcome.MAX_ITERATIONS


def test_patience_and_time_end_a_run(phantom):
    quick = DIP(ensemble_size=1, iterations=10_000, input_channels=2, precision="float32")
    *_, answer = replace(quick, time_limit=0.3).solve(problem(phantom))
    assert answer.outcome is Outcome.TIME_LIMIT
    noise = torch.randn(32, 32, generator=torch.Generator().manual_seed(0))
    *_, answer = replace(quick, patience=20).solve(problem(noise))
    assert answer.outcome is Outcome.NO_IMPROVEMENT


def test_volumes(random, tiny):
    data = torch.as_tensor(random.random((1, 2, 9, 16, 12)), dtype=torch.float32)
    cube = Problem(data, Identity(), GaussianNoise(0.1), torch.ones(1, 1, 9, 16, 12))
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
    reason = DIP().unsupported_reason(problem(np.zeros(shape), few if weights == "few" else None))
    assert message in reason
    assert DIP().unsupported_reason(problem(np.zeros((1, 8)))) is None


def test_the_answer_of_several_runs_is_their_mean_and_better_than_one(phantom):
    network = Hourglass(widths=(16, 16, 16), skips=(4, 4, 4))
    settings = DIP(
        ensemble_size=3, iterations=150, validation_fraction=0.1, precision="float32", network=network
    )
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
    # A run that makes nothing better for the held-out pixels is left out of the mean.
    assert sum(gains) > 0


def test_runs_differ_and_are_counted_through(phantom, tiny):
    iterates = list(replace(tiny, ensemble_size=2, stopping="max-iterations").solve(problem(phantom)))
    assert [one.index for one in iterates] == [*range(13)]
    assert [one.outcome for one in iterates[:-1]] == [None] * 12
    assert torch.equal(iterates[7].x, iterates[6].x)  # nothing tells when the second has come far enough
    own = 2 * iterates[12].x - iterates[6].x
    assert not torch.allclose(own, iterates[6].x)


def test_frames_with_different_noise_hand_their_weights_on(phantom, tiny):
    _, weights = drained(replace(tiny, stopping="held-out").solve(problem(phantom)))
    iterates, _ = drained(replace(tiny, stopping="variance").solve(problem(phantom), initial_state=weights))
    assert iterates[-1].x.isfinite().all()


def test_a_stopped_run_returns_its_weights_too(phantom, tiny):
    _, weights = drained(tiny.solve(problem(phantom), stopping_rule=MaxIterations(2)))
    assert weights


def test_a_warm_start_of_another_shape_is_refused(phantom, tiny):
    with pytest.raises(RestorationError, match="network of another shape"):
        next(tiny.solve(problem(phantom), initial_state={"last.weight": torch.zeros(1)}))


def test_settled_settings_leave_nothing_open():
    assert DIP().resolved("cpu").precision in ("float32", "bfloat16")
    assert DIP(precision="float32").resolved("cpu") == DIP(precision="float32")


# What ends a run.


QUICK = DIP(
    iterations=4,
    input_channels=2,
    precision="float32",
    network=Hourglass(widths=(4, 4), skips=(2, 2)),
)


def noisy(phantom, *, blur=0.0, sigma=25.0, seed=0):
    """The phantom, larger, with noise that may be correlated."""
    wide = np.kron(phantom, np.ones((3, 3)))
    noise = np.random.default_rng(seed).normal(size=wide.shape)
    noise = gaussian_filter(noise, blur) if blur else noise
    return wide + sigma * noise / noise.std()


@pytest.mark.parametrize(
    ("blur", "noise", "criterion"),
    [
        (0.0, UnknownNoise(), StoppingCriterion.HELD_OUT),
        (1.0, UnknownNoise(), StoppingCriterion.DISCREPANCY),
        (1.0, PoissonNoise(), StoppingCriterion.DISCREPANCY),
    ],
)
def test_correlated_noise_is_noticed(blur, noise, criterion, phantom):
    iterates = list(QUICK.solve(problem(noisy(phantom, blur=blur), noise=noise)))
    assert {iterate.criterion for iterate in iterates} == {criterion}


@pytest.mark.parametrize("blur", [0.0, 1.0])
def test_what_is_missing_is_always_judged_by_held_out_pixels(blur, phantom):
    made = replace(problem(noisy(phantom, blur=blur)), only_missing=True)
    assert next(QUICK.solve(made)).criterion is StoppingCriterion.HELD_OUT


@pytest.mark.parametrize(
    ("stopping", "criterion"),
    [
        ("held-out", StoppingCriterion.HELD_OUT),
        ("variance", StoppingCriterion.VARIANCE),
        ("discrepancy", StoppingCriterion.DISCREPANCY),
        ("max-iterations", None),
    ],
)
@pytest.mark.parametrize("blur", [0.0, 1.0])
def test_the_user_may_choose_the_judge(stopping, criterion, blur, phantom):
    *_, answer = replace(QUICK, stopping=stopping).solve(problem(noisy(phantom, blur=blur)))
    assert answer.criterion is criterion
    assert (answer.score is None) == (
        stopping in ("max-iterations", "variance")
    )  # outputs have to warm up first


@pytest.mark.parametrize(("blur", "used"), [(0.0, True), (1.0, False)])
def test_a_first_guess_is_not_made_of_correlated_noise(blur, used, phantom, monkeypatch):
    asked = []

    def guess(problem):
        asked.append(problem)
        return problem.data

    monkeypatch.setattr("napari_dip.dip.ensemble.initial_estimate", guess)
    next(QUICK.solve(problem(noisy(phantom, blur=blur))))
    assert bool(asked) is used


def test_a_run_ends_once_the_residual_is_as_weak_as_the_noise(phantom):
    made = problem(phantom + np.random.default_rng(0).normal(0, 25, phantom.shape))
    method = DIP(iterations=1000, stopping="discrepancy", ema_decay=0.5, precision="float32")
    *_, answer = method.solve(made)
    assert answer.outcome is Outcome.DISCREPANCY
    assert answer.score <= 1
    assert answer.index < 1000


def test_a_run_ends_once_its_outputs_no_longer_settle(phantom):
    made = problem(phantom + np.random.default_rng(0).normal(0, 60, phantom.shape))
    *_, answer = replace(QUICK, iterations=3000, stopping="variance", learning_rate=0.1).solve(made)
    assert answer.outcome is Outcome.VARIANCE
    assert answer.index >= 40
    assert answer.score > 0


PSF = torch.from_numpy(GaussianPSF(3.0).kernel(2)).float()


@pytest.mark.parametrize(
    ("operator", "share"),
    [(Identity(), 0.05), (Blur(PSF), 0.1), (Resample((2, 2)), 0.02)],
    ids=["", "blur", "fine"],
)
def test_the_dearer_a_pixel_the_fewer_are_held_out(operator, share, phantom):
    """The loss of the first update is that of the others."""
    made = replace(problem(noisy(phantom)), operator=operator)
    by_default, by_number, other = (
        float(next(replace(QUICK, validation_fraction=held_out).solve(made)).loss)
        for held_out in (None, share, 0.3)
    )
    assert by_default == by_number != other


# What x can be.


@pytest.mark.parametrize("operator", [Identity(), Resample((2, 2))], ids=["identity", "fine"])
def test_a_resolution_matters_behind_a_blur_alone(operator, phantom):
    for made, matters in [
        (replace(problem(phantom), operator=operator), False),
        (replace(problem(phantom), operator=Blur(PSF)), True),
    ]:
        coarse, fine = (next(replace(QUICK, sieve_width=one).solve(made)).x for one in (1.0, 0.0))
        assert torch.equal(coarse, fine) is not matters


def test_a_coarser_resolution_is_smoother(phantom):
    made = replace(problem(phantom), operator=Blur(PSF))
    rough = [
        float(next(replace(QUICK, sieve_width=one).solve(made)).x.diff(dim=-1).square().mean())
        for one in (0.0, 0.5, 1.0)
    ]
    assert rough[0] > 1.5 * rough[1]
    assert rough[1] > 1.1 * rough[2]


@pytest.mark.parametrize("operator", [Identity(), Blur(PSF)], ids=["identity", "blur"])
def test_no_iterate_falls_below_the_floor(operator, phantom):
    made = replace(problem(phantom - 100), operator=operator, floor=-20.0)
    method = replace(QUICK, iterations=30, stopping="max-iterations", learning_rate=0.1)
    assert min(float(iterate.x.min()) for iterate in method.solve(made)) >= -20.001
    assert min(float(iterate.x.min()) for iterate in method.solve(replace(made, floor=None))) < -20.5


# Guides.


def test_a_guide_needs_a_network_that_sees_images(phantom):
    made = problem(phantom)
    assert "Decoder sees no image" in replace(QUICK, network=Decoder()).unsupported_reason(made, guided=True)
    assert replace(QUICK, network=Decoder()).unsupported_reason(made) is None
    assert QUICK.unsupported_reason(made, guided=True) is None


def test_nothing_but_a_guide_needs_one(phantom):
    method = replace(QUICK, input="guide")
    assert "and there is none" in method.unsupported_reason(problem(phantom))
    assert method.unsupported_reason(problem(phantom), guided=True) is None
    *_, answer = method.solve(problem(phantom), guide=torch.from_numpy(phantom)[None, None])
    assert answer.x.isfinite().all()


@pytest.mark.parametrize("input", ["noise", "coordinates", "guide"])
def test_the_network_sees_its_guide_whatever_its_grey_levels(input, phantom):
    method = replace(QUICK, input=input, initial_estimate=False)
    guide = torch.from_numpy(phantom)[None, None]

    def first(guide):
        return next(method.solve(problem(phantom), guide=guide)).x

    torch.testing.assert_close(first(1000 * guide - 7), first(guide), rtol=1e-3, atol=0.1)
    assert not torch.allclose(first(guide.flip(2)), first(guide), rtol=1e-3, atol=0.1)
    assert guide.equal(torch.from_numpy(phantom)[None, None])


def test_every_judge_is_a_sentence():
    for criterion in StoppingCriterion:
        assert criterion.value[0].isupper()
        assert criterion.value.endswith(".")
