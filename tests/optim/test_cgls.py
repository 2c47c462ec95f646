import pytest
import torch

from napari_dip.operators import Blur, Resample
from napari_dip.optim.cgls import back_project
from napari_dip.psf.models import GaussianPSF


def blur(fwhm):
    return Blur(torch.from_numpy(GaussianPSF(fwhm).kernel(2)).float())


@pytest.mark.parametrize(("factor", "kernel"), [(2, "bicubic"), (3, "lanczos3"), (4, "area")])
def test_noise_free_data_are_explained(factor, kernel, phantom):
    operator = Resample((factor, factor), kernel)
    truth = torch.from_numpy(phantom)[None, None, :48, :48]
    data = operator(truth)
    x = back_project(operator, data, torch.full_like(truth, 100.0), steps=20)
    assert (operator(x) - data).abs().max() < 1e-2


def test_components_that_the_operator_does_not_transmit_stay_unchanged(random):
    """The result is the nearest to the first image among all that explain the data."""
    operator, first = Resample((2, 2), "area"), torch.from_numpy(random.normal(0, 9, (1, 1, 16, 16))).float()
    data = torch.zeros(1, 1, 8, 8)
    x = back_project(operator, data, first, steps=20)
    means = torch.nn.functional.interpolate(operator(first), scale_factor=2)
    torch.testing.assert_close(x, first - means, atol=1e-4, rtol=0)


def test_pixels_without_weight_have_no_influence(phantom):
    operator, truth = blur(2.0), torch.from_numpy(phantom)[None, None]
    data = operator(truth)
    weights = torch.ones_like(data)
    weights[..., 20:24, 30:34] = 0
    spoilt = data.where(weights > 0, 1e6)
    first = torch.full_like(truth, 100.0)
    found = [back_project(operator, y, first, weights=weights, steps=5) for y in (data, spoilt)]
    torch.testing.assert_close(*found)


def test_the_steps_end_when_the_residual_is_small_enough(phantom, generator):
    operator, truth = blur(3.0), torch.from_numpy(phantom)[None, None]
    clean = operator(truth)
    data = clean + 5 * torch.randn(clean.shape, generator=generator)
    rests = []
    for until in (0.0, 5.0):
        x = back_project(operator, data, torch.full_like(truth, 100.0), steps=40, tolerance=until)
        rests.append(float((operator(x) - data).square().mean().sqrt()))
    assert rests[0] < 4.0 < rests[1] <= 5.0
