import numpy as np
import pytest
import torch
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import uniform_filter

from napari_dip.pkn.kernels.nonlocal_means import NonLocalMeans
from napari_dip.pkn.observation import Observation

RADIUS, PATCH = NonLocalMeans.radius, NonLocalMeans.beyond


@pytest.mark.parametrize("with_guide", [False, True], ids=["alone", "guided, with holes"])
@pytest.mark.parametrize("varies", [False, True], ids=["one sigma", "map of sigma"])
def test_it_follows_the_formula(varies, with_guide, speckled, tensor, brute, random):
    h = random.uniform(0.3, 3, speckled.shape)
    sigma = random.uniform(5, 15, speckled.shape) if varies else np.full(speckled.shape, 9.0)
    guide = random.normal(0, 15, (2, *speckled.shape)) if with_guide else speckled[None]
    seen = (random.uniform(size=speckled.shape) > 0.3).astype(float) if with_guide else None
    margin = ((0, 0), (RADIUS + PATCH,) * 2, (RADIUS + PATCH,) * 2)
    patches = sliding_window_view(np.pad(guide, margin, mode="reflect"), (2 * PATCH + 1,) * 2, (1, 2))
    variance = np.pad(sigma**2, RADIUS, mode="reflect")

    def weights(row, column):
        window = slice(row, row + 2 * RADIUS + 1), slice(column, column + 2 * RADIUS + 1)
        here = patches[:, row + RADIUS, column + RADIUS, None, None]
        distance = ((patches[(slice(None), *window)] - here) ** 2).mean((0, 3, 4))
        noise = variance[window] + sigma[row, column] ** 2
        return np.exp(-np.maximum(0, distance - noise) / (h[row, column] * sigma[row, column]) ** 2)

    expected = brute(speckled, weights, RADIUS, seen)
    observation = Observation(
        tensor(speckled),
        tensor(sigma) if varies else torch.full((1, 1, 1, 1), 9.0, dtype=torch.float64),
        None if seen is None else tensor(seen),
        torch.from_numpy(guide)[None] if with_guide else None,
    )
    filtered = NonLocalMeans().apply(observation, tensor(h))
    np.testing.assert_allclose(filtered[0, 0], expected, rtol=1e-9)


def test_with_a_large_tolerance_it_is_the_mean_of_the_window(speckled, tensor):
    observation = Observation(tensor(speckled), torch.ones(1, 1, 1, 1).double())
    filtered = NonLocalMeans().apply(observation, tensor(np.full(speckled.shape, 1e9)))
    expected = uniform_filter(speckled, 2 * RADIUS + 1, mode="mirror")
    np.testing.assert_allclose(filtered[0, 0], expected, rtol=1e-9)


def test_only_similar_pixels_are_averaged(tensor, random):
    """The stripes are five pixels apart: each stripe pixel is a mean of stripe pixels alone."""
    stripes = np.tile([0.0, 0, 200, 0, 0], (20, 4))
    noisy = stripes + random.normal(0, 2, stripes.shape)
    observation = Observation(tensor(noisy), torch.full((1, 1, 1, 1), 2.0).double())
    filtered = NonLocalMeans().apply(observation, tensor(np.full(stripes.shape, 0.8)))[0, 0].numpy()
    assert np.abs(filtered - stripes).max() < 3
    assert (filtered - stripes).std() < 0.5 * (noisy - stripes).std()
