"""The width of a blur is measured at points or edges, with an error, or refused."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.signal import fftconvolve
from skimage import data

from napari_dip import EstimatedPSF, GaussianPSF, MoffatPSF, estimate_psf


def sky(psf, random, count=40, side=192, brightest=4.0):
    """Return stars of very different brightness on a background, with photon and read noise."""
    scene = np.zeros((side, side))
    for _ in range(count):
        scene[tuple(random.integers(8, side - 8, 2))] += 10 ** random.uniform(2, brightest)
    light = fftconvolve(scene, psf.kernel(2), mode="same").clip(0) + 50
    return 100 + random.poisson(light) + random.normal(0, 3, light.shape)


def disc(psf, random, noise=2.0, side=160):
    """Return a disc with a sharp edge under the blur of an instrument, and noise."""
    rows, columns = np.mgrid[:side, :side]
    scene = np.where(np.hypot(rows - side / 2 + 0.3, columns - side / 2 - 0.2) < 50, 200.0, 50.0)
    return fftconvolve(np.pad(scene, 20, mode="edge"), psf.kernel(2), mode="same")[
        20:-20, 20:-20
    ] + random.normal(0, noise, scene.shape)


def rectangles(random, blur):
    image = np.full((160, 200), 40.0)
    for row, column in random.integers(0, 140, (12, 2)):
        image[row : row + 30, column : column + 40] = 220
    return gaussian_filter(image, blur) + random.normal(0, 2, image.shape)


@pytest.mark.parametrize("fwhm", [1.8, 2.5, 4.0, 6.0])
def test_stars_of_a_gaussian_are_fitted(fwhm, random):
    found = estimate_psf(sky(GaussianPSF(fwhm), random))
    assert isinstance(found, EstimatedPSF)
    assert found.source == "points"
    assert isinstance(found.model, GaussianPSF)
    assert found.model.fwhm == pytest.approx(fwhm, rel=0.04)
    assert abs(found.model.fwhm - fwhm) < 3 * found.standard_errors["fwhm"]


@pytest.mark.parametrize("fwhm", [2.5, 4.0])
def test_the_wings_of_a_star_are_recognised(fwhm, random):
    found = estimate_psf(sky(MoffatPSF(fwhm, beta=3.0), random, brightest=5.0))
    assert isinstance(found.model, MoffatPSF)
    assert found.model.fwhm == pytest.approx(fwhm, rel=0.05)
    assert found.model.beta == pytest.approx(3.0, abs=0.8)


def test_beads_of_one_brightness_are_fitted(random):
    scene = np.zeros((160, 160))
    scene[tuple(20 + 30 * np.indices((5, 5)).reshape(2, -1))] = 2000
    image = fftconvolve(scene, GaussianPSF(3.0).kernel(2), mode="same") + random.normal(10, 2, scene.shape)
    found = estimate_psf(image)
    assert (found.source, found.count) == ("points", 25)
    assert found.model.fwhm == pytest.approx(3.0, rel=0.03)


def test_galaxies_and_hot_pixels_among_stars_do_not_count(random):
    image = sky(GaussianPSF(3.0), random)
    for _ in range(15):
        galaxy = np.zeros(image.shape)
        galaxy[tuple(random.integers(10, 180, 2))] = 10_000
        image += gaussian_filter(galaxy, random.uniform(2, 5))
    image[tuple(random.integers(0, 192, (2, 20)))] += 2000
    assert estimate_psf(image).model.fwhm == pytest.approx(3.0, rel=0.06)


@pytest.mark.parametrize("noise", [0.5, 3.0])
@pytest.mark.parametrize("fwhm", [2.5, 4.0, 6.0, 9.0])
def test_the_edge_of_a_disc_is_measured(fwhm, noise, random):
    found = estimate_psf(disc(GaussianPSF(fwhm), random, noise))
    assert found.source == "edges"
    assert found.model.fwhm == pytest.approx(fwhm, rel=0.06)
    assert abs(found.model.fwhm - fwhm) < 2 * found.standard_errors["fwhm"]


def test_the_error_is_told_in_words(random):
    found = estimate_psf(disc(GaussianPSF(4.0), random))
    fwhm, error = found.model.fwhm, found.standard_errors["fwhm"]
    assert (
        found.in_words == f"FWHM {fwhm:.3g} ± {error:.1g} pixels, measured at {found.count} places on edges"
    )


@pytest.mark.parametrize("name", ["cell", "grass", "gravel"])
def test_textures_and_soft_edges_are_refused(name):
    with pytest.raises(ValueError, match="can't be measured"):
        estimate_psf(getattr(data, name)()[:256, :256])


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("smooth", [0.0, 2.0])
def test_noise_is_refused(seed, smooth):
    noise = gaussian_filter(np.random.default_rng(seed).normal(100, 5, (128, 128)), smooth)
    with pytest.raises(ValueError, match="can't be measured"):
        estimate_psf(noise)


def test_hot_pixels_are_refused(random):
    image = random.normal(100, 5, (128, 128))
    image[tuple(random.integers(0, 128, (2, 30)))] += 1000
    with pytest.raises(ValueError, match="can't be measured"):
        estimate_psf(image)


def test_sharp_and_constant_images_are_refused(random):
    with pytest.raises(ValueError, match="no blur"):
        estimate_psf(np.kron(random.integers(0, 2, (8, 8)), np.full((24, 24), 100.0)))
    with pytest.raises(ValueError, match="constant"):
        estimate_psf(np.full((40, 40), 7.0))
    with pytest.raises(ValueError, match="real numbers"):
        estimate_psf(np.full((40, 40), 7j))


def test_the_unit_of_grey_levels_makes_no_difference(random):
    for image in (sky(GaussianPSF(3.0), random), disc(GaussianPSF(3.0), random)):
        expected = estimate_psf(image).model.fwhm
        assert estimate_psf(1000 + 12 * image).model.fwhm == pytest.approx(expected, rel=1e-2)


def test_missing_pixels_do_not_count(random):
    image = disc(GaussianPSF(4.0), random)
    hidden = np.zeros(image.shape, bool)
    hidden[::17, ::13] = True
    damaged = np.where(hidden, 1e4, image)
    found = estimate_psf(damaged, missing=hidden)
    assert found.model.fwhm == pytest.approx(4.0, rel=0.1)
    assert estimate_psf(np.where(hidden, np.nan, image)) == found
    assert estimate_psf(np.ma.array(damaged, mask=hidden)) == found


def test_the_sharpest_plane_of_a_series_counts(random):
    planes = np.stack([rectangles(random, blur) for blur in (3.0, 1.5, 2.5)])
    assert estimate_psf(planes, axes="TYX").model.fwhm == pytest.approx(3.53, rel=0.1)


def test_of_a_lazy_series_eight_frames_are_read_once(random, lazy):
    frames = np.stack([disc(GaussianPSF(4.0), random, side=128)] * 40)
    series, read = lazy(frames)
    assert estimate_psf(series, axes="TYX") == estimate_psf(frames, axes="TYX")
    assert read == [0, 6, 11, 17, 22, 28, 33, 39]
