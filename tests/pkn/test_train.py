import json

import numpy as np
import pytest
import torch

from napari_dip.errors import InputError
from napari_dip.pkn import train as teaching
from napari_dip.pkn import trainer as training
from napari_dip.pkn.observation import Observation
from napari_dip.pkn.settings import Training
from napari_dip.pkn.train import train_network
from napari_dip.synthetic.images import picture

#: Rows of a clean image at the least, and of a noisy one.
CLEAN, NOISY = 160, 64


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    for name, value in {"_SETTING": 2, "_SIDE": 32, "_BATCH": 2}.items():
        monkeypatch.setattr(training, name, value)
    for name, value in {"_PICTURES": 3, "_MORE": 2, "_SIDE": 64}.items():
        monkeypatch.setattr(teaching, name, value)


def taught(*args, **options):
    course = train_network(*args, **options)
    while True:
        try:
            next(course)
        except StopIteration as end:
            return end.value


@pytest.mark.parametrize("kernel", ["isotropic", "nlm", "anisotropic-reblur", "upsample"])
def test_made_pictures_do_where_there_are_no_others(kernel):
    trained = taught(Training(kernel=kernel, iterations=2))
    assert trained.network.kernel.name == kernel
    assert trained.network.kernel.factor == (2 if kernel == "upsample" else 1)
    assert json.loads(json.dumps(trained.record)) == trained.record
    assert trained.record["iterations"] == 2
    assert "made pictures" in trained.record["images"]


def test_its_noise_can_be_chosen():
    usual, strong, weak = (
        taught(Training(kernel="isotropic", iterations=1, **limits)).record["degradation"]
        for limits in ({}, {"weakest": 90.0}, {"weakest": 1.0, "strongest": 2.0})
    )
    assert (usual["weakest"], usual["strongest"]) == (5, 60)
    assert (weak["weakest"], weak["strongest"]) == (1, 2)
    assert 60 <= strong["weakest"] <= strong["strongest"]


@pytest.mark.parametrize("shape", [(CLEAN, 32), (200, 48)])
def test_clean_images_may_be_small_and_of_any_grey_levels(shape):
    """Smaller than the parts that a network is trained on, too."""
    image = np.resize(picture(0, 0, max(shape)), shape)
    trained, bright = (
        taught(Training(kernel="isotropic", iterations=2), clean=[scale * image]) for scale in (1, 1000)
    )
    assert "clean image" in trained.record["images"]
    assert bright.record["local"] == pytest.approx(trained.record["local"], abs=0.02)


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
def test_clean_images_that_teach_nothing_are_refused(image, message):
    with pytest.raises(InputError, match=message):
        taught(Training(iterations=1), clean=[image])


def noisy(side):
    generator = torch.Generator().manual_seed(0)
    image = torch.from_numpy(picture(0, 0, side)).float()[None, None]
    return Observation(
        image + 20 * torch.randn(image.shape, generator=generator), torch.full((1, 1, 1, 1), 20.0)
    )


def test_a_noisy_image_teaches_the_network_that_is_there():
    trained = taught(Training(kernel="anisotropic", iterations=2), noisy=noisy(NOISY))
    assert "Stein" in trained.record["images"]
    assert trained.record["local"] > 3  # as it has learnt before


@pytest.mark.parametrize("kernel", ["nlm", "anisotropic"])
def test_so_small_that_no_window_fits_it_is_refused(kernel):
    with pytest.raises(InputError, match=f"must have {NOISY} pixels"):
        taught(Training(kernel=kernel, iterations=1), noisy=noisy(NOISY - 1))


@pytest.mark.parametrize("kernel", ["reblur", "upsample"])
def test_what_needs_a_truth_takes_no_noisy_image(kernel):
    with pytest.raises(InputError, match="can't be trained on a noisy image"):
        taught(Training(kernel=kernel, iterations=1), noisy=noisy(NOISY))
