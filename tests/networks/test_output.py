import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import nn

from napari_dip import GaussianPSF
from napari_dip.image.intensity import Range
from napari_dip.networks.output import Sieve, ToGreyLevels
from napari_dip.operators import Blur


@pytest.mark.parametrize(
    ("sigmas", "shape"),
    [((1.2, 0.7), (20, 31)), ((0.0, 2.0), (1, 40)), ((0.3, 1.0, 2.5), (9, 12, 14)), ((5.0, 5.0), (8, 9))],
)
def test_the_sieve_is_a_gaussian_filter_that_repeats_the_border(sigmas, shape, random):
    x = random.normal(100, 30, shape)
    expected = gaussian_filter(x, sigmas, mode="nearest", truncate=3)
    filtered = Sieve(sigmas)(torch.from_numpy(x)[None, None])
    assert filtered.shape == (1, 1, *shape)
    np.testing.assert_allclose(filtered[0, 0], expected, rtol=1e-5)


@pytest.mark.parametrize("sigmas", [(1.5, 0.8), (0.5, 1.5, 1.5)])
def test_the_sieve_does_not_change_a_constant(sigmas):
    x = torch.full((2, 3, *(9,) * len(sigmas)), 1000.0)
    torch.testing.assert_close(Sieve(sigmas)(x), x)


def test_a_sieve_of_width_zero_changes_nothing(generator):
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


def test_the_output_is_in_float32_grey_levels_and_not_clipped():
    range_ = Range(torch.tensor([[[[100.0]]]]), torch.tensor([[[[300.0]]]]))
    layer = ToGreyLevels(nn.Identity(), range_)
    x = layer(torch.tensor([[[[0.0, 0.5, -7.0]]]], dtype=torch.bfloat16))
    assert x.dtype == torch.float32
    assert x.flatten().tolist() == [200, 300, -1200]


RANGE = Range(torch.tensor([[[[100.0]]]]), torch.tensor([[[[300.0]]]]))


def test_the_output_stays_above_the_floor_with_a_gradient_everywhere():
    layer = ToGreyLevels(nn.Identity(), RANGE, floor=90.0)
    g = torch.linspace(-0.6, 2, 100).view(1, 1, 10, 10).requires_grad_()
    x = layer(g)
    x.sum().backward()
    x = x.detach()
    assert float(x.min()) >= 90
    assert float(g.grad.min()) > 0
    assert float(layer(torch.full((1, 1, 1, 1), -100.0))) == pytest.approx(90, abs=0.01)
    assert (x.flatten().diff() > 0).all()


def test_a_fit_returns_from_far_below_the_floor():
    layer = ToGreyLevels(nn.Identity(), RANGE, floor=90.0)
    g = torch.full((1, 1, 1, 1), -1.0, requires_grad=True)  # 190 below it
    layer(g).backward()
    assert float(g.grad) > 200 / 3000  # 200 is the slope far above it


def test_the_floor_changes_little_well_above_it():
    g = torch.linspace(-0.4, 0.5, 100).view(1, 1, 10, 10)
    with_floor, without = (ToGreyLevels(nn.Identity(), RANGE, floor=floor)(g) for floor in (80.0, None))
    torch.testing.assert_close(with_floor, without, rtol=0, atol=0.4)  # of a range of 200


def test_each_channel_bends_in_proportion_to_its_own_range():
    range_ = Range(torch.zeros(1, 2, 1, 1), torch.tensor([1.0, 1000.0]).view(1, 2, 1, 1))
    x = ToGreyLevels(nn.Identity(), range_, floor=0.0)(torch.full((1, 2, 3, 3), -0.5))
    torch.testing.assert_close(x[:, 1], 1000 * x[:, 0])


def test_the_sieve_is_applied_before_the_floor():
    """The floor then holds for the result, and the filter does not see the bend."""
    seen = []

    class Note(nn.Module):
        def forward(self, g):
            seen.append(g)
            return g - 10

    x = ToGreyLevels(nn.Identity(), RANGE, sieve=Note(), floor=95.0)(torch.ones(1, 1, 2, 2))
    assert torch.equal(seen[0], torch.ones(1, 1, 2, 2))
    torch.testing.assert_close(x, torch.full_like(x, 95.0), rtol=0, atol=0.01)
