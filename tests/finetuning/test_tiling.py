import pytest
import torch

from napari_dip.finetuning.intensity_mapping import IntensityMapping
from napari_dip.finetuning.restorer import Restorer
from napari_dip.finetuning.tiling import MARGIN, TILE, interpolated, self_ensemble, tiled
from napari_dip.steps import finished

BYTES = IntensityMapping(0.0, 255.0)


def data(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 255


@pytest.mark.parametrize("factor", [1, 2])
def test_tiles_equal_the_whole(upsampler, factor):
    restorer = Restorer(upsampler(factor), factor, BYTES)
    image = data(1, 1, 2 * TILE + 2 * MARGIN + 7, 40)
    with torch.no_grad():
        whole = restorer(image)
    torch.testing.assert_close(finished(tiled(restorer, image)), whole, atol=1e-3, rtol=0)


def test_a_pause_follows_each_tile_and_shows_the_rows_so_far(upsampler):
    restorer = Restorer(upsampler(2), 2, BYTES)
    image = data(1, 1, 2 * TILE + 8, TILE + 8)
    shown = list(tiled(restorer, image, images=True))
    assert len(shown) == 6
    assert [one is None for one in shown] == [True, False] * 3
    result = finished(tiled(restorer, image))
    for row, x in enumerate(shown[1::2], start=1):
        done = 2 * TILE * row
        assert torch.equal(x[:, :, :done], result[:, :, :done])
        assert torch.equal(x[:, :, done:], interpolated(image, 2)[:, :, done:])


def test_the_self_ensemble_is_equivariant(upsampler):
    restorer, image = Restorer(upsampler(2), 2, BYTES), data(1, 1, 8, 10)
    x = finished(self_ensemble(restorer, image))
    torch.testing.assert_close(finished(self_ensemble(restorer, image.rot90(1, (2, 3)))), x.rot90(1, (2, 3)))
    torch.testing.assert_close(finished(self_ensemble(restorer, image.flip(3))), x.flip(3))
    assert not torch.allclose(x, finished(tiled(restorer, image)))


def test_the_self_ensemble_shows_the_mean_so_far(upsampler):
    restorer, image = Restorer(upsampler(2), 2, BYTES), data(1, 1, 8, 10)
    means = list(self_ensemble(restorer, image))
    assert len(means) == 8
    torch.testing.assert_close(means[0], finished(tiled(restorer, image)))
    torch.testing.assert_close(means[-1], finished(self_ensemble(restorer, image)))
