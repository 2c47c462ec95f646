import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_dip import GaussianPSF, estimate_psf

FWHM = 2 * np.sqrt(2 * np.log(2))


def edges(random, blur, noise=0.0):
    """Rectangles of two grey levels, as an instrument of this blur shows them."""
    image = np.full((160, 200), 40.0)
    for row, column in random.integers(0, 140, (12, 2)):
        image[row : row + 30, column : column + 40] = 220
    return gaussian_filter(image, np.hypot(blur, 0.8)) + random.normal(0, noise, image.shape)


@pytest.mark.parametrize("noise", [0.0, 4.0])
@pytest.mark.parametrize("blur", [1.0, 1.5, 2.5])
def test_the_width_of_blurred_edges_is_found(blur, noise, random):
    found = estimate_psf(edges(random, blur, noise))
    assert isinstance(found, GaussianPSF)
    assert found.fwhm == pytest.approx(FWHM * blur, rel=0.12)


def test_grey_levels_make_no_difference(random):
    image = edges(random, 1.5)
    assert estimate_psf(1000 + 12 * image).fwhm == pytest.approx(estimate_psf(image).fwhm, rel=1e-2)


def test_missing_pixels_make_no_edges(random):
    image = edges(random, 2.0)
    hidden = np.zeros(image.shape, bool)
    hidden[::17, ::13] = True
    damaged = np.where(hidden, 1e4, image)
    assert estimate_psf(damaged, missing=hidden).fwhm == pytest.approx(estimate_psf(image).fwhm, rel=0.05)
    assert estimate_psf(np.where(hidden, np.nan, image)).fwhm == estimate_psf(damaged, missing=hidden).fwhm


def test_of_a_series_the_sharpest_plane_counts(random):
    planes = np.stack([edges(random, blur) for blur in (3.0, 1.5, 2.5)])
    assert estimate_psf(planes, axes="TYX").fwhm == pytest.approx(FWHM * 1.5, rel=0.15)


def test_what_is_sharp_or_empty_is_refused(random):
    with pytest.raises(ValueError, match="no blur"):
        estimate_psf(np.kron(random.integers(0, 2, (20, 20)), np.full((8, 8), 100.0)))
    with pytest.raises(ValueError, match="constant"):
        estimate_psf(np.full((40, 40), 7.0))
