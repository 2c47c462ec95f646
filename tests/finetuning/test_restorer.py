import pytest
import torch
from torch import nn

from napari_dip.finetuning.restorer import (
    _AROUND,
    _TILE,
    IntensityMapping,
    Restorer,
    all_ways,
    in_tiles,
    learning,
)
from napari_dip.pretrained.model import Pretrained

BYTES = IntensityMapping(0.0, 255.0)


def data(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 255


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (10, 240, (0, 255)),
        (-20, 270, (0, 255)),  # noise at both ends
        (0.02, 0.97, (0, 1)),
        (500, 60000, (0, 65535)),
        (100, 4000, (100, 4000)),  # a camera of twelve bits
        (-1000, 3000, (-1000, 3000)),
        (0, 1e-6, (0, 1e-6)),
    ],
)
def test_the_range_is_that_of_a_usual_format_or_that_of_the_data(low, high, expected):
    image = torch.linspace(low, high, 64).reshape(1, 1, 8, 8)
    reading = IntensityMapping.of(image, torch.ones(1, 1, 8, 8, dtype=torch.bool))
    assert (reading.low, reading.high) == pytest.approx(expected)


def test_missing_pixels_say_nothing_of_the_range():
    image, seen = data(1, 1, 8, 8), torch.ones(1, 1, 8, 8, dtype=torch.bool)
    image[..., 0, 0], seen[..., 0, 0] = 1e6, False
    assert IntensityMapping.of(image, seen).high == 255


@pytest.mark.parametrize("scale", [1.0, 255.0])
@pytest.mark.parametrize(("factor", "enlarged"), [(1, False), (2, False), (3, True)])
def test_grey_levels_go_in_and_come_out(made, scale, factor, pre_upsampled):
    """What a network adds, in its own units, is added in grey levels."""
    pretrained = made(factor, pre_upsampled=pre_upsampled, blank=True)
    nn.init.constant_(pretrained.network.layers[2].bias, 0.1 * scale)
    restorer = Restorer(pretrained, factor, IntensityMapping(100.0, 300.0, scale))
    image = torch.full((1, 1, 8, 9), 150.0)
    x = restorer(image)
    assert x.shape == (1, 1, 8 * factor, 9 * factor)
    torch.testing.assert_close(x, torch.full_like(x, 170.0), atol=1e-3, rtol=0)


def test_each_channel_is_seen_by_itself_by_a_grey_network(made):
    restorer = Restorer(made(2), 2, BYTES)
    image = data(2, 3, 8, 8)
    alone = torch.cat([restorer(image[:, at : at + 1]) for at in range(3)], 1)
    torch.testing.assert_close(restorer(image), alone)


def test_a_network_for_colours_sees_a_grey_image_as_one_of_equal_colours(made):
    restorer = Restorer(made(1, 3), 1, BYTES)
    image = data(1, 1, 8, 8)
    expected = restorer(image.expand(-1, 3, -1, -1)).mean(1, keepdim=True)
    torch.testing.assert_close(restorer(image), expected)


def test_colours_may_be_wanted_the_other_way_round(made):
    pretrained, image = made(1, 3), data(1, 3, 8, 8)
    usual, swapped = (
        Restorer(pretrained, 1, IntensityMapping(0, 255, 1, swapped)) for swapped in (False, True)
    )
    torch.testing.assert_close(swapped(image), usual(image.flip(1)).flip(1))


def test_a_network_of_another_factor_is_resampled(made):
    image = torch.linspace(0, 255, 16).expand(1, 1, 16, 16)
    x = Restorer(made(4, blank=True), 3, BYTES)(image)
    assert x.shape == (1, 1, 48, 48)
    expected = Restorer(made(3, blank=True), 3, BYTES)(image)
    torch.testing.assert_close(x[..., 6:-6], expected[..., 6:-6], atol=1.0, rtol=0)


def test_a_network_that_changes_what_it_is_given_does_no_harm():
    class Careless(nn.Module):
        def forward(self, x):
            return x.mul_(0)

    image = data(1, 1, 8, 8)
    before = image.clone()
    restorer = Restorer(Pretrained(Careless(), "Careless", 1, 1, "test"), 1, IntensityMapping(0, 1))
    restorer(image)
    torch.testing.assert_close(image, before)


def test_what_was_measured_over_a_training_set_stays_as_it_is():
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
    learning(network)
    assert float(network(torch.ones(1))) == 1


@pytest.mark.parametrize("factor", [1, 2])
def test_tiles_equal_the_whole(made, factor):
    restorer = Restorer(made(factor), factor, BYTES)
    image = data(1, 1, 2 * _TILE + 2 * _AROUND + 7, 40)
    with torch.no_grad():
        whole = restorer(image)
    torch.testing.assert_close(in_tiles(restorer, image), whole, atol=1e-3, rtol=0)


def test_all_ways_to_turn_and_mirror_make_it_equivariant(made):
    restorer, image = Restorer(made(2), 2, BYTES), data(1, 1, 8, 10)
    x = all_ways(restorer, image)
    torch.testing.assert_close(all_ways(restorer, image.rot90(1, (2, 3))), x.rot90(1, (2, 3)))
    torch.testing.assert_close(all_ways(restorer, image.flip(3)), x.flip(3))
    assert not torch.allclose(x, in_tiles(restorer, image))
