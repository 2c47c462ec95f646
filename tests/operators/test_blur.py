import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.ndimage import gaussian_filter
from scipy.signal import convolve, correlate

from napari_dip.operators import Blur, Resample
from napari_dip.psf.models import GaussianPSF

SIZES = [((5, 3), (23, 30)), ((1, 7), (16, 17)), ((3, 5, 3), (9, 14, 11)), ((1, 1, 5), (4, 5, 6))]


@pytest.mark.parametrize(("kernel", "shape"), SIZES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_it_convolves_as_scipy_does(kernel, shape, dtype, random):
    psf, x = random.random(kernel), random.normal(100, 30, shape)
    psf /= psf.sum()
    expected = convolve(x, psf, mode="valid", method="direct")
    blurred = Blur(torch.from_numpy(psf))(torch.from_numpy(x.astype(dtype))[None, None])
    assert blurred.shape == (1, 1, *expected.shape)
    np.testing.assert_allclose(blurred[0, 0], expected, rtol=1e-5 if dtype == np.float32 else 1e-12)


@pytest.mark.parametrize(("kernel", "shape"), SIZES)
def test_its_adjoint_correlates_as_scipy_does(kernel, shape, random):
    psf, y = random.random(kernel), random.normal(100, 30, shape)
    expected = correlate(y, psf, mode="full", method="direct")
    adjoint = Blur(torch.from_numpy(psf)).adjoint(torch.from_numpy(y)[None, None])
    np.testing.assert_allclose(adjoint[0, 0], expected, rtol=1e-12)


def test_a_point_becomes_the_psf_around_it():
    psf = torch.arange(15.0).view(3, 5)
    operator = Blur(psf)
    x = torch.zeros(1, 1, *operator.grid((9, 11)).shape)
    x[0, 0, 1 + 4, 2 + 5] = 1  # row 4, column 5 of the data
    expected = torch.zeros(9, 11)
    expected[3:6, 3:8] = psf
    torch.testing.assert_close(operator(x)[0, 0], expected, rtol=0, atol=1e-5)


def test_with_a_gaussian_it_is_a_gaussian_filter():
    point = np.zeros((17, 17))
    point[8, 8] = 1
    x = np.random.default_rng(1).normal(size=(48, 40))
    blurred = Blur(torch.from_numpy(gaussian_filter(point, 2, radius=8)))(torch.from_numpy(x)[None, None])
    np.testing.assert_allclose(blurred[0, 0], gaussian_filter(x, 2, radius=8)[8:-8, 8:-8], rtol=1e-9)


@pytest.mark.parametrize(("kernel", "shape"), SIZES)
def test_a_constant_stays_constant(kernel, shape, random):
    psf = torch.from_numpy(random.random(kernel))
    blurred = Blur(psf / psf.sum())(torch.full((1, 1, *shape), 1000.0))
    torch.testing.assert_close(blurred, torch.full_like(blurred, 1000.0))


@pytest.mark.parametrize("edge", ["first", "last"])
def test_nothing_wraps_around(edge):
    """Light in the outermost sample of the margin reaches a single pixel of the data."""
    operator = Blur(torch.full((3, 3), 1 / 9))
    x = torch.zeros(1, 1, *operator.grid((14, 14)).shape)
    at = 0 if edge == "first" else -1
    x[0, 0, at, at] = 9
    expected = torch.zeros(14, 14)
    expected[at, at] = 1
    torch.testing.assert_close(operator(x)[0, 0], expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kernel", [(5, 3), (3, 5, 3)])
def test_each_channel_has_a_kernel_of_its_own(kernel, random):
    psf, x = torch.from_numpy(random.random((3, *kernel))), torch.from_numpy(random.random((2, 3, 9, 12, 11)))
    x = x if len(kernel) == 3 else x[:, :, 0]
    operator = Blur(psf, per_channel=True)
    blurred = operator(x)
    for at in range(3):
        expected = Blur(psf[at])(x[:, at : at + 1])
        torch.testing.assert_close(blurred[:, at : at + 1], expected)
        torch.testing.assert_close(operator.of_channels([at])(x[:, at : at + 1]), expected)
        torch.testing.assert_close(
            (Resample((2,) * len(kernel)) @ operator).of_channels([at]).inner.psf, psf[at], rtol=0, atol=0
        )


@pytest.mark.parametrize("kernel", [(5, 3), (3, 5, 3)])
def test_with_a_kernel_for_each_channel_the_adjoint_passes_the_dot_test(kernel, random):
    operator = Blur(torch.from_numpy(random.random((3, *kernel))), per_channel=True)
    shape = (8, 9, 7)[: len(kernel)]
    x = torch.from_numpy(random.normal(size=(2, 3, *operator.grid(shape).shape)))
    y = torch.from_numpy(random.normal(size=(2, 3, *shape)))
    both = (operator(x) * y).sum(), (x * operator.adjoint(y)).sum()
    torch.testing.assert_close(*both, rtol=1e-12, atol=0)


def test_the_widths_are_those_of_the_smallest_kernel():
    small, large = (torch.from_numpy(GaussianPSF(fwhm).kernel(2)) for fwhm in (2.0, 6.0))
    size = max(small.shape[0], large.shape[0])
    small, large = (F.pad(k, ((size - k.shape[0]) // 2,) * 4) for k in (small, large))
    both = Blur(torch.stack([large, small]), per_channel=True)
    assert both.widths == Blur(small).widths
