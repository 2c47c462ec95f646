import torch

from napari_dip.pkn.examples import crops


def test_images_that_are_smaller_than_a_part_are_mirrored(generator):
    image = torch.arange(6.0).repeat(4, 1)
    parts = crops([image], 3, 20, generator)
    assert parts.shape == (3, 1, 20, 20)
    line = torch.tensor([0.0, 1, 2, 3, 4, 5, 4, 3, 2, 1]).repeat(2)
    for part in parts[:, 0]:
        lines = part if (part == part[:1]).all() else part.mT
        assert all(torch.equal(one, line) or torch.equal(one, line.flip(0)) for one in lines)
