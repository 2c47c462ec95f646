"""Unknown noise that grows with brightness: the fit goes on with what is measured."""

import numpy as np
import pytest
import torch

from napari_dip import DIP, Denoise, GaussianNoise, UnknownNoise, restore
from napari_dip.dip.measured_noise import description, remarks, with_measured_noise
from napari_dip.dip.validation import Validation
from napari_dip.image.units import Units
from napari_dip.noise.per_channel import PerChannelNoise
from napari_dip.operators import Identity
from napari_dip.problem import Problem
from napari_dip.steps import finished

SCENE = np.tile(np.linspace(20, 400, 96), (96, 1))


def measured(made, stopping="held-out"):
    """Return the problem as it is told, and what the fit, its judge and its filters go on with."""
    told = Validation.of(made, stopping, None, torch.Generator().manual_seed(0))
    found = finished(with_measured_noise(told))
    for one in (found.fitted, found.held_out):
        assert one is None or one.noise is found.problem.noise
    return told, found


def photons(gain=2.0, seed=0):
    return gain * np.random.default_rng(seed).poisson(SCENE / gain)


def stars(seed):
    """Return a sky of 100 electrons with a few stars, whose noise has a standard deviation of 10 and more."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:128, :128]
    scene = np.full((128, 128), 100.0)
    for row, column, flux in zip(*random.uniform(5, 123, (2, 30)), random.pareto(1, 30) * 500, strict=True):
        scene += flux * np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 4.5) / 14
    return random.poisson(scene).astype(float)


def test_photon_noise_is_taken_as_its_data_show_it(problem):
    made = problem(photons())
    _, found = measured(made)
    u = torch.tensor([40.0, 200.0, 360.0]).view(1, 1, 1, 3)
    np.testing.assert_allclose(found.problem.noise.variance(u).flatten(), 2 * u.flatten(), rtol=0.3)


def test_the_noise_of_bright_stars_is_right_on_average():
    gains = []
    for seed in range(6):
        data = torch.from_numpy(stars(seed)).float()[None, None]
        _, found = measured(Problem(data, Identity(), UnknownNoise(), torch.ones_like(data)))
        gains.append(found.problem.noise.gain)
    assert np.mean(gains) == pytest.approx(1, rel=0.4)


def test_noise_that_is_the_same_everywhere_stays_unknown(problem):
    for scene in (SCENE, np.full((96, 96), 100.0)):
        told, found = measured(problem(scene + np.random.default_rng(0).normal(0, 10, scene.shape)))
        assert found is told


def test_the_noise_does_not_vanish_in_the_dark(problem):
    scene = np.where(SCENE > 200, SCENE, 0)
    _, found = measured(problem(2.0 * np.random.default_rng(0).poisson(scene / 2)))
    dark, usual = found.problem.noise.variance(torch.tensor([-50.0, 200.0]))
    assert dark > usual / 50


def test_channels_have_noise_of_their_own(problem):
    data = torch.from_numpy(np.stack([photons(2.0), photons(8.0, 1)])).float()[None]
    made = Problem(data, Identity(), UnknownNoise(), torch.ones_like(data[:, :1]))
    _, found = measured(made)
    assert isinstance(found.problem.noise, PerChannelNoise)
    weak, strong = (model.gain for model in found.problem.noise.models)
    assert strong / weak == pytest.approx(4, rel=0.3)


@pytest.mark.parametrize(
    ("noise", "stopping", "options"),
    [
        (GaussianNoise(9.0), "held-out", {}),
        (UnknownNoise(), "max-iterations", {}),
        (UnknownNoise(), "held-out", {"only_missing": True}),
    ],
    ids=["told", "no judge", "inpainting"],
)
def test_otherwise_the_noise_is_as_it_was_told(noise, stopping, options, problem):
    told, found = measured(problem(photons(), noise=noise, **options), stopping)
    assert found is told


def test_an_image_that_tells_nothing_stays_unknown(problem):
    told, found = measured(problem(np.random.default_rng(0).normal(100, 5, (12, 12))))
    assert found is told


def test_it_is_described_in_grey_levels():
    data = torch.from_numpy(photons()).float()[None, None] / 10
    units = Units(offset=0.0, scale=10.0)
    made = Problem(data, Identity(), UnknownNoise(), torch.ones_like(data), units=units)
    told, found = measured(made)
    sentence = description(found, made)
    gain = 10 * found.problem.noise.gain
    assert f"{gain:.3g} grey levels per photon" in sentence
    assert remarks(made, "held-out") == (sentence,)
    assert not description(told, made)


def test_remarks_say_how_strong_the_noise_is_or_that_it_is_unknown(problem):
    noisy = problem(SCENE + np.random.default_rng(0).normal(0, 10, SCENE.shape))
    (sentence,) = DIP().remarks(noisy)
    assert sentence.startswith("The noise was measured: σ = ")
    (sentence,) = DIP().remarks(problem(np.random.default_rng(0).normal(100, 5, (6, 6))))
    assert "can't be measured" in sentence
    assert not DIP().remarks(problem(photons(), noise=GaussianNoise(9.0)))


@pytest.mark.parametrize("grows", [True, False])
def test_the_report_of_a_run_says_whether_the_noise_was_measured(grows, tiny):
    image = photons() if grows else SCENE + np.random.default_rng(0).normal(0, 10, SCENE.shape)
    (report,) = restore(image, Denoise(), tiny).frames
    assert report.measured_noise is grows
    assert report.note.startswith("The noise was measured: ") is grows
