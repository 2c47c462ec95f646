import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from napari_dip import GaussianPSF
from napari_dip.networks.output import Sieve
from napari_dip.operators import Blur


@pytest.mark.parametrize(
    ("sigmas", "shape"),
    [((1.2, 0.7), (20, 31)), ((0.0, 2.0), (1, 40)), ((0.3, 1.0, 2.5), (9, 12, 14)), ((5.0, 5.0), (8, 9))],
)
def test_it_is_a_gaussian_filter_that_repeats_the_border(sigmas, shape, random):
    x = random.normal(100, 30, shape)
    expected = gaussian_filter(x, sigmas, mode="nearest", truncate=3)
    filtered = Sieve(sigmas)(torch.from_numpy(x)[None, None])
    assert filtered.shape == (1, 1, *shape)
    np.testing.assert_allclose(filtered[0, 0], expected, rtol=1e-5)


@pytest.mark.parametrize("sigmas", [(1.5, 0.8), (0.5, 1.5, 1.5)])
def test_a_constant_stays_one(sigmas):
    x = torch.full((2, 3, *(9,) * len(sigmas)), 1000.0)
    torch.testing.assert_close(Sieve(sigmas)(x), x)


def test_a_width_of_zero_changes_nothing(generator):
    x = torch.rand(1, 2, 10, 12, generator=generator)
    torch.testing.assert_close(Sieve((0.0, 0.0))(x), x)


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("fwhm", [4.0, 5.5, 9.0])
def test_the_width_of_a_gaussian_is_its_standard_deviation(fwhm, ndim):
    sigma = fwhm / (8 * np.log(2)) ** 0.5
    widths = Blur(torch.from_numpy(GaussianPSF(fwhm).kernel(ndim))).widths
    assert len(widths) == ndim
    assert widths == pytest.approx([sigma] * ndim, rel=0.1)


def test_each_axis_has_its_own_width():
    widths = Blur(torch.from_numpy(GaussianPSF(4.0, axial_fwhm=10.0).kernel(3))).widths
    assert widths == pytest.approx([10 / 2.3548, 4 / 2.3548, 4 / 2.3548], rel=0.1)


def test_a_point_has_no_width():
    assert Blur(torch.ones(1, 1)).widths == (0, 0)
