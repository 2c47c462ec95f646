"""Laws that every operator keeps. A new operator is one more row of OPERATORS."""

import pytest
import torch
import torch.nn.functional as F

from napari_dip.operators import Compose, Grid, Identity, Operator


class Mean(Operator):
    """Mean of 2 x 2 pixels: an operator whose x lies on a finer grid, to hold the laws against."""

    def forward(self, x):
        return {4: F.avg_pool2d, 5: F.avg_pool3d}[x.ndim](x, 2)

    def grid(self, data_shape):
        return Grid(tuple(2 * n for n in data_shape), (0.5,) * len(data_shape), (-0.25,) * len(data_shape))


OPERATORS = {
    "identity": Identity,
    "mean": Mean,
    "mean of mean": lambda: Compose(Mean(), Mean()),
    "identity of mean": lambda: Identity() @ Mean(),
}
SHAPES = [(6, 5), (4, 3, 5)]


@pytest.fixture(params=list(OPERATORS.values()), ids=list(OPERATORS))
def operator(request):
    return request.param()


@pytest.mark.parametrize("data_shape", SHAPES)
class TestLaws:
    def test_the_adjoint_passes_the_dot_test(self, operator, data_shape, generator):
        x = torch.randn(2, 3, *operator.grid(data_shape).shape, generator=generator, dtype=torch.float64)
        y = torch.randn(2, 3, *data_shape, generator=generator, dtype=torch.float64)
        torch.testing.assert_close((operator(x) * y).sum(), (x * operator.adjoint(y)).sum())

    def test_it_takes_its_grid_to_the_data(self, operator, data_shape):
        grid = operator.grid(data_shape)
        assert operator(torch.zeros(1, 2, *grid.shape)).shape == (1, 2, *data_shape)
        assert len(grid.step) == len(grid.origin) == len(data_shape)

    def test_it_is_linear(self, operator, data_shape, generator):
        x, other = (
            torch.randn(1, 1, *operator.grid(data_shape).shape, generator=generator, dtype=torch.float64)
            for _ in range(2)
        )
        torch.testing.assert_close(operator(3 * x - other), 3 * operator(x) - operator(other))

    def test_the_grid_says_where_samples_are(self, operator, data_shape):
        """A ramp sampled where the grid says comes out as the ramp of the data."""
        grid = operator.grid(data_shape)
        along = grid.origin[0] + grid.step[0] * torch.arange(grid.shape[0], dtype=torch.float64)
        ramp = along.view(-1, *(1,) * (len(data_shape) - 1)).expand(grid.shape)[None, None]
        expected = torch.arange(data_shape[0], dtype=torch.float64).view(-1, *(1,) * (len(data_shape) - 1))
        torch.testing.assert_close(operator(ramp)[0, 0], expected.expand(data_shape))

    def test_dtype_is_kept_and_input_is_not_modified(self, operator, data_shape):
        x = torch.ones(1, 1, *operator.grid(data_shape).shape, dtype=torch.float64)
        assert operator(x).dtype == torch.float64
        assert bool((x == 1).all())


def test_composition_applies_the_right_one_first():
    x = torch.arange(64.0).view(1, 1, 8, 8)
    outer, inner = Mean(), Identity()
    assert torch.equal((outer @ inner)(x), outer(inner(x)))
    assert (Mean() @ Mean()).grid((2, 2)) == Grid((8, 8), (0.25, 0.25), (-0.375, -0.375))
