"""Laws that every operator keeps. A new operator is one more row of OPERATORS."""

from collections.abc import Callable
from pathlib import Path
from runpy import run_path
from typing import NamedTuple

import pytest
import torch
import torch.nn.functional as F

from napari_dip.operators import Blur, Compose, Grid, Identity, Operator, Resample

Radon = run_path(Path(__file__).parents[2] / "docs" / "radon.py")["Radon"]  # the example of the documentation


class Mean(Operator):
    """The mean of 2 x 2 pixels: a simple operator whose x lies on a finer grid."""

    def forward(self, x):
        return {4: F.avg_pool2d, 5: F.avg_pool3d}[x.ndim](x, 2)

    def grid(self, data_shape):
        return Grid(tuple(2 * n for n in data_shape), (0.5,) * len(data_shape), (-0.25,) * len(data_shape))


def symmetric_psf(ndim):
    """Return a kernel without mirror symmetry along any single axis whose centroid is the central pixel."""
    psf = torch.rand((3, 5, 3)[:ndim], generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    psf = psf + psf.flip(tuple(range(ndim)))
    return psf / psf.sum()


class Row(NamedTuple):
    make: Callable[[int], Operator]  #: from the number of spatial axes
    border: int | None = 0  #: width of the border in which a ramp does not stay a ramp; None: everywhere
    only: int | None = None  #: the only number of spatial axes that it takes


OPERATORS = {
    "identity": Row(lambda ndim: Identity()),
    "mean": Row(lambda ndim: Mean()),
    "mean of mean": Row(lambda ndim: Compose(Mean(), Mean())),
    "identity of mean": Row(lambda ndim: Identity() @ Mean()),
    "lanczos3": Row(lambda ndim: Resample((2, 3, 1)[:ndim]), border=3),
    "lanczos2": Row(lambda ndim: Resample((3, 2, 2)[:ndim], "lanczos2"), border=2),
    "bicubic": Row(lambda ndim: Resample((2, 1, 4)[:ndim], "bicubic"), border=2),
    "area": Row(lambda ndim: Resample((4, 3, 2)[:ndim], "area")),
    "blur": Row(lambda ndim: Blur(symmetric_psf(ndim))),
    "area of blur": Row(lambda ndim: Resample((2,) * ndim, "area") @ Blur(symmetric_psf(ndim))),
    "blur of area": Row(lambda ndim: Blur(symmetric_psf(ndim)) @ Resample((2,) * ndim, "area")),
    "radon": Row(lambda ndim: Radon([0, 10, 45, 90, 120, 170, 300]), border=None, only=2),
}
SHAPES = [(9, 7), (8, 9, 7)]
#: Of data that are small enough for a dense matrix; seven columns, for the seven angles of the sinogram.
SMALL = {2: (4, 7), 3: (3, 4, 2)}
CASES = {
    f"{name}, {len(shape)}-D": (row, shape)
    for name, row in OPERATORS.items()
    for shape in SHAPES
    if row.only in (None, len(shape))
}


def check_adjoint(operator, data_shape, generator):
    """Compare the adjoint with the transpose of the matrix whose columns `forward` makes of single pixels."""
    shape = operator.grid(data_shape).shape
    pixels = torch.eye(torch.Size(shape).numel(), dtype=torch.float64).view(-1, 1, *shape)
    with torch.no_grad():
        transposed = torch.cat([operator(one) for one in pixels.split(512)]).flatten(1)
    y = torch.randn(2, 3, *data_shape, generator=generator, dtype=torch.float64)
    expected = (y.flatten(2) @ transposed.T).view(2, 3, *shape)
    torch.testing.assert_close(operator.adjoint(y), expected)


@pytest.mark.parametrize(("row", "data_shape"), list(CASES.values()), ids=list(CASES))
class TestLaws:
    @pytest.fixture
    def operator(self, row, data_shape):
        return row.make(len(data_shape))

    @pytest.fixture
    def x(self, operator, data_shape, generator):
        shape = (2, 3, *operator.grid(data_shape).shape)
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    def test_the_adjoint_is_the_transposed_matrix(self, operator, data_shape, generator):
        check_adjoint(operator, SMALL[len(data_shape)], generator)

    def test_shapes_follow_the_grid(self, operator, data_shape):
        grid = operator.grid(data_shape)
        assert operator(torch.zeros(1, 2, *grid.shape)).shape == (1, 2, *data_shape)
        assert len(grid.step) == len(grid.origin) == len(data_shape)

    def test_it_is_linear(self, operator, x):
        other = x.flip(0)
        torch.testing.assert_close(operator(3 * x - other), 3 * operator(x) - operator(other))

    def test_samples_lie_where_the_grid_says(self, operator, row, data_shape):
        """A ramp that is sampled at the positions of the grid becomes the ramp of the data."""
        if row.border is None:
            pytest.skip("its data are not an image")
        grid = operator.grid(data_shape)
        inner = tuple(slice(row.border, n - row.border) for n in data_shape)
        for axis, (n, start, step) in enumerate(zip(grid.shape, grid.origin, grid.step, strict=True)):
            along = [1] * len(data_shape)
            along[axis] = -1
            ramp = (start + step * torch.arange(n, dtype=torch.float64)).view(along).expand(grid.shape)
            expected = torch.arange(data_shape[axis], dtype=torch.float64).view(along).expand(data_shape)
            torch.testing.assert_close(operator(ramp[None, None])[0, 0][inner], expected[inner])

    def test_dtype_is_kept_and_input_is_not_modified(self, operator, x):
        before = x.clone()
        assert operator(x).dtype == torch.float64
        assert torch.equal(x, before)
        assert operator(x.float()).dtype == torch.float32
        torch.testing.assert_close(operator(x.float()), operator(x).float(), rtol=1e-5, atol=1e-5)

    def test_images_of_a_batch_do_not_mix(self, operator, x):
        together = operator(x)
        for i in range(2):
            for c in range(3):
                torch.testing.assert_close(together[i : i + 1, c : c + 1], operator(x[i : i + 1, c : c + 1]))

    def test_the_layout_in_memory_does_not_matter(self, operator, x):
        channels_last = x.movedim(1, -1).contiguous().movedim(-1, 1)
        torch.testing.assert_close(operator(channels_last), operator(x))

    def test_gradients_work_after_a_call_without_gradients(self, operator, x):
        """What a call keeps for the next one must not depend on whether gradients were recorded."""
        with torch.no_grad():
            assert not operator(x).requires_grad
        assert operator(x.requires_grad_()).requires_grad

    @pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
    def test_devices_agree(self, operator, x):
        expected = operator(x.float())
        torch.testing.assert_close(operator(x.float().cuda()).cpu(), expected, rtol=1e-4, atol=1e-4)


class Wrong(Mean):
    """An operator whose adjoint moves the result by one pixel."""

    def adjoint(self, y):
        return super().adjoint(y).roll(1, -1)


@pytest.mark.parametrize("operator", [Wrong(), Wrong() @ Mean(), Mean() @ Wrong()])
def test_a_wrong_adjoint_breaks_the_law(operator, generator):
    with pytest.raises(AssertionError, match="not close"):
        check_adjoint(operator, (4, 7), generator)


def test_composition_applies_the_right_operator_first():
    x = torch.arange(64.0).view(1, 1, 8, 8)
    outer, inner = Mean(), Identity()
    assert torch.equal((outer @ inner)(x), outer(inner(x)))
    assert (Mean() @ Mean()).grid((2, 2)) == Grid((8, 8), (0.25, 0.25), (-0.375, -0.375))
