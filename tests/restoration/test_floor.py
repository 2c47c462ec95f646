"""The floor of a deconvolved image is chosen, said and recorded."""

import numpy as np
import pytest
from scipy.signal import fftconvolve

from napari_dip import (
    DIP,
    PKN,
    Deconvolve,
    Denoise,
    GaussianNoise,
    GaussianPSF,
    MoffatPSF,
    PoissonGaussianNoise,
    PoissonNoise,
    Recipe,
    RichardsonLucy,
    UnknownNoise,
    Wiener,
    restore,
)
from napari_dip.restoration.remarks import SuspectDataWarning

OFFSET, SKY, READ = 100.0, 20.0, 3.0
TOLD = PoissonGaussianNoise(1.0, OFFSET, READ)


def stars(psf, side=96, sky=SKY, read=READ, seed=0):
    """Return data of stars of 300 to 100 000 photons, in places that lie apart, and where they lie."""
    random = np.random.default_rng(seed)
    scene, places = np.zeros((side, side)), []
    for number, (row, column) in enumerate(np.ndindex(3, 3)):
        places.append((18 + 30 * row, 18 + 30 * column))
        scene[places[-1]] = 300 * 10 ** (2.5 * number / 8)
    light = fftconvolve(scene, psf.kernel(2), mode="same").clip(0) + sky
    return OFFSET + random.poisson(light) + read * random.normal(size=light.shape), places


def note(image, task):
    return restore(image, task, PKN(predictor="constant")).frames[0].note


def test_a_told_offset_is_the_floor_and_is_recorded():
    image, _ = stars(GaussianPSF(3.0))
    for noise in (TOLD, PoissonNoise(1.0, OFFSET)):
        result = restore(image, Deconvolve(noise, GaussianPSF(3.0)), PKN())
        assert result.image.min() >= OFFSET
        assert "above 100, the offset of the noise model" in result.frames[0].note
        assert "above 100" in result.provenance["frames"][0]["note"]


def test_without_positivity_there_is_no_floor():
    image, _ = stars(GaussianPSF(3.0))
    result = restore(image, Deconvolve(TOLD, GaussianPSF(3.0), positivity=False), PKN())
    assert result.image.min() < OFFSET
    assert result.frames[0].note == ""
    with pytest.raises(ValueError, match="needs positivity"):
        Deconvolve(floor=3.0, positivity=False)


def test_a_measured_offset_is_lowered_by_its_error(random):
    ramp = np.tile(np.linspace(5, 400, 160), (160, 1))
    image = OFFSET + 2 * random.poisson(ramp)
    result = restore(image, Deconvolve(UnknownNoise(), GaussianPSF(2.0)), RichardsonLucy(3))
    assert "below the offset that its noise shows" in result.frames[0].note
    level = float(result.frames[0].note.split("above ")[1].split(",")[0])
    assert 60 < level < OFFSET


def test_a_subtracted_background_has_no_floor(random):
    image = random.poisson(50.0, (64, 64)) - 50.0
    with pytest.warns(SuspectDataWarning, match="below the offset"):
        result = restore(image, Deconvolve(PoissonNoise()), PKN())
    assert "background seems to have been subtracted" in result.frames[0].note
    assert result.image.min() < 0


def test_other_noise_and_other_tasks_have_no_floor(random):
    image = random.normal(100, 5, (64, 64))
    for task in (Deconvolve(GaussianNoise(5.0)), Denoise(PoissonNoise(1.0, 70.0))):
        assert note(image, task) == ""


def test_a_filter_that_knows_no_floor_does_not_claim_one():
    image, _ = stars(GaussianPSF(3.0))
    result = restore(image, Deconvolve(TOLD, GaussianPSF(3.0)), Wiener())
    assert result.image.min() < OFFSET
    assert result.frames[0].note == ""


def test_a_recipe_without_a_floor_keeps_having_none():
    recipe = Recipe.of(
        {"task": {"type": "Deconvolve", "floor": None}, "method": {"type": "Wiener"}, "axes": "YX"}
    )
    assert recipe.task == Deconvolve(positivity=False)


@pytest.mark.parametrize("method", [PKN(), RichardsonLucy(10), Wiener()], ids=["PKN", "RL", "Wiener"])
@pytest.mark.parametrize(("sky", "read"), [(0.3, 0.0), (2.0, 3.0), (20.0, 3.0), (100.0, 0.0)])
def test_an_empty_sky_keeps_its_mean(method, sky, read, random):
    noise = PoissonGaussianNoise(1.0, OFFSET, read) if read else PoissonNoise(1.0, OFFSET)
    image = OFFSET + random.poisson(sky, (96, 96)) + read * random.normal(size=(96, 96))
    restored = restore(image, Deconvolve(noise, GaussianPSF(3.0)), method).image
    assert abs(restored.mean() - image.mean()) < 0.02 * np.sqrt(sky + read**2)


@pytest.mark.parametrize("psf", [GaussianPSF(3.0), MoffatPSF(3.0, beta=3.0)], ids=["Gaussian", "Moffat"])
@pytest.mark.parametrize("method", [PKN(), RichardsonLucy(20)], ids=["PKN", "RL"])
def test_sums_of_light_are_kept_around_stars(psf, method):
    image, places = stars(psf)
    restored = restore(image, Deconvolve(TOLD, psf), method).image
    assert restored.sum() - OFFSET * image.size == pytest.approx(image.sum() - OFFSET * image.size, rel=0.01)
    for row, column in places:
        part = np.s_[row - 13 : row + 14, column - 13 : column + 14]
        light = (image[part] - OFFSET).sum()
        assert (restored[part] - OFFSET).sum() == pytest.approx(light, rel=0.06)


def test_a_fit_keeps_to_the_chosen_floor(tiny):
    image, _ = stars(GaussianPSF(3.0))
    result = restore(image, Deconvolve(TOLD, GaussianPSF(3.0)), tiny)
    assert isinstance(tiny, DIP)
    assert result.image.min() >= OFFSET - 1e-3
