import numpy as np
import pytest
import torch

from napari_dip.image.grid import Grid
from napari_dip.operators import Blur, Resample


def positions(grid):
    """Return the positions of the samples along each axis, in pixels of the data."""
    return [
        start + step * np.arange(n) for n, step, start in zip(grid.shape, grid.step, grid.origin, strict=True)
    ]


@pytest.mark.parametrize("shape", [(5, 7), (3, 5, 7)])
def test_the_grid_of_the_data_is_their_pixels(shape):
    for n, axis in zip(shape, positions(Grid.of_data(shape)), strict=True):
        assert axis.tolist() == list(range(n))


@pytest.mark.parametrize(("shape", "factors"), [((5, 7), (2, 3)), ((3, 5, 7), (4, 1, 1))])
def test_refined_samples_divide_the_pixels_of_the_data(shape, factors):
    grid = Grid.refined(shape, factors)
    for n, factor, axis in zip(shape, factors, positions(grid), strict=True):
        np.testing.assert_allclose(axis.reshape(n, factor).mean(1), np.arange(n), atol=1e-12)
        np.testing.assert_allclose(np.diff(axis), 1 / factor)


@pytest.mark.parametrize(("shape", "margins"), [((5, 7), (2, 0)), ((3, 5, 7), (1, 2, 3))])
def test_a_widened_grid_continues_at_both_ends(shape, margins):
    for n, margin, axis in zip(shape, margins, positions(Grid.widened(shape, margins)), strict=True):
        assert axis.tolist() == list(range(-margin, n + margin))


@pytest.mark.parametrize(
    ("narrow", "wide"),
    [
        (Grid.of_data((5, 7)), Grid.of_data((5, 7))),
        (Grid.of_data((5, 7)), Grid.widened((5, 7), (2, 3))),
        (Grid.of_data((3, 5, 7)), Grid.widened((3, 5, 7), (0, 2, 3))),
        (Grid.refined((5, 7), (2, 3)), (Resample((2, 3)) @ Blur(torch.ones(3, 5))).grid((5, 7))),
        (
            Grid.refined((3, 5, 7), (4, 1, 1)),
            (Resample((4, 1, 1)) @ Blur(torch.ones(5, 1, 3))).grid((3, 5, 7)),
        ),
    ],
    ids=["itself", "widened", "widened volume", "refined and widened", "refined and widened volume"],
)
def test_a_part_of_a_wider_grid_has_the_same_samples(narrow, wide):
    parts = zip(positions(narrow), positions(wide), narrow.part_of(wide), strict=True)
    for own, all_, part in parts:
        np.testing.assert_allclose(all_[part], own, atol=1e-9)
