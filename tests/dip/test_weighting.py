"""Unknown noise that grows with brightness: bright pixels have less weight in the fit and in the judge."""

import numpy as np
import pytest
import torch

from napari_dip import GaussianNoise, UnknownNoise
from napari_dip.dip.validation import Validation
from napari_dip.dip.weighting import weighting
from napari_dip.steps import finished

SCENE = np.tile(np.linspace(20, 400, 96), (96, 1))


def weights(made, estimate=None, stopping="held-out"):
    validation = Validation.of(made, stopping, None, torch.Generator().manual_seed(0))
    found = finished(weighting(validation, estimate))
    assert found.problem is validation.problem
    if stopping == "held-out" and not made.noise.known:
        both = found.fitted.weights + found.held_out.weights
        hidden = found.held_out.weights > 0
        assert torch.equal(hidden, (validation.held_out.weights > 0).expand_as(hidden))
        return both[0, 0].numpy()
    assert found is validation
    return None


def photons(seed=0):
    return 2.0 * np.random.default_rng(seed).poisson(SCENE / 2)


@pytest.mark.parametrize("told", [True, False], ids=["estimate", "data alone"])
def test_photon_noise_is_weighted_by_its_inverse_variance(told, problem):
    estimate = torch.from_numpy(SCENE).float()[None, None] if told else None
    found = weights(problem(photons()), estimate)
    columns = found[8:-8].mean(0)
    bright, dim = columns[75:90].mean(), columns[15:30].mean()
    assert dim / bright == pytest.approx(SCENE[0, 82] / SCENE[0, 22], rel=0.35)


def test_even_noise_is_weighted_almost_evenly(problem):
    found = weights(problem(SCENE + np.random.default_rng(0).normal(0, 10, SCENE.shape)))
    assert found.max() < 1.5 * found.min()


def test_missing_pixels_stay_without_weight(problem):
    seen = torch.ones(1, 1, 96, 96)
    seen[..., 20:40, 30:50] = 0
    found = weights(problem(photons(), weights=seen[0, 0]))
    assert (found[20:40, 30:50] == 0).all()
    assert (np.delete(found, np.s_[20:40], 0) > 0).all()


@pytest.mark.parametrize(
    ("noise", "stopping"), [(GaussianNoise(9.0), "held-out"), (UnknownNoise(), "max-iterations")]
)
def test_noise_that_is_told_and_a_fit_without_a_judge_keep_their_weights(noise, stopping, problem):
    assert weights(problem(photons(), noise=noise), stopping=stopping) is None


def test_only_denoising_is_weighted(problem):
    made = problem(photons(), only_missing=True)
    validation = Validation.of(made, "held-out", None, torch.Generator().manual_seed(0))
    assert finished(weighting(validation, None)) is validation


def test_an_image_that_tells_nothing_is_weighted_evenly(problem):
    assert (weights(problem(np.random.default_rng(0).normal(100, 5, (12, 12)))) == 1).all()
