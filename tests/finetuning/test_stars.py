"""Skies with stars: noise that is told, or found, is removed, and bright stars leave no rings."""

import numpy as np
import pytest
import torch

from napari_dip import Denoise, FineTune, GaussianNoise, SuperResolve, UnknownNoise, restore
from napari_dip.finetuning.consistency import noise_strength
from napari_dip.finetuning.plausible import within_noise
from napari_dip.operators import Resample
from napari_dip.problem import Problem
from napari_dip.steps import finished

SIGMA, LEVEL = 10.0, 100.0
QUICK = FineTune(iterations=3, learning_rate=1e-4, self_ensemble=False)


def sky(peak, dtype=np.float32, n=64):
    """Return noisy data, and the sky without noise."""
    rows, columns = np.indices((n, n))
    truth = LEVEL + peak * np.exp(-((rows - 30) ** 2 + (columns - 33) ** 2) / (2 * 1.5**2))
    data = truth + np.random.default_rng(0).normal(0, SIGMA, truth.shape)
    return (data if dtype == np.float32 else np.rint(data).clip(0)).astype(dtype), truth


def check(data, truth, restored):
    restored = np.asarray(restored, float)
    residual = data - restored
    far = truth - LEVEL < SIGMA / 10
    assert 0.85 * SIGMA < residual.std() < 1.2 * SIGMA
    assert np.abs(residual).max() < 6 * SIGMA
    assert restored.min() > LEVEL - 4 * SIGMA
    assert np.std((restored - truth)[far]) < 0.4 * SIGMA


@pytest.mark.parametrize("noise", [GaussianNoise(SIGMA), UnknownNoise()], ids=["told", "unknown"])
@pytest.mark.parametrize(
    ("peak", "dtype"),
    [(300, np.float32), (3000, np.float32), (60_000, np.float32), (3000, np.uint16), (60_000, np.int32)],
)
def test_the_noise_of_a_sky_is_removed_whatever_its_stars(peak, dtype, noise):
    data, truth = sky(peak, dtype)
    result = restore(data, Denoise(noise), QUICK)
    assert result.frames[0].note.startswith("Noisy")
    check(data, truth, result.image)


def test_the_noise_of_a_dense_sky_is_found():
    """Next to the range of the stars it is weak, but it is much stronger than its own error."""
    random = np.random.default_rng(1)
    rows, columns = np.indices((96, 96))
    truth = np.full(rows.shape, LEVEL)
    for row, column, peak in zip(*random.uniform(0, 96, (2, 60)), np.geomspace(30, 60_000, 60), strict=True):
        truth += peak * (1 + ((rows - row) ** 2 + (columns - column) ** 2) / 2.5**2) ** -3.0  # Moffat
    data = (truth + random.normal(0, SIGMA, truth.shape)).astype(np.float32)
    told, unknown = (restore(data, Denoise(noise), QUICK) for noise in (GaussianNoise(SIGMA), UnknownNoise()))
    assert unknown.frames[0].note.startswith("Noisy")
    difference = np.asarray(unknown.image, float) - np.asarray(told.image, float)
    assert np.sqrt(np.mean(difference**2)) < 0.5 * SIGMA


def test_a_negative_hole_is_as_harmless_as_a_star():
    data, truth = sky(-30_000)
    restored = np.asarray(restore(data, Denoise(GaussianNoise(SIGMA)), QUICK).image, float)
    assert np.abs(data - restored).max() < 6 * SIGMA
    assert restored.max() < LEVEL + 4 * SIGMA
    assert np.std((restored - truth)[truth > LEVEL - 1]) < 0.4 * SIGMA


@pytest.mark.parametrize("sigma", [0.5, 2.0])
def test_noise_that_is_told_is_believed_however_weak_it_is(sigma, random):
    """A 16-bit image with a range of which it is a small part."""
    rows, columns = np.indices((64, 64))
    truth = 20_000 + 15_000 * np.sin(rows / 20) * np.cos(columns / 15)
    data = truth + random.normal(0, sigma, truth.shape)
    result = restore(data, Denoise(GaussianNoise(sigma)), QUICK)
    assert result.frames[0].note.startswith("Noisy")
    residual = data - np.asarray(result.image, float)
    assert np.sqrt(np.mean(residual**2)) < 2 * sigma


def test_a_finer_image_explains_a_star_as_well():
    data, _ = sky(60_000)
    task = SuperResolve(GaussianNoise(SIGMA), factor=2)
    restored = torch.from_numpy(np.asarray(restore(data, task, QUICK).image))[None, None]
    residual = data - task.operator(data.shape)(restored)[0, 0].numpy()
    assert residual.std() < 3 * SIGMA


@pytest.mark.parametrize(
    "operator", [Denoise().operator((32, 32)), Resample((2, 2), "area")], ids=["same", "finer"]
)
def test_only_what_noise_cannot_explain_is_moved(operator, generator):
    side = operator.grid((32, 32)).shape[0]
    truth = torch.full((1, 1, side, side), 100.0)
    data = operator(truth) + SIGMA * torch.randn(1, 1, 32, 32, generator=generator)
    problem = Problem(data, operator, GaussianNoise(SIGMA), torch.ones_like(data))
    sigma = torch.full((1, 1, 1, 1), SIGMA)
    assert finished(within_noise(problem, truth, sigma)) is truth
    wrong = truth.clone()
    wrong[..., side // 2 - 4 : side // 2 + 4, side // 2 - 4 : side // 2 + 4] -= 800
    moved = finished(within_noise(problem, wrong, sigma))
    residual = (data - operator(moved))[0, 0]
    assert float(residual.abs().max()) < 8 * SIGMA
    assert torch.allclose(moved[..., :4, :], truth[..., :4, :], atol=1.0)


def test_a_channel_without_noise_is_explained_beside_missing_pixels():
    truth = torch.full((1, 2, 32, 32), 100.0)
    weights = torch.ones(1, 1, 32, 32)
    weights[..., 10:14, 10:14] = 0
    problem = Problem(truth, Denoise().operator((32, 32)), UnknownNoise(), weights)
    moved = finished(within_noise(problem, truth + 5, torch.tensor([SIGMA, 0.0]).reshape(1, 2, 1, 1)))
    assert moved.isfinite().all()
    assert torch.allclose(moved[:, 1][weights[:, 0] > 0], torch.tensor(100.0))


def test_what_one_channel_alone_shows_is_not_taken_for_noise():
    scene = np.indices((64, 64)).sum(0).astype(np.float32)
    colours = scene[..., None] + np.random.default_rng(0).normal(0, (0.3, 4, 0.3), (*scene.shape, 3))
    data = torch.from_numpy(colours.astype(np.float32)).permute(2, 0, 1)[None]
    problem = Problem(data, Resample((2, 2), "area"), UnknownNoise(), torch.ones(1, 1, 64, 64))
    assert float(finished(noise_strength(problem)).sigma.max()) < 1
