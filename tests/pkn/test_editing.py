import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_dip.pkn.editing import scaled, set_to, smoothed


@pytest.fixture
def values(random):
    return random.uniform(0.5, 4, (3, 20, 30)).astype(np.float32)


@pytest.fixture
def region(values):
    region = np.zeros(values.shape, bool)
    region[1, 5:15, 10:20] = True
    return region


@pytest.mark.parametrize("change", [set_to, scaled, smoothed])
def test_only_the_region_changes(values, region, change):
    before = values.copy()
    after = change(values, region, 1.5)
    assert after.dtype == np.float32
    assert np.array_equal(values, before)
    assert np.array_equal(after[~region], values[~region])
    assert (after[region] != values[region]).all()


def test_a_region_is_set_or_multiplied(values, region):
    assert (set_to(values, region, 2)[region] == 2).all()
    assert np.array_equal(scaled(values, region, 2)[region], 2 * values[region])


def test_logarithms_of_positive_values_are_smoothed(values, region):
    expected = np.exp(gaussian_filter(np.log(values[1]), 2, mode="nearest"))
    assert np.allclose(smoothed(values, region, 2)[region], expected[region[1]])
    expected = gaussian_filter(values[1] - 2, 2, mode="nearest")
    assert np.allclose(smoothed(values - 2, region, 2)[region], expected[region[1]], atol=1e-6)


def test_smoothing_with_sigma_0_changes_nothing(values, region):
    assert np.allclose(smoothed(values, region, 0), values)
    with pytest.raises(ValueError, match="must be >= 0 pixels"):
        smoothed(values, region, -1)
