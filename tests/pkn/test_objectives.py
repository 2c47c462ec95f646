from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_dip.pkn import objectives
from napari_dip.pkn.degradations import Blurred, Noisy
from napari_dip.pkn.filter import Filter
from napari_dip.pkn.kernels.bilateral import Bilateral
from napari_dip.pkn.kernels.gaussian import Anisotropic, Isotropic
from napari_dip.pkn.kernels.nonlocal_means import NonLocalMeans
from napari_dip.pkn.objectives import self_supervised, supervised
from napari_dip.pkn.observation import Observation
from napari_dip.pkn.predictors import Constant
from napari_dip.synthetic.images import synthetic_image


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    for name, value in {"_SIDE": 32, "_BATCH": 2}.items():
        monkeypatch.setattr(objectives, name, value)


@pytest.fixture
def images():
    return [torch.from_numpy(synthetic_image(0, at, 64)).float() for at in range(3)]


@pytest.fixture
def noisy():
    """A function that returns a noisy synthetic image."""

    def make(side, sigma=20.0, seed=0, **parts):
        truth = torch.from_numpy(synthetic_image(2, 0, side)).float()[None, None]
        sigma = torch.as_tensor(sigma).reshape(1, 1, *(np.shape(sigma) or (1, 1))).float()
        noise = torch.randn(truth.shape, generator=torch.Generator().manual_seed(seed))
        return truth, Observation(truth + sigma * noise, sigma, **parts)

    return make


def score(objective, kernel, *setting):
    tried = Filter(kernel, Constant(kernel, torch.tensor(setting)))
    with torch.no_grad():
        return np.mean([one(tried(observation)) for observation, one in objective.validation])


def test_the_score_is_the_mean_psnr_of_the_validation_images(images):
    """With a width of 0.2 pixels the filter changes nothing."""
    objective = supervised(Noisy(20.0, 20.0 + 1e-6), images, images)
    assert score(objective, Isotropic(), 0.2) == pytest.approx(20 * np.log10(255 / 20), abs=0.1)


def test_the_validation_images_are_scored_in_pieces(images):
    objective = supervised(Blurred(), images, images)
    assert len(objective.validation) == 6
    for observation, _ in objective.validation:
        assert observation.image.shape == (4, 1, 64, 64)
        assert observation.blur.shape == (4, 3, 1, 1)


@pytest.mark.parametrize(
    ("kernel", "case"),
    [
        (Anisotropic(), "plain"),
        (NonLocalMeans(), "map of sigma"),
        (Anisotropic(), "missing pixels"),
        (Bilateral(), "missing pixels"),
    ],
    ids=["plain", "map of sigma", "missing pixels", "missing pixels, bilateral"],
)
def test_steins_estimate_is_the_error_on_average(kernel, case, noisy, monkeypatch):
    """The mean is over draws of the noise."""
    monkeypatch.setattr(objectives, "_HELD_OUT", 0.4)
    monkeypatch.setattr(objectives, "_BATCH", 1)
    monkeypatch.setattr(objectives, "_SIDE", 24)
    sigma = torch.linspace(8, 25, 40)[:, None].expand(40, 40) if case == "map of sigma" else 15.0
    seen = None
    if case == "missing pixels":
        seen = (torch.rand(1, 1, 40, 40, generator=torch.Generator().manual_seed(0)) > 0.15).float()
        seen[:, :, 4:20, 4:20] = 0  # larger than the window
    tried = Filter(kernel, Constant(kernel))
    estimates, errors = [], []
    for seed in range(60):
        truth, observation = noisy(40, sigma, seed, seen=seen)
        (data,), loss = self_supervised(observation).sample(torch.Generator().manual_seed(seed))
        with torch.no_grad():
            outputs = tried(data)
            estimates.append(float(loss(outputs)))
        # The example is a crop of all rows that are trained on.
        hidden = 1 if seen is None else seen
        clean = next(
            truth[:, :, :24, left : left + 24]
            for left in range(17)
            if torch.equal(
                data.image[:1] * (1 if seen is None else data.seen[:1]),
                (observation.image * hidden)[:, :, :24, left : left + 24],
            )
        )
        counts = torch.ones(1, 1, 24, 24) if seen is None else data.seen[:1]
        error = ((outputs[:1] - clean) / data.sigma[:1]).square().where(counts > 0, 0)
        errors.append(float(error.sum() / counts.sum()))
    assert np.mean(estimates) == pytest.approx(np.mean(errors), abs=0.06)
    assert 0.03 < np.mean(errors) < 0.7


def test_without_a_truth_the_score_is_the_reduction_of_the_noise(noisy):
    _, observation = noisy(96)
    unfiltered, too_wide, good = (
        score(self_supervised(observation), Isotropic(), width) for width in (0.2, 4.0, 1.0)
    )
    assert unfiltered == pytest.approx(0, abs=0.5)
    assert good > max(unfiltered, too_wide) + 1


def test_missing_pixels_have_no_influence(noisy):
    seen = (torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(0)) > 0.2).float()
    _, observation = noisy(64, seen=seen)
    kernel, losses = Bilateral(), []
    for hidden in (0.0, 1e4):
        image = observation.image.where(seen > 0, hidden)
        objective = self_supervised(replace(observation, image=image))
        (data,), loss = objective.sample(torch.Generator().manual_seed(0))
        with torch.no_grad():
            losses.append(
                (float(loss(Filter(kernel, Constant(kernel))(data))), score(objective, kernel, 1.5, 3.0))
            )
    assert losses[0] == losses[1]
