from dataclasses import replace

import pytest
import torch

from napari_dip.finetuning.intensity_mapping import IntensityMapping
from napari_dip.finetuning.mapping_search import find_mapping, match_contrast
from napari_dip.finetuning.restorer import Restorer
from napari_dip.finetuning.sampler import PatchSampler
from napari_dip.pretrained.bundled import bundled
from napari_dip.steps import finished

from .noisy import noisy


def denoiser(problem, sigma):
    sampler = PatchSampler(problem, torch.tensor(float(sigma)))
    return sampler, Restorer(bundled("denoise"), 1, sampler.mapping)


def error(x, truth):
    return float((x - truth).square().mean().sqrt().detach())


@pytest.mark.parametrize(("low", "high"), [(10, 240), (-1000, 3000), (0, 1e-6)])
def test_the_range_is_that_of_the_data(low, high):
    image = torch.linspace(low, high, 64).reshape(1, 1, 8, 8)
    mapping = IntensityMapping.of(image, torch.ones(1, 1, 8, 8, dtype=torch.bool))
    assert (mapping.low, mapping.high) == pytest.approx((low, high))


def test_missing_pixels_do_not_change_the_range():
    image = torch.linspace(10, 240, 64).reshape(1, 1, 8, 8)
    observed = torch.ones(1, 1, 8, 8, dtype=torch.bool)
    image[..., 0, 0], observed[..., 0, 0] = 1e6, False
    assert IntensityMapping.of(image, observed).high == 240


def test_noise_and_hot_pixels_do_not_widen_the_range():
    """Noise that is not clipped leads far beyond 0 and 255."""
    _, problem = noisy(40, clip=False)
    assert problem.data.min() < -60
    mapping = PatchSampler(problem, torch.tensor(40.0)).mapping
    assert -40 < mapping.low < 60
    assert 200 < mapping.high < 300
    problem.data[0, 0, 30, 30] = 1e9
    hot = PatchSampler(problem, torch.tensor(40.0)).mapping
    assert (hot.low, hot.high) == pytest.approx((mapping.low, mapping.high), abs=5)


@pytest.mark.parametrize("sigma", [15, 50])
@pytest.mark.parametrize("high", [255.0, 12.0])  # in the dark most of the noise is clipped
def test_a_mapping_that_leaves_the_noise_is_not_chosen(sigma, high):
    """An unusual range makes a denoiser change the data less, so that it explains noisy data better."""
    _, problem = noisy(sigma, high=high)
    sampler, restorer = denoiser(problem, sigma)
    assert sampler.sure_applies == (high == 255)
    assert finished(find_mapping(restorer, sampler)).scale == 1


@pytest.mark.parametrize(("sigma", "more"), [(12, True), (50, False)])
def test_the_contrast_makes_the_noise_as_strong_as_in_training(sigma, more):
    truth, problem = noisy(sigma)
    sampler, restorer = denoiser(problem, sigma)
    before = error(restorer(sampler.data), truth)
    usual, restorer.mapping = restorer.mapping, finished(match_contrast(restorer, sampler))
    assert (usual.span / restorer.mapping.span > 1) == more
    assert error(restorer(sampler.data), truth) < 0.95 * before


def test_the_contrast_is_matched_although_the_noise_of_the_training_is_unknown():
    truth, problem = noisy(50)
    sampler, restorer = denoiser(problem, 50)
    restorer.pretrained = replace(restorer.pretrained, sigma=None)
    before = error(restorer(sampler.data), truth)
    restorer.mapping = finished(match_contrast(restorer, sampler))
    assert error(restorer(sampler.data), truth) < 0.95 * before
