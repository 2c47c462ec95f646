import torch

from napari_dip.synthetic import collection
from napari_dip.synthetic.collection import SyntheticImages
from napari_dip.synthetic.images import synthetic_image


def test_an_image_is_made_once_when_it_is_first_needed(monkeypatch):
    made = []

    def counted(seed, number, side):
        made.append(number)
        return synthetic_image(seed, number, side)

    monkeypatch.setattr(collection, "synthetic_image", counted)
    images = SyntheticImages(3, range(5, 8), 40)
    assert len(images) == 3
    assert not made
    expected = torch.from_numpy(synthetic_image(3, 6, 40)).float()
    assert torch.equal(images[1], expected)
    assert torch.equal(images[1], expected)
    assert made == [6]
    assert len(list(images)) == 3
    assert made == [6, 5, 7]
