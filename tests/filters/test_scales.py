"""Coarser images have the same white noise, and go back into the image that they came from."""

import pytest
import torch

from napari_dip.filters.scales import coarser, with_coarse


def noise(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def test_noise_stays_white_and_as_strong():
    coarse = coarser(noise(1, 256, 256))[0]
    assert coarse.shape == (128, 128)
    assert float(coarse.std()) == pytest.approx(1, abs=0.03)
    assert abs(float((coarse[1:] * coarse[:-1]).mean())) < 0.03
    assert abs(float((coarse[:, 1:] * coarse[:, :-1]).mean())) < 0.03


@pytest.mark.parametrize(("shape", "factor"), [((64, 64), 2), ((64, 20), 2**0.5), ((40, 40, 40), 2**1.5)])
def test_smooth_structure_becomes_brighter(shape, factor):
    coarse = coarser(torch.ones(1, *shape))
    torch.testing.assert_close(coarse, torch.full_like(coarse, factor))


@pytest.mark.parametrize("shape", [(3, 64, 48), (1, 65, 33), (1, 7, 80), (2, 8, 40, 33)])
def test_an_image_with_its_own_lower_frequencies_is_the_same(shape):
    image = noise(*shape)
    torch.testing.assert_close(with_coarse(image, coarser(image)), image, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("shape", [(1, 31, 31), (2, 1, 1), (1, 8, 30, 30)])
def test_small_images_have_no_coarser_one(shape):
    assert coarser(torch.zeros(shape)) is None


def test_what_is_taken_from_the_coarse_image_is_smooth():
    image = torch.zeros(1, 64, 64)
    changed = with_coarse(image, coarser(image) + 3)
    torch.testing.assert_close(changed, torch.full_like(image, 1.5))
