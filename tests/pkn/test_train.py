import json

import numpy as np
import pytest
import torch

from napari_dip.errors import InputError
from napari_dip.noise.models import GaussianNoise, UnknownNoise
from napari_dip.operators import Identity
from napari_dip.pkn import objectives, trainer
from napari_dip.pkn import train as trains
from napari_dip.pkn.settings import Training
from napari_dip.pkn.train import train_network
from napari_dip.problem import Problem
from napari_dip.synthetic.images import synthetic_image

#: Smallest number of rows of a clean image, and of a noisy one.
CLEAN, NOISY = 160, 64


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(trainer, "_SETTING_ITERATIONS", 2)
    for name, value in {"_SIDE": 32, "_BATCH": 2, "_VALIDATION": 4}.items():
        monkeypatch.setattr(objectives, name, value)
    for name, value in {"_IMAGES": 3, "_VALIDATION": 2, "_SIDE": 64}.items():
        monkeypatch.setattr(trains, name, value)


def trained_by(*args, **options):
    """Return a trained network, and the steps of its training."""
    training, steps = train_network(*args, **options), []
    while True:
        try:
            steps.append(next(training))
        except StopIteration as end:
            return end.value, steps


@pytest.mark.parametrize("kernel", ["isotropic", "anisotropic-reblur", "upsample"])
def test_by_default_it_trains_on_synthetic_images(kernel):
    trained, _ = trained_by(Training(kernel=kernel, iterations=2))
    assert trained.network.kernel.name == kernel
    assert trained.network.kernel.factor == (2 if kernel == "upsample" else 1)
    assert json.loads(json.dumps(trained.metadata)) == trained.metadata
    assert trained.metadata["iterations"] == 2
    assert trained.metadata["images"].startswith("3 made pictures")


def test_the_range_of_the_noise_can_be_chosen():
    usual, strong, weak = (
        trained_by(Training(kernel="isotropic", iterations=1, **limits))[0].metadata["degradation"]
        for limits in ({}, {"weakest": 90.0}, {"weakest": 1.0, "strongest": 2.0})
    )
    assert (usual["weakest"], usual["strongest"]) == (5, 60)
    assert (weak["weakest"], weak["strongest"]) == (1, 2)
    assert 60 <= strong["weakest"] <= strong["strongest"]


@pytest.mark.parametrize("shape", [(CLEAN, 32), (200, 48)])
def test_clean_images_may_be_small_and_have_any_grey_levels(shape):
    image = np.resize(synthetic_image(0, 0, max(shape)), shape)
    trained, bright = (
        trained_by(Training(kernel="isotropic", iterations=2), clean=[scale * image])[0]
        for scale in (1, 1000)
    )
    assert "clean image" in trained.metadata["images"]
    assert bright.metadata["local"] == pytest.approx(trained.metadata["local"], abs=0.02)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((3, CLEAN, 32)), "must have two axes"),
        (np.zeros((CLEAN - 1, 200)), "at least 160 rows and 32 columns"),
        (np.zeros((200, 31)), "at least 160 rows and 32 columns"),
        (np.zeros((CLEAN, 32)), "not constant"),
        (np.full((CLEAN, 32), np.nan), "finite"),
    ],
)
def test_unusable_clean_images_are_refused(image, message):
    with pytest.raises(InputError, match=message):
        trained_by(Training(iterations=1), clean=[image])


def denoising(side, noise=GaussianNoise(20.0)):  # noqa: B008  it is frozen
    """Return the problem of denoising a synthetic image."""
    image = torch.from_numpy(synthetic_image(0, 0, side)).float()[None, None]
    data = image + 20 * torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
    return Problem(data, Identity(), noise, torch.ones_like(data))


def test_on_a_noisy_image_it_starts_from_the_bundled_network():
    trained, _ = trained_by(Training(kernel="anisotropic", iterations=2), noisy=denoising(NOISY))
    assert "Stein" in trained.metadata["images"]
    assert trained.metadata["local"] > 3  # dB, which two updates alone would not reach


@pytest.mark.parametrize("kernel", ["nlm", "anisotropic"])
def test_a_noisy_image_that_is_too_small_is_refused(kernel):
    with pytest.raises(InputError, match=f"must have at least {NOISY} pixels"):
        trained_by(Training(kernel=kernel, iterations=1), noisy=denoising(NOISY - 1))


@pytest.mark.parametrize("kernel", ["reblur", "upsample"])
def test_only_denoisers_are_trained_on_a_noisy_image(kernel):
    with pytest.raises(InputError, match="can't be trained on a noisy image"):
        trained_by(Training(kernel=kernel, iterations=1), noisy=denoising(NOISY))


def test_it_can_be_stopped_while_synthetic_images_are_made(monkeypatch):
    """Each image for validation is made between two steps."""
    made = []
    monkeypatch.setattr(
        "napari_dip.synthetic.collection.synthetic_image",
        lambda *args: made.append(args) or synthetic_image(*args),
    )
    training = train_network(Training(kernel="isotropic", iterations=1))
    for count in (1, 2):
        assert next(training).index < 0
        assert len(made) == count
    training.close()


def test_it_can_be_stopped_while_the_noise_is_measured(monkeypatch):
    measured = []
    monkeypatch.setattr("napari_dip.pkn.observe.estimating", lambda *_, **__: measured.append(1))
    training = train_network(
        Training(kernel="isotropic", iterations=1), noisy=denoising(NOISY, UnknownNoise())
    )
    assert next(training).index < 0
    assert not measured
    training.close()
