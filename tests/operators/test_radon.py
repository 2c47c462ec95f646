import numpy as np
import pytest
import torch
from skimage.transform import radon

from napari_dip.operators import Grid, Radon


def blobs(n):
    """Smooth, without symmetry, 0 outside the inscribed circle."""
    rows, columns = (np.mgrid[:n, :n] - n // 2) / n
    image = np.exp(-((rows - 0.1) ** 2 + (columns + 0.2) ** 2) / 0.01)
    image += 0.5 * np.exp(-((rows + 0.15) ** 2 / 0.004 + (columns - 0.05) ** 2 / 0.02))
    return np.where(np.hypot(rows, columns) < 0.45, image, 0)


@pytest.mark.parametrize("n", [48, 49])
def test_it_is_that_of_scikit_image(n):
    angles = np.arange(0, 360, 20)
    expected = radon(blobs(n), angles, circle=True)
    sinogram = Radon(angles)(torch.from_numpy(blobs(n))[None, None])[0, 0].numpy()
    assert np.linalg.norm(sinogram - expected) < 1e-3 * np.linalg.norm(expected)


def test_each_ray_carries_all_it_meets():
    """Every projection holds the whole image."""
    image = torch.from_numpy(blobs(48))[None, None]
    sums = Radon(range(0, 180, 15))(image).sum(2)
    torch.testing.assert_close(sums, image.sum().expand_as(sums), rtol=1e-3, atol=0)


def test_other_data_than_a_sinogram_are_refused():
    assert Radon([0, 45, 90]).grid((20, 3)) == Grid((20, 20), (1.0, 1.0), (0.0, 0.0))
    for shape in [(20, 4), (20, 3, 3)]:
        with pytest.raises(ValueError, match=r"must be \(detectors, 3\)"):
            Radon([0, 45, 90]).grid(shape)
