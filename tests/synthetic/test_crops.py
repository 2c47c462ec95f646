import pytest
import torch

from napari_dip.synthetic.crops import crops


@pytest.mark.parametrize("shape", [(40, 50), (16, 16), (15, 60), (2, 40)])
def test_crops_have_their_size_and_the_grey_levels_of_the_images(shape, generator):
    images = [torch.rand(shape, generator=generator) for _ in range(2)]
    parts = crops(images, 8, 16, generator)
    assert parts.shape == (8, 1, 16, 16)
    for part in parts:
        assert any(torch.isin(part, image).all() for image in images)


def test_crops_are_rotated_and_mirrored_in_all_eight_ways(generator):
    image = torch.arange(9.0).view(3, 3)
    seen = {tuple(part.flatten().tolist()) for part in crops([image], 200, 3, generator)}
    expected = {
        tuple(turned.flatten().tolist())
        for times in range(4)
        for turned in (image.rot90(times), image.rot90(times).flip(0))
    }
    assert seen == expected


def test_a_seed_reproduces_the_crops():
    images = [torch.rand(30, 30, generator=torch.Generator().manual_seed(0))]
    first, again, other = (crops(images, 4, 8, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_images_smaller_than_a_crop_are_mirrored(generator):
    image = torch.arange(6.0).repeat(4, 1)
    parts = crops([image], 3, 20, generator)
    assert parts.shape == (3, 1, 20, 20)
    line = torch.tensor([0.0, 1, 2, 3, 4, 5, 4, 3, 2, 1]).repeat(2)
    for part in parts[:, 0]:
        lines = part if (part == part[:1]).all() else part.mT
        assert all(torch.equal(one, line) or torch.equal(one, line.flip(0)) for one in lines)
