from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from napari_dip import (
    DIP,
    CorrelatedNoise,
    GaussianPSF,
    Hourglass,
    Outcome,
    PoissonNoise,
    StoppingCriterion,
    UnknownNoise,
)
from napari_dip.dip.validation import Validation
from napari_dip.operators import Blur, Identity, Resample

PSF = torch.from_numpy(GaussianPSF(3.0).kernel(2)).float()


def noisy(phantom, *, blur=0.0, sigma=25.0, seed=0):
    """Return the enlarged phantom with noise, which a blur correlates between pixels."""
    wide = np.kron(phantom, np.ones((3, 3)))
    noise = np.random.default_rng(seed).normal(size=wide.shape)
    noise = gaussian_filter(noise, blur) if blur else noise
    return wide + sigma * noise / noise.std()


def validation(problem, stopping="auto", share=None):
    return Validation.of(problem, stopping, share, torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("blur", "noise", "criterion"),
    [
        (0.0, UnknownNoise(), StoppingCriterion.HELD_OUT),
        (0.0, CorrelatedNoise(), StoppingCriterion.SPLIT),
        (1.0, UnknownNoise(), StoppingCriterion.SPLIT),
        (1.0, PoissonNoise(), StoppingCriterion.DISCREPANCY),
    ],
)
def test_correlated_noise_is_recognised(blur, noise, criterion, phantom, problem):
    found = validation(problem(noisy(phantom, blur=blur), noise=noise))
    assert found.criterion is criterion
    assert found.suits_classic_filters is (criterion is StoppingCriterion.HELD_OUT)
    assert (found.variance is None) is (criterion is StoppingCriterion.HELD_OUT)


def test_a_split_image_leaves_the_missing_pixels_missing(phantom, problem):
    made = problem(noisy(phantom, blur=1.0))
    made.weights[..., 20:30, 20:30] = 0
    found = validation(made, "split")
    assert torch.equal(found.fitted.weights, made.weights)
    assert torch.equal(found.held_out.weights, made.weights)
    assert float((found.fitted.data - made.data).std()) < float((found.held_out.data - made.data).std())


@pytest.mark.parametrize(
    "change", [{"only_missing": True}, {"operator": Blur(PSF)}, {"operator": Resample((2, 2))}]
)
def test_held_out_pixels_always_judge_missing_blurred_and_coarse_pixels(change, phantom, problem):
    made = problem(noisy(phantom, blur=1.0), **change)
    assert validation(made).criterion is StoppingCriterion.HELD_OUT


@pytest.mark.parametrize(
    ("stopping", "criterion"),
    [
        ("held-out", StoppingCriterion.HELD_OUT),
        ("split", StoppingCriterion.SPLIT),
        ("variance", StoppingCriterion.VARIANCE),
        ("discrepancy", StoppingCriterion.DISCREPANCY),
        ("max-iterations", None),
    ],
)
@pytest.mark.parametrize("blur", [0.0, 1.0])
def test_the_user_can_choose_the_criterion(stopping, criterion, blur, phantom, problem):
    assert validation(problem(noisy(phantom, blur=blur)), stopping).criterion is criterion


@pytest.mark.parametrize(
    ("operator", "share"),
    [(Identity(), 0.05), (Blur(PSF), 0.1), (Resample((2, 2)), 0.02)],
    ids=["identity", "blur", "fine"],
)
def test_the_more_precious_a_pixel_the_fewer_are_held_out(operator, share, phantom, problem):
    made = problem(phantom, operator=operator)
    by_default, by_number = (
        int(validation(made, "held-out", share).held_out.weights.sum()) for share in (None, 0.3)
    )
    assert by_default == round(share * phantom.size)
    assert by_number == round(0.3 * phantom.size)


def test_a_run_ends_once_the_residual_is_as_weak_as_the_noise(phantom, problem):
    made = problem(phantom + np.random.default_rng(0).normal(0, 25, phantom.shape))
    method = DIP(iterations=1000, stopping="discrepancy", ema_decay=0.5, precision="float32")
    *_, answer = method.solve(made)
    assert answer.outcome is Outcome.DISCREPANCY
    assert answer.criterion is StoppingCriterion.DISCREPANCY
    assert answer.score <= 1
    assert answer.index < 1000


def test_a_run_ends_once_its_outputs_vary_more_again(phantom, problem):
    made = problem(phantom + np.random.default_rng(0).normal(0, 60, phantom.shape))
    method = DIP(
        iterations=3000,
        stopping="variance",
        learning_rate=0.1,
        input_channels=2,
        precision="float32",
        network=Hourglass(widths=(4, 4), skips=(2, 2)),
    )
    *_, answer = method.solve(made)
    assert answer.outcome is Outcome.VARIANCE
    assert answer.index >= 40
    assert answer.score > 0


@pytest.mark.parametrize(
    ("stopping", "scored"), [("held-out", True), ("max-iterations", False), ("variance", False)]
)
def test_the_criterion_gives_the_score(stopping, scored, phantom, problem, tiny):
    """Outputs have to warm up before their variance means anything."""
    *_, answer = replace(tiny, stopping=stopping).solve(problem(phantom))
    assert (answer.score is not None) is scored
