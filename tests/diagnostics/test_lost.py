import numpy as np
import pytest

from napari_dip.diagnostics.lost import lost_variance
from napari_dip.diagnostics.sources import kernel
from napari_dip.steps import finished

SIGMA = 3.0


def lost(data, x, *, seen=None):
    seen = np.ones(data.shape) if seen is None else seen
    return finished(lost_variance(x, data, seen / SIGMA**2, np.zeros(data.shape)))


def spot(shape, flux, width=1.6):
    """Return a source in the middle; its flux is given in standard errors of its matched filter."""
    part = kernel(width, len(shape))
    image = np.zeros(shape)
    half = len(part) // 2
    image[tuple(slice(n // 2 - half, n // 2 + half + 1) for n in shape)] = part
    return flux * SIGMA / np.sqrt((part**2).sum()) * image


@pytest.mark.parametrize("shape", [(96, 96), (48, 40, 44)], ids=["image", "volume"])
def test_noise_alone_adds_hardly_anything(shape, random):
    x = np.zeros(shape)
    assert lost(random.normal(0, SIGMA, shape), x).mean() < 0.01 * SIGMA**2


@pytest.mark.parametrize("sign", [1, -1], ids=["bright", "dark"])
@pytest.mark.parametrize("flux", [6.0, 8.0, 20.0])
def test_a_source_that_is_absent_is_covered(flux, sign, random):
    shape = (96, 96)
    source = sign * spot(shape, flux)
    held = []
    for _ in range(10):
        error = np.sqrt(lost(source + random.normal(0, SIGMA, shape), np.zeros(shape)))
        there = np.abs(source) > SIGMA / 2
        held.append((np.abs(source) < 1.96 * error)[there].mean())
    assert np.mean(held) > 0.8


def test_a_source_that_is_shown_has_the_error_of_its_flux(random):
    shape = (96, 96)
    source = spot(shape, 30.0)
    data = source + random.normal(0, SIGMA, shape)
    error = np.sqrt(lost(data, source))
    of_flux = spot(shape, 1.0)  # one standard error
    middle = (48, 48)
    assert 0.8 * of_flux[middle] < error[middle] < 3 * of_flux[middle]


def test_a_source_adds_only_around_itself(random):
    shape = (96, 96)
    found = lost(random.normal(0, SIGMA, shape) + spot(shape, 12.0), np.zeros(shape))
    away = np.hypot(*(np.indices(shape) - 48)) > 15
    assert found[away].mean() < 1e-3 * found.max()


def test_many_sources_make_a_faint_one_more_probable(random):
    shape = (144, 144)
    one = spot((24, 24), 10.0)
    data = random.normal(0, SIGMA, shape) + spot(shape, 4.0)
    alone = lost(data, np.zeros(shape))[72, 72]
    others = np.tile(one, (6, 6))
    others[60:84, 60:84] = 0
    assert lost(data + others, np.zeros(shape))[72, 72] > 1.3 * alone


def test_levels_have_no_influence_and_grey_levels_scale_it(random):
    shape = (64, 64)
    data = spot(shape, 6.0) + random.normal(0, SIGMA, shape)
    x = np.zeros(shape)
    np.testing.assert_allclose(lost(data + 500.0, x + 500.0), lost(data, x), rtol=1e-6, atol=1e-9)
    weights = np.full(shape, 1 / (7 * SIGMA) ** 2)
    scaled = finished(lost_variance(7 * x, 7 * data, weights, np.zeros(shape)))
    np.testing.assert_allclose(scaled, 49 * lost(data, x), rtol=1e-6)


def test_pixels_that_were_not_seen_have_no_influence(random):
    shape = (64, 64)
    data = spot(shape, 6.0) + random.normal(0, SIGMA, shape)
    seen = random.random(shape) > 0.05
    other = np.where(seen, data, 1e3)
    x = np.zeros(shape)
    np.testing.assert_array_equal(lost(other, x, seen=seen), lost(data, x, seen=seen))


def test_an_image_that_is_too_small_for_the_filters_has_none():
    assert not lost(np.ones((4, 200)), np.zeros((4, 200))).any()
