import math

import numpy as np
import pytest
import torch
from PIL import Image

from napari_dip.operators import Resample
from napari_dip.operators.resample import KERNELS

PILLOW = {
    "lanczos3": Image.Resampling.LANCZOS,
    "bicubic": Image.Resampling.BICUBIC,
    "area": Image.Resampling.BOX,
}


@pytest.mark.parametrize("factor", [2, 3, 4, 8])
@pytest.mark.parametrize("kernel", PILLOW)
def test_it_reduces_as_pillow_does(kernel, factor, random):
    fine = random.normal(100, 30, (7 * factor, 11 * factor)).astype(np.float32)
    expected = Image.fromarray(fine).resize((11, 7), PILLOW[kernel])
    reduced = Resample((factor, factor), kernel)(torch.from_numpy(fine)[None, None])
    np.testing.assert_allclose(reduced[0, 0], np.asarray(expected), rtol=1e-5)


@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize("kernel", PILLOW)
def test_its_adjoint_is_the_transpose_of_what_pillow_does(kernel, factor, random):
    """Pillow reduces each row of a unit matrix: the result is the transposed matrix of the reduction."""
    y = random.normal(100, 30, (5, 8))
    rows, columns = (
        np.asarray(
            Image.fromarray(np.eye(factor * n, dtype=np.float32)).resize((n, factor * n), PILLOW[kernel])
        )
        for n in y.shape
    )
    adjoint = Resample((factor, factor), kernel).adjoint(torch.from_numpy(y)[None, None])
    np.testing.assert_allclose(adjoint[0, 0], rows @ y @ columns.T, rtol=1e-4, atol=1e-3)


def lanczos2(n, factor):
    """Return the weights of n fine samples in each coarse one, shape ``(n, n // factor)``, by the formula."""

    def kernel(t):
        pi = math.pi * t
        return 0.0 if abs(t) >= 2 else 1.0 if t == 0 else 2 * math.sin(pi) * math.sin(pi / 2) / pi**2

    centres = [i * factor + (factor - 1) / 2 for i in range(n // factor)]
    weights = np.array([[kernel((j - centre) / factor) for centre in centres] for j in range(n)])
    return weights / weights.sum(0)


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_lanczos2_and_its_adjoint_are_their_sums(factor, random):
    weights, fine, y = (
        lanczos2(9 * factor, factor),
        random.normal(100, 30, 9 * factor),
        random.normal(100, 30, 9),
    )
    operator = Resample((1, factor), "lanczos2")
    reduced = operator(torch.from_numpy(fine).expand(1, 1, 2, -1))
    np.testing.assert_allclose(reduced[0, 0, 1], fine @ weights, rtol=1e-12)
    adjoint = operator.adjoint(torch.from_numpy(y).expand(1, 1, 2, -1))
    np.testing.assert_allclose(adjoint[0, 0, 1], weights @ y, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("factors", [(3, 4), (4, 1, 1), (2, 2, 2)])
def test_a_constant_stays_constant(kernel, factors):
    operator = Resample(factors, kernel)
    data_shape = (5, 6, 4)[: len(factors)]
    reduced = operator(torch.full((1, 1, *operator.grid(data_shape).shape), 1000.0))
    torch.testing.assert_close(reduced, torch.full((1, 1, *data_shape), 1000.0))


def test_an_axis_of_factor_1_does_not_change(generator):
    volume = torch.rand(1, 1, 12, 5, 6, generator=generator)
    reduced = Resample((4, 1, 1))(volume)
    for row in range(5):
        plane = Resample((4, 1))(volume[:, :, :, row])
        torch.testing.assert_close(reduced[:, :, :, row], plane)
    assert Resample((1, 1, 1))(volume) is volume


def test_images_of_different_sizes_may_follow_each_other():
    """The weights that are kept for one size must not be used for another."""
    operator = Resample((2, 2))
    for n in (8, 12, 8):
        assert operator(torch.ones(1, 1, n, 2 * n)).shape == (1, 1, n // 2, n)


def test_invalid_arguments_are_refused():
    with pytest.raises(ValueError, match=r"kernel must be one of lanczos3, .*, got 'nearest'"):
        Resample((2, 2), "nearest")
    with pytest.raises(ValueError, match=r"factors must be integers >= 1, got \(2, 0\)"):
        Resample((2, 0))
    with pytest.raises(ValueError, match="multiple of the factor 3, got 10"):
        Resample((3, 3))(torch.zeros(1, 1, 9, 10))
