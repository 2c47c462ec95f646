from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.signal import fftconvolve

from napari_dip import (
    DIP,
    Deconvolve,
    GaussianNoise,
    GaussianPSF,
    LaplaceNoise,
    PoissonGaussianNoise,
    PoissonNoise,
    UnknownNoise,
    restore,
)
from napari_dip.dip.photon_energy import levelled, relative, weighted
from napari_dip.noise.per_pixel import PerPixelNoise
from napari_dip.operators import Identity
from napari_dip.optim.iterate import Iterate
from napari_dip.problem import Problem


def problem(noise, data, **options):
    return Problem(data, Identity(), noise, torch.ones_like(data[:, :1]), **options)


def test_only_photon_noise_is_weighted_and_only_by_an_estimate():
    data = torch.full((1, 1, 12, 12), 7.0)
    for noise in (UnknownNoise(), GaussianNoise(2.0), LaplaceNoise(2.0)):
        one = problem(noise, data)
        assert weighted(one, data) is one
    assert weighted(problem(PoissonNoise(), data), None).noise == PoissonNoise()


@pytest.mark.parametrize("noise", [PoissonNoise(2.0, 1.0), PoissonGaussianNoise(2.0, 1.0, 3.0)])
def test_the_weights_are_the_variance_of_a_smooth_estimate(noise):
    data, estimate = torch.full((1, 2, 12, 12), 7.0), torch.full((1, 2, 12, 12), 5.0)
    found = weighted(problem(noise, data), estimate).noise
    torch.testing.assert_close(found.sigma.square(), noise.variance(estimate))


def test_the_gradient_does_not_grow_with_the_misfit(generator):
    data = torch.rand(1, 1, 12, 12, generator=generator)
    objective = relative(problem(PerPixelNoise(torch.full_like(data, 0.1)), data))
    sizes = []
    for factor in (1.0, 1000.0):
        x = (factor * (1 - data)).requires_grad_()
        (slope,) = torch.autograd.grad(objective(data + x), x)
        sizes.append(float((slope * x.detach()).sum()))
    assert sizes[0] == pytest.approx(sizes[1], rel=1e-4)
    assert torch.isfinite(objective(data))


def test_bright_stars_do_not_end_a_deconvolution_before_it_has_begun():
    """Sky pixels have strong gradients at first, which drive the whole image to the floor."""
    random, psf, scene = np.random.default_rng(0), GaussianPSF(3.5), np.zeros((96, 96))
    scene[12:88:18, 12:88:18] = 10 ** (2 + 3 * (np.arange(25) % 7) / 6).reshape(5, 5)
    light = fftconvolve(scene, psf.kernel(2), mode="same").clip(0) + 20
    data = 100 + random.poisson(light) + random.normal(0, 3, light.shape)
    result = restore(data, Deconvolve(PoissonGaussianNoise(1.0, 100.0, 3.0), psf), DIP(iterations=400))
    assert result.frames[0].iterations > 300
    assert (result.image - 100).sum() == pytest.approx((data - 100).sum(), rel=0.05)


def test_a_constant_levels_the_weighted_residual(generator):
    data = torch.rand(1, 2, 12, 12, generator=generator)
    sigma = 1 + torch.rand(1, 2, 12, 12, generator=generator)
    one = problem(PerPixelNoise(sigma), data)
    one = replace(one, weights=(torch.rand(1, 1, 12, 12, generator=generator) > 0.3).float())
    x = torch.rand(1, 2, 12, 12, generator=generator)
    (found,) = levelled([Iterate(1, x, torch.zeros(()))], one)
    residual = (one.weights * (data - found.x) / sigma.square()).mean((2, 3))
    torch.testing.assert_close(residual, torch.zeros(1, 2), rtol=0, atol=1e-6)
    shift = found.x - x
    torch.testing.assert_close(shift, shift[..., :1, :1].expand_as(shift), rtol=0, atol=1e-6)


def test_no_level_lies_below_the_floor():
    data = torch.zeros(1, 1, 4, 4)
    one = problem(PerPixelNoise(torch.ones_like(data)), data, floor=0.5)
    (found,) = levelled([Iterate(1, torch.ones_like(data), torch.zeros(()))], one)
    assert float(found.x.min()) == 0.5
