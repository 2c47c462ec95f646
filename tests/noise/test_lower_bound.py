import numpy as np
import pytest

from napari_dip.noise.lower_bound import alike, noise_lower_bound
from napari_dip.synthetic.images import synthetic_image


@pytest.mark.parametrize("size", [32, 192])
def test_noise_without_structure_is_measured_right(size, random):
    found = [
        noise_lower_bound(random.normal(100, 7, (size, size)), np.ones((size, size), bool)) for _ in range(8)
    ]
    assert np.mean(found) == pytest.approx(7, rel=0.08)


def test_structure_is_not_taken_for_noise():
    """The image shows leaves of all sizes with sharp edges."""
    image = synthetic_image(3, 2, 192)
    seen = np.ones(image.shape, bool)
    noise = np.random.default_rng(0).normal(0, 6, image.shape)
    assert noise_lower_bound(image, seen) < 1
    assert 4 < noise_lower_bound(image + noise, seen) < 7


def test_places_where_noise_is_cut_off_are_not_used(random):
    noisy = random.normal(0, 10, (96, 96))
    noisy[:, 48:] += 100
    clipped = noisy.clip(0, 255)
    assert noise_lower_bound(clipped, np.ones(clipped.shape, bool)) == pytest.approx(10, rel=0.15)
    dark = random.normal(0, 10, (96, 96)).clip(0, 255)  # clipped everywhere
    assert 3 < noise_lower_bound(dark, np.ones(dark.shape, bool)) < 10


def test_missing_pixels_have_no_influence(random):
    image, seen = random.normal(50, 4, (96, 96)), np.ones((96, 96), bool)
    image[::16, ::16], seen[::16, ::16] = 1e4, False
    assert noise_lower_bound(image, seen) == pytest.approx(4, rel=0.25)
    assert noise_lower_bound(image, np.zeros_like(seen)) == 0


@pytest.mark.parametrize("size", [1, 5, 12])
def test_no_noise_is_found_in_too_few_pixels(size, random):
    assert noise_lower_bound(random.normal(50, 4, (size, size)), np.ones((size, size), bool)) == 0


@pytest.mark.parametrize(
    ("bounds", "limited"),
    [
        ([0.6, 3.6, 0.0], [0.6, 1.2, 0.0]),
        ([3.0, 2.0, 2.5], [3.0, 2.0, 2.5]),
        ([0.1, 9.0], [0.1, 0.2]),
        ([4.0, 0.0, 0.0], [4.0, 0.0, 0.0]),  # an image of one channel, in colours
        ([0.0], [0.0]),
        ([], []),
    ],
)
def test_what_one_channel_alone_shows_is_limited(bounds, limited):
    assert alike(bounds) == pytest.approx(limited)
