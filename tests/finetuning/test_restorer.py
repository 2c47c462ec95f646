import pytest
import torch
from torch import nn

from napari_dip.finetuning.intensity_mapping import IntensityMapping
from napari_dip.finetuning.restorer import Restorer, prepare_for_training
from napari_dip.pretrained.model import Pretrained

BYTES = IntensityMapping(0.0, 255.0)


def data(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 255


@pytest.mark.parametrize("scale", [1.0, 255.0])
@pytest.mark.parametrize(("factor", "pre_upsampled"), [(1, False), (2, False), (3, True)])
def test_what_a_network_adds_is_added_in_grey_levels(upsampler, scale, factor, pre_upsampled):
    pretrained = upsampler(factor, pre_upsampled=pre_upsampled, blank=True)
    nn.init.constant_(pretrained.network.layers[2].bias, 0.1 * scale)
    restorer = Restorer(pretrained, factor, IntensityMapping(100.0, 300.0, scale))
    image = torch.full((1, 1, 8, 9), 150.0)
    x = restorer(image)
    assert x.shape == (1, 1, 8 * factor, 9 * factor)
    torch.testing.assert_close(x, torch.full_like(x, 170.0), atol=1e-3, rtol=0)


def test_a_grey_network_restores_each_channel_by_itself(upsampler):
    restorer = Restorer(upsampler(2), 2, BYTES)
    image = data(2, 3, 8, 8)
    separate = torch.cat([restorer(image[:, at : at + 1]) for at in range(3)], 1)
    torch.testing.assert_close(restorer(image), separate)


def test_a_colour_network_is_shown_a_grey_image_as_equal_colours(upsampler):
    restorer = Restorer(upsampler(1, 3), 1, BYTES)
    image = data(1, 1, 8, 8)
    expected = restorer(image.expand(-1, 3, -1, -1)).mean(1, keepdim=True)
    torch.testing.assert_close(restorer(image), expected)


def test_the_order_of_the_colours_can_be_reversed(upsampler):
    pretrained, image = upsampler(1, 3), data(1, 3, 8, 8)
    usual, other = (Restorer(pretrained, 1, IntensityMapping(0, 255, 1, order)) for order in (False, True))
    torch.testing.assert_close(other(image), usual(image.flip(1)).flip(1))


def test_the_output_of_a_network_for_another_factor_is_resampled(upsampler):
    image = torch.linspace(0, 255, 16).expand(1, 1, 16, 16)
    x = Restorer(upsampler(4, blank=True), 3, BYTES)(image)
    assert x.shape == (1, 1, 48, 48)
    expected = Restorer(upsampler(3, blank=True), 3, BYTES)(image)
    torch.testing.assert_close(x[..., 6:-6], expected[..., 6:-6], atol=1.0, rtol=0)


def test_a_network_that_changes_its_input_does_not_change_the_data():
    class Careless(nn.Module):
        def forward(self, x):
            return x.mul_(0)

    image = data(1, 1, 8, 8)
    before = image.clone()
    Restorer(Pretrained(Careless(), "Careless", 1, 1, "test"), 1, IntensityMapping(0, 1))(image)
    torch.testing.assert_close(image, before)


def test_statistics_of_the_training_set_do_not_change():
    network = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Conv2d(4, 1, 1)
    )
    restorer = Restorer(Pretrained(network, "x", 1, 1, "test"), 1, BYTES)
    before = network[1].running_mean.clone()
    first, second = restorer(data(1, 1, 8, 8)), restorer(data(1, 1, 8, 8))
    torch.testing.assert_close(first, second)
    torch.testing.assert_close(network[1].running_mean, before)
    assert network.training
    assert not network[1].training


def test_paths_are_not_dropped():
    class DropPath(nn.Module):
        def forward(self, x):
            return x * 0 if self.training else x

    network = nn.Sequential(DropPath())
    prepare_for_training(network)
    assert float(network(torch.ones(1))) == 1
