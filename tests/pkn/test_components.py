import numpy as np
import pytest
import torch

from napari_dip import PKN, Denoise, GaussianNoise, restore
from napari_dip.errors import InputError
from napari_dip.pkn.components import channels, components
from napari_dip.pkn.filtering import Filtering
from napari_dip.pkn.kernels.gaussian import Isotropic
from napari_dip.pkn.maps import NOISE_GAIN, maps_of
from napari_dip.pkn.observation import Observation
from napari_dip.pkn.predictors import Constant
from napari_dip.steps import finished

NOISE = GaussianNoise(20.0)


@pytest.fixture
def colours(random):
    """A photograph in which colours have less detail than brightness, and what was measured of it."""
    yy, xx = np.mgrid[:96, :96]
    brightness = 120 + 60 * np.sign(np.sin(xx / 3) * np.sin(yy / 4))
    tint = 30 * np.sin(xx / 40)[..., None] * [1.0, 0.0, -1.0]
    truth = brightness[..., None] + tint
    return truth, truth + random.normal(0, 20, truth.shape)


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_components_keep_the_image_and_the_strength_of_its_noise(count, random):
    image = torch.from_numpy(random.normal(0, 1, (1, count, 200, 200)))
    found = components(image)
    torch.testing.assert_close(channels(found), image)
    torch.testing.assert_close(found.flatten(1).std(1), torch.ones(count).double(), rtol=0.02, atol=0)
    covariance = torch.corrcoef(found.flatten(1)).reshape(count, count)
    torch.testing.assert_close(covariance, torch.eye(count).double(), rtol=0, atol=0.02)


def test_grey_has_no_colour_differences():
    found = components(torch.ones(1, 3, 4, 4))
    torch.testing.assert_close(found[0, 0], torch.full((4, 4), 3**0.5))
    torch.testing.assert_close(found[1:], torch.zeros(2, 1, 4, 4), rtol=0, atol=1e-6)


@pytest.mark.parametrize("kernel", ["isotropic", "anisotropic", "bilateral", "nlm"])
def test_colours_filtered_apart_are_better(kernel, colours):
    truth, data = colours
    errors = [
        np.sqrt(
            np.mean((restore(data, Denoise(NOISE), PKN(kernel, separate_colours=apart)).image - truth) ** 2)
        )
        for apart in (True, False)
    ]
    assert errors[0] < 0.9 * errors[1]


def test_every_component_has_maps_which_make_the_same_image(colours):
    _, data = colours
    first = restore(data, Denoise(NOISE), PKN(), return_maps=True)
    maps = {name: one.values for name, one in first.parameter_maps.items() if name != NOISE_GAIN}
    plain = ["width", "a", "b"]
    assert list(maps) == [prefix + name for prefix in ("", "colour 1 ", "colour 2 ") for name in plain]
    assert maps["colour 1 width"].mean() > 1.2 * maps["width"].mean()
    again = restore(data, Denoise(NOISE), PKN(), parameter_maps=maps)
    np.testing.assert_allclose(again.image, first.image, rtol=0, atol=0.01)
    with pytest.raises(InputError, match="needs all of its maps, width, a, b"):
        restore(data, Denoise(NOISE), PKN(), parameter_maps={name: maps[name] for name in list(maps)[:5]})


def test_one_set_of_maps_filters_all_channels_alike(colours):
    _, data = colours
    alike = restore(data, Denoise(NOISE), PKN(separate_colours=False), return_maps=True)
    maps = {name: one.values for name, one in alike.parameter_maps.items() if name != NOISE_GAIN}
    again = restore(data, Denoise(NOISE), PKN(), parameter_maps=maps)
    np.testing.assert_allclose(again.image, alike.image, rtol=0, atol=0.01)


def test_strength_0_leaves_colours_as_they_are(colours):
    _, data = colours
    method = PKN(strength=0.0, recover_sources=False)
    np.testing.assert_allclose(restore(data, Denoise(NOISE), method).image, data, rtol=0, atol=0.01)


def test_missing_pixels_are_left_out_of_every_component(colours, random):
    truth, data = colours
    missing = random.random(data.shape[:2]) < 0.3
    holes = np.where(missing[..., None], 1e6, data)
    errors = [
        np.std(restore(holes, Denoise(NOISE), PKN(separate_colours=apart), missing=missing).image - truth)
        for apart in (True, False)
    ]
    assert errors[0] < errors[1] < 20


def test_channels_that_miss_different_pixels_are_filtered_alike(random):
    image = torch.from_numpy(random.normal(100, 20, (1, 3, 12, 15))).float()
    seen = torch.ones_like(image)
    seen[:, 1, 4, 5] = 0
    kernel, sigma = Isotropic(), torch.full((1, 1, 1, 1), 20.0)
    for known, count in ((seen, 1), (seen[:, :1], 3)):
        steps = Filtering.predicting(
            kernel, Observation(image, sigma, known), Constant(kernel), separate_colours=True
        )
        filtering = finished(steps)
        assert len(filtering.parameters()) == count


def test_the_noise_of_a_channel_does_not_get_into_another(random):
    image = random.normal(100, np.array([2.0, 20.0, 2.0]), (48, 48, 3))
    noise_std = np.broadcast_to([2.0, 20.0, 2.0], image.shape)
    apart, alike = (
        restore(image, Denoise(), PKN(separate_colours=separate), noise_std=noise_std).image
        for separate in (True, False)
    )
    np.testing.assert_array_equal(apart, alike)


def test_the_noise_gain_is_the_mean_over_the_channels(random):
    """The noise is measured over many draws."""
    kernel, size, inner = Isotropic(), (14, 16), (slice(5, -5), slice(5, -5))
    draws = torch.from_numpy(random.normal(0, 1, (600, 1, 3, *size))).float()
    maps = {
        f"{prefix}width": torch.full(size, width)
        for prefix, width in (("", 0.6), ("colour 1 ", 1.0), ("colour 2 ", 2.0))
    }
    images = []
    for draw in draws:
        filtering = Filtering.given(kernel, Observation(draw, torch.ones(1, 1, 1, 1)), maps)
        images.append(filtering.image()[0])
    measured = torch.cat(images).square().mean((0, 1)).sqrt()
    gain = maps_of(filtering)[NOISE_GAIN].compute()
    torch.testing.assert_close(gain[inner], measured[inner], rtol=0.1, atol=0)
