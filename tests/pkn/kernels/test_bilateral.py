import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from napari_dip.pkn.kernels.bilateral import Bilateral
from napari_dip.pkn.observation import Observation


@pytest.mark.parametrize(
    ("with_guide", "with_holes"), [(False, False), (True, True)], ids=["alone", "guided"]
)
def test_it_follows_the_formula(with_guide, with_holes, speckled, tensor, brute, offsets, random):
    """The noise differs from pixel to pixel; that of the central pixel counts."""
    width = random.uniform(0.4, 4, speckled.shape)
    contrast = random.uniform(0.5, 5, speckled.shape)
    sigma = random.uniform(5, 15, speckled.shape)
    guide = random.normal(0, 30, (3, *speckled.shape)) if with_guide else speckled[None]
    seen = (random.uniform(size=speckled.shape) > 0.3).astype(float) if with_holes else None
    dy, dx = offsets(5)
    padded = np.pad(guide, ((0, 0), (5, 5), (5, 5)), mode="reflect")

    def weights(row, column):
        here = guide[:, row, column, None, None]
        distance = ((padded[:, row : row + 11, column : column + 11] - here) ** 2).mean(0)
        reach = 2 * (contrast[row, column] * sigma[row, column]) ** 2
        return np.exp(-(dy**2 + dx**2) / (2 * width[row, column] ** 2) - distance / reach)

    expected = brute(speckled, weights, 5, seen)
    observation = Observation(
        tensor(speckled),
        tensor(sigma),
        None if seen is None else tensor(seen),
        torch.from_numpy(guide)[None] if with_guide else None,
    )
    filtered = Bilateral().apply(observation, torch.from_numpy(np.stack([width, contrast]))[None])
    np.testing.assert_allclose(filtered[0, 0], expected, rtol=1e-9)


def test_with_a_large_contrast_it_is_the_gaussian(speckled, tensor):
    maps = torch.tensor([1.3, 1e9], dtype=torch.float64).view(1, 2, 1, 1).expand(1, 2, *speckled.shape)
    filtered = Bilateral().apply(Observation(tensor(speckled), torch.ones(1, 1, 1, 1)), maps)
    expected = gaussian_filter(speckled, 1.3, mode="mirror", radius=5)
    np.testing.assert_allclose(filtered[0, 0], expected, rtol=1e-9)


def test_an_edge_higher_than_the_contrast_is_kept(tensor):
    step = np.repeat([[10.0] * 8 + [200.0] * 8], 12, 0)
    maps = torch.tensor([4.0, 3.0]).double().view(1, 2, 1, 1).expand(1, 2, 12, 16)
    filtered = Bilateral().apply(Observation(tensor(step), torch.full((1, 1, 1, 1), 5.0)), maps)
    np.testing.assert_allclose(filtered[0, 0], step, rtol=1e-9)
