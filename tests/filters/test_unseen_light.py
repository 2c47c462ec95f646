import numpy as np
import pytest
import torch
from scipy.signal import fftconvolve
from skimage import data

from napari_dip import (
    Deconvolve,
    GaussianNoise,
    GaussianPSF,
    LaplaceNoise,
    PoissonGaussianNoise,
    PoissonNoise,
    RichardsonLucy,
    UnknownNoise,
    restore,
)
from napari_dip.restoration.series import Series

PSF = GaussianPSF(4.0)
NUMBERS = (1, 2, 3, 5, 7, 10, 15, 20, 30, 45, 70, 100)


def blurred(peak, size=128):
    """Return a crop of a photograph with so many photons at its peak, and the same blurred."""
    scene = data.camera()[160 : 160 + size, 160 : 160 + size] * (peak / 255)
    margin = 12
    light = fftconvolve(np.pad(scene, margin, mode="reflect"), PSF.kernel(2), mode="same")
    return scene, light[margin:-margin, margin:-margin].clip(0)


def error(image, truth):
    return float(np.sqrt(np.mean((image - truth) ** 2)))


@pytest.mark.parametrize("told", [True, False], ids=["told", "measured"])
@pytest.mark.parametrize(
    ("peak", "noise"),
    [
        (100, PoissonNoise()),
        (3000, PoissonNoise()),
        (100, GaussianNoise(1.0)),
        (1000, PoissonGaussianNoise(1.0, 0.0, 4.0)),
    ],
    ids=["few photons", "many photons", "Gaussian", "read noise"],
)
def test_the_number_of_iterations_is_nearly_as_good_as_the_best_one(peak, noise, told):
    truth, light = blurred(peak)
    # The noise is drawn as in many simulations, and must not be that of the parts.
    y = noise.sample(torch.from_numpy(light), torch.Generator().manual_seed(0)).numpy()
    if isinstance(noise, GaussianNoise):
        y = light + np.random.default_rng(0).normal(0, noise.sigma, light.shape)
    task = Deconvolve(noise if told else UnknownNoise(), PSF)
    best = min(error(restore(y, task, RichardsonLucy(number)).image, truth) for number in NUMBERS)
    found = restore(y, task, RichardsonLucy())
    assert error(found.image, truth) < 1.03 * best
    assert f"predicted best after {found.frames[0].iterations} iteration" in found.frames[0].note
    same = restore(y, task, RichardsonLucy(found.frames[0].iterations))
    np.testing.assert_array_equal(found.image, same.image)


def test_all_channels_have_the_same_number():
    _, light = blurred(500)
    random = np.random.default_rng(3)
    y = random.poisson(np.stack([light, 0.1 * light])).astype(float)
    found = restore(y, Deconvolve(PoissonNoise(), PSF), RichardsonLucy(), axes="CYX")
    number = found.frames[0].iterations
    for channel, image in zip(y, found.image, strict=True):
        alone = restore(channel, Deconvolve(PoissonNoise(), PSF), RichardsonLucy(number)).image
        np.testing.assert_allclose(image, alone, rtol=1e-4, atol=1e-3)


def test_missing_pixels_have_no_influence():
    _, light = blurred(500)
    y = np.random.default_rng(3).poisson(light).astype(float)
    missing = np.random.default_rng(4).random(y.shape) < 0.1
    one, other = (
        restore(
            np.where(missing, value, y), Deconvolve(PoissonNoise(), PSF), RichardsonLucy(), missing=missing
        )
        for value in (0.0, 1e7)
    )
    assert one.frames[0].iterations == other.frames[0].iterations > 3
    np.testing.assert_array_equal(one.image, other.image)


@pytest.mark.parametrize("noise", [UnknownNoise(), LaplaceNoise(1.0)])
def test_without_noise_that_can_be_split_there_are_ten_iterations_and_a_remark(noise):
    y = 100 + 10 * np.add.outer(np.arange(24.0), np.arange(24.0))
    found = restore(y, Deconvolve(noise, PSF), RichardsonLucy())
    assert found.frames[0].iterations == 10
    problem = Series.of(y, Deconvolve(noise, PSF), RichardsonLucy()).frame(()).problem
    (remark,) = RichardsonLucy().remarks(problem)
    assert remark in found.frames[0].note
    assert RichardsonLucy(10).remarks(problem) == ()


def test_volumes_are_deconvolved_too():
    random = np.random.default_rng(5)
    scene = np.zeros((12, 24, 24))
    scene[random.integers(2, 10, 9), random.integers(4, 20, 9), random.integers(4, 20, 9)] = 2e4
    psf = GaussianPSF(3.0)
    y = random.poisson(fftconvolve(scene, psf.kernel(3), mode="same").clip(0) + 10).astype(float)
    task = Deconvolve(PoissonNoise(), psf)
    found = restore(y, task, RichardsonLucy(), axes="ZYX")
    assert found.frames[0].iterations > 10
    assert error(found.image, scene) < error(restore(y, task, RichardsonLucy(10), axes="ZYX").image, scene)
