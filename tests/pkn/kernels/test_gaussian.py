import math

import numpy as np
import pytest
import torch
from scipy.linalg import expm
from scipy.ndimage import gaussian_filter

from napari_dip.pkn.kernels.gaussian import Anisotropic, Isotropic, covariance_of, log_precision, precision
from napari_dip.pkn.observation import Observation
from napari_dip.psf.models import GaussianPSF, MoffatPSF

ONE = torch.ones(1, 1, 1, 1, dtype=torch.float64)


def everywhere(values, image):
    return torch.tensor(values, dtype=torch.float64).view(1, -1, 1, 1).expand(1, -1, *image.shape)


@pytest.mark.parametrize("width", [0.2, 1.1, 4.0])
def test_with_one_width_it_is_the_gaussian_of_scipy(width, speckled, tensor):
    for kernel, setting in ((Isotropic(), [width]), (Anisotropic(), [width, 0, 0])):
        expected = gaussian_filter(speckled, width, mode="mirror", radius=kernel.radius)
        filtered = kernel.apply(Observation(tensor(speckled), ONE), everywhere(setting, speckled))
        np.testing.assert_allclose(filtered[0, 0], expected, rtol=1e-9)


@pytest.mark.parametrize("rows", [0.5, 2.5])
def test_stretched_along_an_axis_it_is_the_gaussian_of_scipy_with_two_widths(rows, speckled, tensor):
    columns = 1.4
    width, a = math.sqrt(rows * columns), math.log(columns / rows)
    filtered = Anisotropic().apply(Observation(tensor(speckled), ONE), everywhere([width, a, 0], speckled))
    expected = gaussian_filter(speckled, (rows, columns), mode="mirror", radius=4)
    np.testing.assert_allclose(filtered[0, 0], expected, rtol=1e-9)


@pytest.mark.parametrize("holes", [False, True])
def test_it_follows_the_formula_where_the_shape_differs_from_pixel_to_pixel(
    holes, speckled, tensor, brute, offsets, random
):
    kernel = Anisotropic()
    maps = random.uniform([0.4, -2, -2], [4, 2, 2], (*speckled.shape, 3))
    dy, dx = offsets(4)

    def weights(row, column):
        width, a, b = maps[row, column]
        m = -2 * math.log(width)
        q = expm(np.array([[m + a, b], [b, m - a]]))
        return np.exp(-0.5 * (q[0, 0] * dy**2 + 2 * q[0, 1] * dy * dx + q[1, 1] * dx**2))

    seen = (random.uniform(size=speckled.shape) > 0.3).astype(float) if holes else None
    expected = brute(speckled, weights, 4, seen)
    observation = Observation(tensor(speckled), ONE, None if seen is None else tensor(seen))
    filtered = kernel.apply(observation, torch.from_numpy(maps).permute(2, 0, 1)[None])
    np.testing.assert_allclose(filtered[0, 0], expected, rtol=1e-9)


@pytest.mark.parametrize("b", [-1.2, 1.2])
def test_with_b_above_0_it_is_longer_along_the_rising_diagonal(b):
    point = torch.zeros(1, 1, 11, 11, dtype=torch.float64)
    point[..., 5, 5] = 1
    spread = Anisotropic().apply(Observation(point, ONE), everywhere([1.5, 0, b], point[0, 0]))[0, 0]
    rising, falling = spread[3, 7], spread[3, 3]  # up and to the right; up and to the left
    assert (rising > 2 * falling) if b > 0 else (falling > 2 * rising)


def test_log_precision_is_the_logarithm_of_the_inverse_covariance(random):
    root = torch.from_numpy(random.normal(size=(2, 2)))
    covariance = root @ root.T + torch.eye(2)
    m, a, b = log_precision(covariance).flatten()
    expected = torch.linalg.inv(covariance)
    torch.testing.assert_close(
        torch.linalg.matrix_exp(torch.stack([m + a, b, b, m - a]).view(2, 2)), expected
    )
    torch.testing.assert_close(
        torch.stack(precision(m, a, b)), torch.stack([expected[0, 0], expected[0, 1], expected[1, 1]])
    )


def test_the_width_is_the_mean_and_a_and_b_give_the_ratio():
    width, a, b = torch.tensor(1.7), torch.tensor(0.9), torch.tensor(-0.4)
    yy, yx, xx = precision(-2 * width.log(), a, b)
    narrow, wide = torch.linalg.eigvalsh(torch.stack([yy, yx, yx, xx]).view(2, 2)).rsqrt().flip(0)
    assert float((narrow * wide).sqrt()) == pytest.approx(1.7)
    assert float(wide / narrow) == pytest.approx(math.exp(math.hypot(0.9, 0.4)))


def test_the_gradient_exists_without_a_stretch():
    zero = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    entries = precision(torch.zeros((), dtype=torch.float64), *zero)
    (slope,) = torch.autograd.grad(entries[0], zero)
    torch.testing.assert_close(slope, torch.tensor([1.0, 0.0], dtype=torch.float64))


@pytest.mark.parametrize("fwhm", [1.0, 2.0, 6.0])
def test_the_width_of_a_gaussian_point_spread_function_is_found(fwhm):
    found = covariance_of(torch.from_numpy(GaussianPSF(fwhm).kernel(2)))
    # The model integrates over each pixel, which adds the variance of a pixel.
    sigma = math.sqrt(fwhm**2 / (8 * math.log(2)) + 1 / 12)
    np.testing.assert_allclose(found.diagonal().sqrt(), sigma, rtol=0.03)
    assert abs(float(found[0, 1])) < 1e-6


def test_the_shape_of_an_oval_off_centre_is_found():
    shape = 17, 13
    covariance = np.array([[2.0, -0.8], [-0.8, 1.1]])
    dy, dx = (
        np.mgrid[: shape[0], : shape[1]] - np.array([shape[0] // 2 + 0.3, shape[1] // 2 - 0.4])[:, None, None]
    )
    q = np.linalg.inv(covariance)
    psf = np.exp(-0.5 * (q[0, 0] * dy**2 + 2 * q[0, 1] * dy * dx + q[1, 1] * dx**2))
    np.testing.assert_allclose(covariance_of(torch.from_numpy(psf / psf.sum())), covariance, rtol=0.01)


def test_tails_hardly_matter():
    found = covariance_of(torch.from_numpy(MoffatPSF(3.0).kernel(2)))
    np.testing.assert_allclose(found.diagonal().sqrt(), 3.0 / 2.355, rtol=0.2)


def test_a_point_is_narrow_and_a_ring_does_not_fail():
    point, ring = torch.zeros(2, 9, 9)
    point[4, 4] = 1
    ring[1:8, 1:8], ring[3:6, 3:6] = 1, 0
    assert float(covariance_of(point).diagonal().max().sqrt()) < 0.4
    assert float(covariance_of(torch.ones(1, 1)).diagonal().max().sqrt()) < 0.4
    assert log_precision(covariance_of(ring)).isfinite().all()
