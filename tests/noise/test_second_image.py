"""Two images whose noise is independent of each other's."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from napari_dip.noise.second_image import split_noise
from napari_dip.noise.whiteness import whiteness


def noise(shape, blur):
    drawn = np.random.default_rng(0).standard_normal(shape)
    return 10 * gaussian_filter(drawn, (0,) * (len(shape) - 2) + (blur, blur))


def parts(shape, blur):
    data = torch.tensor(100 + noise(shape, blur), dtype=torch.float32)[None]
    found = whiteness(data, torch.ones_like(data))
    first, second = split_noise(data, found.spectrum, torch.Generator().manual_seed(1))
    return data - 100, first - 100, second - 100


@pytest.mark.parametrize("blur", [0.0, 0.6, 1.2])
def test_neither_image_tells_the_noise_of_the_other(blur):
    data, first, second = parts((1, 512, 512), blur)
    for shift in ((0, 0), (0, 1), (1, 0), (1, 1), (0, 2)):
        both = float((first * second.roll(shift, (2, 3))).mean())
        assert abs(both) < 0.08 * float(data.square().mean())


def test_noise_is_drawn_with_the_spectrum_of_the_image():
    data, first, _ = parts((1, 512, 512), 1.0)
    added = (first - data) / 0.06**0.5
    for shift in range(4):
        of_data, of_added = (float((one * one.roll(shift, 3)).mean()) for one in (data, added))
        assert of_added == pytest.approx(of_data, abs=0.08 * float(data.square().mean()))


def test_the_first_image_has_little_more_noise_than_the_data():
    data, first, _ = parts((1, 256, 256), 1.0)
    assert 1 < float(first.square().mean() / data.square().mean()) < 1.1


def test_channels_and_planes_have_noise_of_their_own():
    data, first, _ = parts((2, 4, 64, 64), 0.8)
    added = (first - data).flatten(3).reshape(8, -1)
    assert abs(torch.corrcoef(added) - torch.eye(8)).max() < 0.15


def test_missing_pixels_and_units_change_nothing():
    data = torch.tensor(noise((1, 128, 128), 1.0), dtype=torch.float32)[None]
    spectrum = whiteness(data, torch.ones_like(data)).spectrum
    once = split_noise(data, spectrum, torch.Generator().manual_seed(1))
    scaled = split_noise(64 * data, 64**2 * spectrum, torch.Generator().manual_seed(1))
    assert all(torch.allclose(64 * one, other) for one, other in zip(once, scaled, strict=True))
