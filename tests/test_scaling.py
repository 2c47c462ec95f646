import pytest
import torch
from torch import nn

from napari_dip.scaling import Range, ToGreyLevels


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
