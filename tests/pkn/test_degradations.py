import numpy as np
import pytest
import torch

from napari_dip.pkn.degradations import Blurred, Noise, Shrunk, degradation
from napari_dip.pkn.kernels.gaussian import precision
from napari_dip.pkn.kernels.registry import KERNELS, kernel_of
from napari_dip.synthetic.crops import crops


def test_the_noise_is_as_strong_as_the_example_says(generator):
    clean = torch.rand(12, 1, 64, 64, generator=generator) * 255
    data = Noise(5.0, 60.0)(clean, generator)
    rest = (data.image - clean).flatten(1)
    torch.testing.assert_close(rest.std(1), data.sigma.flatten(), rtol=0.06, atol=0)
    torch.testing.assert_close(rest.mean(1), torch.zeros(12), rtol=0, atol=4)


def test_weak_noise_comes_as_often_as_strong_noise(generator):
    sigma = Noise(4.0, 64.0)(torch.zeros(4000, 1, 1, 1), generator).sigma
    assert sigma.min() >= 4
    assert sigma.max() <= 64
    for low, high in ((4, 8), (8, 16), (16, 32), (32, 64)):
        assert float(((sigma > low) & (sigma < high)).float().mean()) == pytest.approx(0.25, abs=0.03)


def test_a_blurred_point_has_the_shape_that_the_network_is_told(generator):
    point = torch.zeros(60, 1, 31, 31)
    point[:, :, 15, 15] = 1e6
    data = Blurred(1e-3, 2e-3)(point, generator)
    dy, dx = np.mgrid[-15:16, -15:16]
    widths = []
    for image, blur in zip(data.image[:, 0].double().numpy(), data.blur, strict=True):
        image = image / image.sum()
        spread = [[(image * p * q).sum() for q in (dy, dx)] for p in (dy, dx)]
        yy, yx, xx = (float(one) for one in precision(*blur.flatten().double()))
        told = np.linalg.inv([[yy, yx], [yx, xx]])
        widths.append(np.sqrt(np.linalg.det(told)))
        if np.sqrt(np.linalg.eigvalsh(told)).max() < 2:  # wider ones are cut off
            np.testing.assert_allclose(spread, told, rtol=0.02, atol=0.02)
    assert 0.8**2 <= min(widths) < 1
    assert 4 < max(widths) <= 2.4**2


@pytest.mark.parametrize("factor", [2, 3])
def test_a_shrunk_image_keeps_its_grey_levels(factor, generator):
    clean = torch.full((2, 1, 12, 12), 90.0)
    data = Shrunk(1e-3, 2e-3, factor)(clean, generator)
    torch.testing.assert_close(
        data.image, torch.full((2, 1, 12 // factor, 12 // factor), 90.0), atol=0.02, rtol=0
    )


@pytest.mark.parametrize("name", list(KERNELS))
def test_a_kernel_is_shown_what_it_can_undo(name, generator):
    """Of a clean image as large as its result."""
    kernel = kernel_of(name, 3)
    data = degradation(kernel)(torch.rand(2, 1, 60, 60, generator=generator) * 255, generator)
    assert kernel.factor * data.image.shape[-1] == 60
    assert (data.blur is not None) == (kernel.purpose == "deblur")
    kernel.apply(data, kernel.default().view(1, -1, 1, 1).expand(2, -1, 60, 60))


@pytest.mark.parametrize("shape", [(40, 50), (16, 16), (15, 60), (10, 5), (2, 40)])
def test_crops_have_their_size_and_nothing_but_the_images_grey_levels(shape, generator):
    images = [torch.rand(shape, generator=generator) for _ in range(2)]
    parts = crops(images, 8, 16, generator)
    assert parts.shape == (8, 1, 16, 16)
    for part in parts:
        assert any(torch.isin(part, image).all() for image in images)


def test_crops_are_turned_and_mirrored_all_ways(generator):
    image = torch.arange(9.0).view(3, 3)
    seen = {tuple(part.flatten().tolist()) for part in crops([image], 200, 3, generator)}
    expected = {
        tuple(turned.flatten().tolist())
        for times in range(4)
        for turned in (image.rot90(times), image.rot90(times).flip(0))
    }
    assert seen == expected


def test_a_seed_gives_the_same_examples_again():
    images = [torch.rand(30, 30, generator=torch.Generator().manual_seed(0))]
    first, again, other = (crops(images, 4, 8, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_images_that_are_smaller_than_a_part_are_mirrored(generator):
    image = torch.arange(6.0).repeat(4, 1)
    parts = crops([image], 3, 20, generator)
    assert parts.shape == (3, 1, 20, 20)
    line = torch.tensor([0.0, 1, 2, 3, 4, 5, 4, 3, 2, 1]).repeat(2)
    for part in parts[:, 0]:
        lines = part if (part == part[:1]).all() else part.mT
        assert all(torch.equal(one, line) or torch.equal(one, line.flip(0)) for one in lines)
