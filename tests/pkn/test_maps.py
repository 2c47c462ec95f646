import numpy as np
import pytest
import torch

from napari_dip.pkn.kernels.gaussian import Anisotropic
from napari_dip.pkn.maps import elongations
from napari_dip.pkn.observation import Observation


@pytest.mark.parametrize(("a", "b"), [(0.8, 0), (0, 0.8), (0.5, -0.6), (-1, 0.3)])
def test_elongations_are_the_axes_of_the_weights(a, b):
    found = elongations(np.full((40, 40), a), np.full((40, 40), b), across=4)
    maps = torch.tensor([1.2, a, b])[None, :, None, None].expand(1, 3, 40, 40)
    observation = Observation(torch.zeros(1, 1, 40, 40), torch.ones(1, 1, 1, 1))
    weights = (
        Anisotropic().weights_at(observation, lambda rows, columns: maps[:, :, rows, columns], 20, 20).numpy()
    )
    offsets = np.indices(weights.shape) - len(weights) // 2
    covariance = np.einsum("iyx,jyx,yx->ij", offsets, offsets, weights.astype(float))
    values, axes = np.linalg.eigh(covariance)
    direction = found.directions[0]
    assert abs(direction @ axes[:, 1]) == pytest.approx(np.linalg.norm(direction), rel=1e-3)
    assert found.ratios[0] == pytest.approx(
        np.sqrt(values[1] / values[0]), rel=0.1
    )  # the window truncates it
    assert np.linalg.norm(direction) == pytest.approx(1 - found.ratios[0] ** -2)


def test_elongations_lie_in_cells_and_round_filters_have_none():
    a = np.zeros((30, 50))
    a[:, 25:] = 1
    found = elongations(a, 0 * a, across=10)
    assert found.side == 5
    assert len(found.positions) == 6 * 5
    assert found.positions.min(0).tolist() == [2, 27]
    assert found.positions.max(0).tolist() == [27, 47]


def test_the_last_cells_may_be_smaller():
    found = elongations(np.ones((7, 11)), np.zeros((7, 11)), across=4)
    assert found.side == 3
    assert found.positions[-1].tolist() == [6, 9.5]


def test_opposite_directions_cancel():
    a = np.ones((8, 8))
    a[::2] = -1
    assert len(elongations(a, 0 * a, across=2).positions) == 0
