"""With a self-ensemble, a mirrored or turned image gives the mirrored or turned result."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from napari_dip import (
    PKN,
    Deconvolve,
    Denoise,
    GaussianNoise,
    GaussianPSF,
    PoissonNoise,
    SuperResolve,
    UnknownNoise,
    restore,
)
from napari_dip.pkn.kernels.registry import KERNELS
from napari_dip.pkn.observation import Observation
from napari_dip.pkn.orientations import ORIENTATIONS
from napari_dip.pkn.predictors import StructureTensor

NOISE = GaussianNoise(10.0)
BLURRED = Deconvolve(NOISE, psf=GaussianPSF(2.0))
CASES = [
    *((Denoise(NOISE), name) for name in ("isotropic", "anisotropic", "bilateral", "nlm")),
    *((BLURRED, name) for name in ("reblur", "anisotropic-reblur")),
    *((SuperResolve(NOISE, factor=factor), "upsample") for factor in (2, 3, 4)),
    (Denoise(PoissonNoise(1.0)), "anisotropic"),
    (Denoise(UnknownNoise()), "anisotropic"),
]
#: Its sides are no multiples of the distance between predictions.
SHAPE = (37, 46)
TURNS = {
    "up and down": np.flipud,
    "left and right": np.fliplr,
    "transposed": np.transpose,
    "turned by 90 degrees": np.rot90,
    "turned by 180 degrees": lambda image: np.rot90(image, 2),
}


@pytest.fixture(scope="module")
def image():
    random = np.random.default_rng(0)
    scene = 120 + 250 * gaussian_filter(random.normal(size=SHAPE), 2)
    scene[:, 20:24] += 60
    return scene + random.normal(0, 10, SHAPE)


@pytest.fixture(scope="module")
def missing():
    missing = np.random.default_rng(1).random(SHAPE) < 0.1
    missing[3:17, 4:19] = True  # the middle lies beyond the reach of the filters
    return missing


@pytest.mark.parametrize("masked", [False, True], ids=["", "masked"])
@pytest.mark.parametrize(("task", "kernel"), CASES, ids=str)
@pytest.mark.filterwarnings("ignore:.*pixels have no observed pixel within reach")
def test_the_result_follows_the_image(image, missing, task, kernel, masked):
    method = PKN(kernel=kernel, self_ensemble=True)
    expected = restore(image, task, method, missing=missing if masked else None).image
    for turn in TURNS.values():
        hidden = turn(missing).copy() if masked else None
        found = restore(turn(image).copy(), task, method, missing=hidden).image
        np.testing.assert_allclose(found, turn(np.asarray(expected)), atol=5e-2)  # σ is 6 to 16


@pytest.mark.parametrize("predictor", ["structure-tensor", "constant"])
def test_it_does_so_with_other_predictors(image, predictor):
    for task, kernel in ((Denoise(NOISE), "anisotropic"), (SuperResolve(NOISE, factor=3), "upsample")):
        method = PKN(kernel=kernel, predictor=predictor, self_ensemble=True)
        expected = np.asarray(restore(image, task, method).image)
        for turn in TURNS.values():
            found = restore(turn(image).copy(), task, method).image
            np.testing.assert_allclose(found, turn(expected), atol=1e-3)


def test_it_does_so_with_a_guide_and_with_channels(image):
    method = PKN(kernel="bilateral", self_ensemble=True)
    guide, colours = gaussian_filter(image, 0.7), np.stack([image, 200 - image], -1)
    expected = np.asarray(restore(image, Denoise(NOISE), method, guide=guide).image)
    found = restore(image.T, Denoise(NOISE), method, guide=guide.T).image
    np.testing.assert_allclose(found, expected.T, atol=1e-3)
    expected = np.asarray(restore(colours, Denoise(NOISE), method, axes="YXC").image)
    found = restore(colours[::-1], Denoise(NOISE), method, axes="YXC").image
    np.testing.assert_allclose(found, expected[::-1], atol=1e-3)


def test_without_it_the_result_follows_roughly(image):
    plain = np.asarray(restore(image, BLURRED, PKN()).image)
    mirrored = np.asarray(restore(image[:, ::-1], BLURRED, PKN()).image)[:, ::-1]
    assert 0.3 < np.std(plain - mirrored) < NOISE.sigma


@pytest.mark.parametrize(("task", "kernel"), CASES[:-1], ids=str)
@pytest.mark.filterwarnings("ignore:.*pixels have no observed pixel within reach")
def test_its_maps_give_the_same_result(image, missing, task, kernel):
    method = PKN(kernel=kernel, self_ensemble=True)
    first = restore(image, task, method, missing=missing, return_maps=True)
    maps = {one.name: np.asarray(first.parameter_maps[one.name]) for one in KERNELS[kernel].parameters}
    again = restore(image, task, method, missing=missing, parameter_maps=maps)
    np.testing.assert_array_equal(again.image, first.image)


def test_the_strength_applies_to_the_mean_parameters(image):
    restored = restore(image, Denoise(NOISE), PKN(kernel="isotropic", self_ensemble=True, strength=0.0)).image
    np.testing.assert_allclose(restored, image, atol=0.1)


@pytest.mark.parametrize("orientation", ORIENTATIONS, ids=str)
def test_parameters_turn_with_the_image(orientation, image):
    """The structure tensor knows nothing of orientations: it finds a and b of the turned image."""
    predictor = StructureTensor(KERNELS["anisotropic"]())
    square = torch.from_numpy(image[:36, :36].copy())[None, None]
    whole = Observation(square, torch.full((1, 1, 1, 1), 10.0), blur=torch.ones(1, 3, 1, 1))
    expected, turned = predictor(whole), orientation.of_observation(whole)
    torch.testing.assert_close(orientation.undone(turned.image), square)
    signs = torch.tensor([orientation.sign(name) for name in ("width", "a", "b")]).view(1, 3, 1, 1)
    torch.testing.assert_close(signs * orientation.undone(predictor(turned)), expected)
    torch.testing.assert_close(turned.blur[0, :, 0, 0].float(), signs.flatten().float())
