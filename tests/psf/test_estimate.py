import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_dip import GaussianPSF, estimate_psf

FWHM = 2 * np.sqrt(2 * np.log(2))


def edges(random, blur, noise=0.0):
    """Return rectangles of two grey levels under the blur of an instrument, and noise."""
    image = np.full((160, 200), 40.0)
    for row, column in random.integers(0, 140, (12, 2)):
        image[row : row + 30, column : column + 40] = 220
    return gaussian_filter(image, np.hypot(blur, 0.8)) + random.normal(0, noise, image.shape)


@pytest.mark.parametrize("noise", [0.0, 4.0])
@pytest.mark.parametrize("blur", [1.0, 1.5, 2.5])
def test_the_width_of_blurred_edges_is_measured(blur, noise, random):
    found = estimate_psf(edges(random, blur, noise))
    assert isinstance(found, GaussianPSF)
    assert found.fwhm == pytest.approx(FWHM * blur, rel=0.12)


def test_the_unit_of_grey_levels_makes_no_difference(random):
    image = edges(random, 1.5)
    assert estimate_psf(1000 + 12 * image).fwhm == pytest.approx(estimate_psf(image).fwhm, rel=1e-2)


def test_missing_pixels_do_not_count_as_edges(random):
    image = edges(random, 2.0)
    hidden = np.zeros(image.shape, bool)
    hidden[::17, ::13] = True
    damaged = np.where(hidden, 1e4, image)
    assert estimate_psf(damaged, missing=hidden).fwhm == pytest.approx(estimate_psf(image).fwhm, rel=0.05)
    assert estimate_psf(np.where(hidden, np.nan, image)).fwhm == estimate_psf(damaged, missing=hidden).fwhm


def test_the_sharpest_plane_of_a_series_counts(random):
    planes = np.stack([edges(random, blur) for blur in (3.0, 1.5, 2.5)])
    assert estimate_psf(planes, axes="TYX").fwhm == pytest.approx(FWHM * 1.5, rel=0.15)


def test_sharp_and_constant_images_are_refused(random):
    with pytest.raises(ValueError, match="no blur"):
        estimate_psf(np.kron(random.integers(0, 2, (20, 20)), np.full((8, 8), 100.0)))
    with pytest.raises(ValueError, match="constant"):
        estimate_psf(np.full((40, 40), 7.0))
    with pytest.raises(ValueError, match="real numbers"):
        estimate_psf(np.full((40, 40), 7j))


def test_of_a_lazy_series_eight_frames_are_read_once(random, lazy):
    frames = np.stack([edges(random, 2.0)] * 40)
    series, read = lazy(frames)
    assert estimate_psf(series, axes="TYX") == estimate_psf(frames, axes="TYX")
    assert read == [0, 6, 11, 17, 22, 28, 33, 39]


def test_masked_pixels_are_missing(random):
    image = edges(random, 2.0)
    hidden = np.zeros(image.shape, bool)
    hidden[::17, ::13] = True
    masked = np.ma.array(np.where(hidden, 1e4, image), mask=hidden)
    assert estimate_psf(masked) == estimate_psf(image, missing=hidden)
