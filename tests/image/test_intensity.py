import pytest
import torch
from torch import nn

from napari_dip.image.intensity import Range, ToGreyLevels


def test_there_and_back(generator):
    data = 1000 + 300 * torch.randn(1, 2, 30, 30, generator=generator)
    range_ = Range.of(data, torch.ones_like(data, dtype=torch.bool))
    torch.testing.assert_close(range_.from_unit(range_.to_unit(data)), data)


def test_each_channel_has_its_range_and_hot_pixels_do_not_stretch_it(generator):
    data = torch.rand(1, 2, 50, 50, generator=generator) * torch.tensor([1.0, 4000.0]).view(1, 2, 1, 1)
    data[0, :, 0, 0] = 1e9
    range_ = Range.of(data, torch.ones(1, 1, 50, 50, dtype=torch.bool))
    assert range_.high.flatten().tolist() == pytest.approx([1, 4000], rel=0.02)


def test_missing_pixels_do_not_count():
    data = torch.tensor([[[[0.0, 1.0, 99.0]]]])
    range_ = Range.of(data, torch.tensor([[[[True, True, False]]]]))
    assert (float(range_.low), float(range_.high)) == (0, 1)


@pytest.mark.parametrize("observed", [True, False])
def test_a_channel_without_contrast_still_has_a_range(observed):
    data = torch.full((1, 1, 4, 4), 7.0)
    range_ = Range.of(data, torch.full((1, 1, 4, 4), observed))
    assert float(range_.high) > float(range_.low)


def test_a_nearly_binary_image_keeps_its_contrast():
    data = torch.zeros(1, 1, 40, 40)
    data[..., 0, 0] = 5  # fewer pixels than the quantile
    range_ = Range.of(data, torch.ones(1, 1, 40, 40, dtype=torch.bool))
    assert float(range_.high) == 5


def test_the_last_layer_gives_float32_grey_levels_and_clips_nothing():
    range_ = Range(torch.tensor([[[[100.0]]]]), torch.tensor([[[[300.0]]]]))
    layer = ToGreyLevels(nn.Identity(), range_)
    x = layer(torch.tensor([[[[0.0, 0.5, -7.0]]]], dtype=torch.bfloat16))
    assert x.dtype == torch.float32
    assert x.flatten().tolist() == [200, 300, -1200]


RANGE = Range(torch.tensor([[[[100.0]]]]), torch.tensor([[[[300.0]]]]))


def test_nothing_falls_below_the_floor_and_everything_has_a_gradient():
    layer = ToGreyLevels(nn.Identity(), RANGE, floor=90.0)
    g = torch.linspace(-0.6, 2, 100).view(1, 1, 10, 10).requires_grad_()
    x = layer(g)
    x.sum().backward()
    x = x.detach()
    assert float(x.min()) >= 90
    assert float(g.grad.min()) > 0
    assert float(layer(torch.full((1, 1, 1, 1), -100.0))) == 90
    assert (x.flatten().diff() > 0).all()


def test_well_above_the_floor_nothing_changes():
    g = torch.linspace(-0.4, 0.5, 100).view(1, 1, 10, 10)
    with_floor, without = (ToGreyLevels(nn.Identity(), RANGE, floor=floor)(g) for floor in (80.0, None))
    torch.testing.assert_close(with_floor, without, rtol=0, atol=0.01)


def test_each_channel_bends_within_its_own_range():
    range_ = Range(torch.zeros(1, 2, 1, 1), torch.tensor([1.0, 1000.0]).view(1, 2, 1, 1))
    x = ToGreyLevels(nn.Identity(), range_, floor=0.0)(torch.full((1, 2, 3, 3), -0.5))
    torch.testing.assert_close(x[:, 1], 1000 * x[:, 0])


def test_the_sieve_filters_before_the_floor():
    """So that the floor holds for what is given, and the filter sees no bend."""
    seen = []

    class Note(nn.Module):
        def forward(self, g):
            seen.append(g)
            return g - 10

    x = ToGreyLevels(nn.Identity(), RANGE, sieve=Note(), floor=95.0)(torch.ones(1, 1, 2, 2))
    assert torch.equal(seen[0], torch.ones(1, 1, 2, 2))
    torch.testing.assert_close(x, torch.full_like(x, 95.0))


def test_a_range_through_a_gain_is_that_of_what_was_gathered():
    data = torch.tensor([[[[10.0, 50.0]], [[0.0, 4.0]]]])
    range_ = Range.of(data, torch.ones(1, 1, 1, 2, dtype=torch.bool))
    through = range_.through(8.0)
    torch.testing.assert_close(8 * through.from_unit(through.to_unit(data / 8)), data)
    assert through.low.flatten().tolist() == [1.25, 0]
    assert through.high.flatten().tolist() == [6.25, 0.5]
