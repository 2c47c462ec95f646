import pytest
import torch

from napari_dip.image.intensity import Range


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


def test_a_range_through_a_gain_is_that_of_what_was_gathered():
    data = torch.tensor([[[[10.0, 50.0]], [[0.0, 4.0]]]])
    range_ = Range.of(data, torch.ones(1, 1, 1, 2, dtype=torch.bool))
    through = range_.through(8.0)
    torch.testing.assert_close(8 * through.from_unit(through.to_unit(data / 8)), data)
    assert through.low.flatten().tolist() == [1.25, 0]
    assert through.high.flatten().tolist() == [6.25, 0.5]
