import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_dip.diagnostics import sources
from napari_dip.diagnostics.sources import MatchedFilters, kernel
from napari_dip.steps import finished


def significance(image, sigma=1.0, *, skewness=0.0, seen=None):
    weights = np.full(image.shape, 1 / sigma**2) if seen is None else seen / sigma**2
    filters = MatchedFilters(weights, np.full(image.shape, skewness))
    return filters, finished(filters.significance(image))


@pytest.mark.parametrize("shape", [(64, 64), (20, 24, 28)], ids=["image", "volume"])
@pytest.mark.parametrize("sigma", [0.01, 30.0])
def test_noise_has_significances_of_variance_one(shape, sigma, random):
    filters, z = significance(random.normal(0, sigma, shape), sigma)
    assert len(filters.usable) >= 3
    np.testing.assert_allclose(z[:2].std((1, 2) if len(shape) == 2 else (1, 2, 3)), 1, atol=0.12)


def test_a_constant_and_its_level_have_no_significance(random):
    noise = random.normal(size=(48, 48))
    for level in (0.0, 1e4):
        _, z = significance(noise + level)
        np.testing.assert_allclose(z, significance(noise)[1], atol=1e-6)


def test_a_source_has_its_matched_signal_to_noise_ratio():
    spot = np.zeros((65, 65))
    spot[32, 32] = 1
    spot = gaussian_filter(spot, 1.7, truncate=6)
    filters, z = significance(100 * spot)
    assert z[:, 32, 32].argmax() == filters.usable.index(1.7)
    # The constant that is fitted as well costs a few per cent.
    assert z[:, 32, 32].max() == pytest.approx(100 * np.sqrt((spot**2).sum()), rel=0.07)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_peak_is_found_where_it_is(sign, random):
    image = random.normal(size=(64, 64))
    image[20 - 11 : 20 + 12, 40 - 11 : 40 + 12] += sign * 60 * kernel(2.3, 2)
    filters, z = significance(image)
    peaks = filters.peaks(z)
    assert len(peaks) == 1
    assert np.abs(peaks.places[0] - [20, 40]).max() <= 1
    assert np.sign(peaks.significance[0]) == sign


def test_blank_fields_hold_less_than_a_tenth_of_a_peak_each(random):
    found = 0
    for _ in range(40):
        filters, z = significance(random.normal(size=(64, 64)))
        found += len(filters.peaks(z))
    assert found <= 8  # four on average at the most; more is as improbable as 2 %


@pytest.mark.parametrize("photons", [0.05, 0.3, 1.0, 5.0])
def test_photon_noise_makes_no_peaks_either(photons, random):
    """Counts are skewed: a Gaussian threshold would be exceeded in every second field at one photon."""
    found = 0
    for _ in range(30):
        counts = random.poisson(photons, (64, 64)).astype(float)
        filters, z = significance(counts - photons, photons**0.5, skewness=photons**-0.5)
        found += len(filters.peaks(z))
    assert found <= 7


def test_missing_pixels_have_no_influence(random):
    image = random.normal(size=(64, 64))
    seen = random.random((64, 64)) > 0.2
    one, other = (significance(np.where(seen, image, hidden), seen=seen)[1] for hidden in (0.0, 50.0))
    np.testing.assert_allclose(one, other, atol=1e-9)
    filters, z = significance(np.where(seen, image, 0.0), seen=seen)
    assert not len(filters.peaks(z))


def test_nothing_is_sought_in_images_smaller_than_the_narrowest_window():
    filters, z = significance(np.ones((5, 5)))
    assert len(filters.peaks(z)) == 0


def test_the_rings_around_a_bright_star_are_no_peaks():
    rows, columns = np.mgrid[:129, :129] - 64
    star = 1e5 / (1 + (rows**2 + columns**2) / 9) ** 2.5
    filters, z = significance(star)
    near = np.hypot(*(filters.peaks(z).places - 64).T) < 12
    assert near.sum() == 1


@pytest.mark.parametrize("shape", [(80, 90), (20, 24, 28)], ids=["image", "volume"])
def test_few_missing_pixels_are_taken_into_account_as_many_are(shape, random, monkeypatch):
    image, seen = random.normal(size=shape), np.ones(shape)
    for _ in range(3):
        seen[tuple(random.integers(n) for n in shape)] = 0
    monkeypatch.setattr(sources, "_FEW", 1.0)
    few, z = significance(image, 2.0, seen=seen)
    monkeypatch.setattr(sources, "_FEW", -1.0)
    many, other = significance(image, 2.0, seen=seen)
    np.testing.assert_allclose(z, other, atol=1e-9)
    for number in range(len(few.usable)):
        np.testing.assert_allclose(few.information(number), many.information(number), atol=1e-12)
