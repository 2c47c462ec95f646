"""Classic filters where the noise is correlated, judged by a second image with independent noise."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from napari_dip import UnknownNoise
from napari_dip.dip.split_filters import split_estimate, split_postfiltered
from napari_dip.dip.validation import Validation
from napari_dip.operators import Identity
from napari_dip.optim.iterate import Iterate, Outcome
from napari_dip.problem import Problem
from napari_dip.steps import finished

SIDE = 96
ROWS, COLUMNS = np.mgrid[:SIDE, :SIDE]
SCENE = 80 + 60.0 * (np.hypot(ROWS - 40, COLUMNS - 50) < 25)


@pytest.fixture(scope="module")
def validation():
    noise = gaussian_filter(np.random.default_rng(0).normal(size=SCENE.shape), 0.8)
    data = torch.tensor(SCENE + 12 * noise / noise.std(), dtype=torch.float32)[None, None]
    problem = Problem(data, Identity(), UnknownNoise(), torch.ones_like(data))
    made = Validation.of(problem, "auto", None, torch.Generator().manual_seed(0))
    assert made.split
    return made


def error(x):
    return float((x[0, 0] - torch.tensor(SCENE)).square().mean())


def test_the_estimate_has_less_noise_than_the_data_and_is_as_sharp(validation):
    x = finished(split_estimate(validation))
    assert error(x) < 0.35 * error(validation.problem.data)
    step = float(x[0, 0, 40, 46:54].mean() - x[0, 0, 40, :8].mean())
    assert step == pytest.approx(60, rel=0.1)


def test_the_answer_is_filtered_only_if_the_second_image_prefers_it(validation):
    truth = torch.tensor(SCENE, dtype=torch.float32)[None, None]
    rough = truth + 6 * torch.randn(truth.shape, generator=torch.Generator().manual_seed(1))
    answers = {}
    for name, x in (("truth", truth), ("rough", rough)):
        run = [Iterate(3, x, x.new_zeros(()), outcome=Outcome.SPLIT)]
        *_, answer = split_postfiltered(run, validation)
        answers[name] = answer
        assert answer.outcome is Outcome.SPLIT
    assert error(answers["rough"].x) < error(rough)
    assert error(answers["truth"].x) < 1


def test_missing_pixels_have_no_influence(validation):
    weights = torch.ones_like(validation.problem.weights)
    weights[..., 10:14, 20:60] = 0

    def spoilt(problem, value):
        data = problem.data.where(weights > 0, value)
        return replace(problem, data=data, weights=weights)

    estimates = [
        finished(
            split_estimate(
                replace(
                    validation,
                    fitted=spoilt(validation.fitted, value),
                    held_out=spoilt(validation.held_out, value),
                )
            )
        )
        for value in (0.0, 1000.0)
    ]
    assert torch.allclose(*estimates, atol=1e-3)
