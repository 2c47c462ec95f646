import numpy as np
import pytest
from skimage import data

from napari_dip.io.sentinels import suspected


@pytest.mark.parametrize(
    ("value", "dtype", "low", "high"),
    [
        (-9999, np.float32, 0, 8000),  # heights of a landscape
        (-999, np.float64, 0, 30),
        (-32768, np.int16, -5000, 20_000),
        (-32767, np.int16, 0, 300),
        (-99, np.int16, 0, 40),
        (65_535, np.uint16, 0, 4095),
        (255, np.uint8, 0, 60),
        (-1e30, np.float32, 0, 1),
        (9.96921e36, np.float32, -50, 50),  # the fill value of netCDF
        (-3.4028235e38, np.float32, 0, 1e6),
        (12_345, np.int32, 0, 100),
    ],
)
@pytest.mark.parametrize("count", [4, 300])
def test_values_that_stand_apart_are_named_with_their_count(value, dtype, low, high, count, random):
    image = random.uniform(low, high, (60, 70)).astype(dtype)
    image.ravel()[:count] = value
    random.shuffle(image.ravel())
    assert suspected(image) == (dtype(value), count)


@pytest.mark.parametrize(
    "name", ["camera", "coins", "moon", "page", "text", "brick", "cell", "astronaut", "coffee"]
)
def test_images_without_such_values_raise_no_suspicion(name, random):
    image = getattr(data, name)()
    assert suspected(image) is None
    assert suspected(random.normal(image.astype(np.float32), 20)) is None
    assert suspected(random.poisson(image)) is None


def test_stars_cosmic_rays_and_labels_raise_no_suspicion(random):
    sky = random.normal(1000, 10, (100, 100))
    hit = random.random(sky.shape) < 0.01
    assert suspected(np.where(hit, sky + random.exponential(5000, sky.shape), sky)) is None
    assert suspected(np.arange(12).repeat(50)) is None
    assert suspected(np.array([0, 255], np.uint8).repeat(50)) is None


def test_one_or_three_outliers_are_not_often(random):
    image = random.normal(0, 1, (50, 50))
    for count in (1, 3):
        image.ravel()[:count] = -9999
        assert suspected(image) is None


@pytest.mark.parametrize(
    "values", [[], [1.0], [np.nan] * 9, [np.inf, -np.inf] * 9, [-9999] * 9, [True, False] * 9]
)
def test_little_data_raise_no_suspicion(values):
    assert suspected(np.array(values)) is None
