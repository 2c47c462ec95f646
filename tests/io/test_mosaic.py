import numpy as np
import pytest
from skimage import data

from napari_dip.io.mosaic import looks_like_mosaic

#: Pictures that come with scikit-image.
GREY = (
    "camera",
    "coins",
    "moon",
    "page",
    "text",
    "clock",
    "brick",
    "grass",
    "gravel",
    "cell",
    "checkerboard",
)
COLOUR = ("astronaut", "chelsea", "coffee", "rocket", "immunohistochemistry", "hubble_deep_field")
#: Sensitivity of a camera to red, green and blue.
SENSITIVITY = np.array([0.55, 1.0, 0.45])


def filtered(colours, pattern="RGGB"):
    """Return what a sensor behind a mosaic of filters sees."""
    height, width = (n // 2 * 2 for n in colours.shape[:2])
    seen = np.empty((height, width))
    for at, letter in enumerate(pattern):
        y, x = divmod(at, 2)
        seen[y::2, x::2] = colours[y:height:2, x:width:2, "RGB".index(letter)]
    return seen


@pytest.mark.parametrize("pattern", ["RGGB", "BGGR", "GRBG", "GBRG"])
@pytest.mark.parametrize("name", ["chelsea", "coffee", "rocket", "immunohistochemistry"])
def test_mosaics_of_photographs_are_seen(name, pattern, random):
    colours = getattr(data, name)()[..., :3] * (SENSITIVITY if name in ("rocket", "chelsea") else 1.0)
    mosaic = filtered(colours, pattern)
    assert looks_like_mosaic(mosaic)
    assert looks_like_mosaic(random.normal(mosaic, 10))


@pytest.mark.parametrize("name", [*GREY, *COLOUR])
def test_other_images_are_not_taken_for_mosaics(name, random):
    image = getattr(data, name)()
    planes = [image] if image.ndim == 2 else [image[..., channel] for channel in range(3)]
    for plane in planes:
        noisy = random.normal(plane.astype(float), 20)
        columns = plane + 8.0 * (np.arange(plane.shape[1]) % 2)
        rows = plane + 8.0 * (np.arange(plane.shape[0]) % 2)[:, None]
        enlarged = np.kron(plane[:100, :100], np.ones((2, 2)))
        for one in (plane, noisy, columns, rows, enlarged, plane[:101, :77], random.poisson(plane / 10)):
            assert not looks_like_mosaic(one)


def test_four_different_phases_are_a_mosaic_whatever_the_pattern(random):
    means = np.tile([[100.0, 140.0], [180.0, 220.0]], (32, 40))
    assert looks_like_mosaic(means)
    for sigma in (5, 20, 50):
        assert looks_like_mosaic(random.normal(means, sigma))
    assert not looks_like_mosaic(random.normal(100, 20, means.shape))
    assert not looks_like_mosaic(random.poisson(3, means.shape))


@pytest.mark.parametrize("shape", [(2, 2), (8, 500), (31, 31), (1, 1), (3, 1000)])
def test_small_images_are_not_judged(shape, random):
    height, width = shape
    mosaic = np.tile([[1.0, 2.0], [3.0, 4.0]], (height // 2 + 1, width // 2 + 1))[:height, :width]
    looks_like_mosaic(mosaic)
    if min(shape) < 8:
        assert not looks_like_mosaic(mosaic)


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_constant_and_empty_images_are_no_mosaics(value):
    assert not looks_like_mosaic(np.full((64, 64), value))


def test_a_mosaic_with_missing_and_hot_pixels_is_seen(random):
    mosaic = random.normal(np.tile([[100.0, 160.0], [160.0, 80.0]], (32, 40)), 10)
    mosaic[random.random(mosaic.shape) < 0.05] = np.nan
    mosaic[random.random(mosaic.shape) < 0.005] = 60_000
    assert looks_like_mosaic(mosaic)
