"""Laws that every noise model keeps. A new model is one more row of MODELS."""

import math

import pytest
import scipy.stats
import torch

from napari_dip.noise.models import (
    NOISE_MODELS,
    CorrelatedNoise,
    GaussianNoise,
    LaplaceNoise,
    PoissonGaussianNoise,
    PoissonNoise,
    StripeNoise,
    UnknownNoise,
)

MODELS = {
    "gaussian": GaussianNoise(7.0),
    "poisson": PoissonNoise(gain=2.0, offset=100.0),
    "poisson-gaussian": PoissonGaussianNoise(gain=2.0, offset=100.0, read_noise=6.0),
    "laplace": LaplaceNoise(7.0),
}
UNKNOWN = (UnknownNoise, StripeNoise, CorrelatedNoise)
U = 180.0  # grey levels: 40 photons of 2 above an offset of 100


@pytest.fixture(params=list(MODELS.values()), ids=list(MODELS))
def noise(request):
    return request.param


def drawn(noise, generator, n=200_000):
    u = torch.full((1, 1, n), U, dtype=torch.float64)
    return u, noise.sample(u, generator), torch.ones_like(u)


def test_samples_have_the_mean_and_the_variance_of_the_model(noise, generator):
    u, y, _ = drawn(noise, generator)
    variance = float(noise.variance(u).mean())
    assert float(y.mean()) == pytest.approx(U, abs=5 * math.sqrt(variance / y.numel()))
    assert float(y.var()) == pytest.approx(variance, rel=0.02)


@pytest.mark.parametrize("score", ["nll", "misfit"])
def test_scores_are_stationary_at_the_truth(noise, generator, score):
    u, y, weights = drawn(noise, generator)
    shift = torch.zeros((), dtype=torch.float64, requires_grad=True)
    getattr(noise, score)(u + shift, y, weights).backward()
    # In units of the standard deviation; the Laplace gradient is a sum of signs, noisier than the others.
    assert abs(float(shift.grad)) * float(noise.variance(u).mean()) ** 0.5 < 0.01


def test_nll_is_least_at_the_truth(noise, generator):
    u, y, weights = drawn(noise, generator)
    at_truth = noise.nll(u, y, weights)
    for shift in (-10.0, -4.0, 4.0, 10.0):
        assert noise.nll(u + shift, y, weights) > at_truth


@pytest.mark.parametrize("score", ["nll", "misfit"])
def test_weight_zero_hides_a_pixel(noise, score):
    u = torch.full((1, 2, 5), U)
    y = u + 3
    weights = torch.ones(1, 1, 5)
    weights[..., 2] = 0
    hidden = y.clone()
    hidden[..., 2] = 4000.0
    assert getattr(noise, score)(u, y, weights) == getattr(noise, score)(u, hidden, weights)


def test_nll_agrees_with_scipy():
    u = torch.tensor([[[130.0, 150.0, 180.0]]], dtype=torch.float64)
    y = torch.tensor([[[136.0, 140.0, 184.0]]], dtype=torch.float64)
    weights = torch.ones_like(u)
    normal = -scipy.stats.norm.logpdf(y, u, 7.0).mean()
    assert float(GaussianNoise(7.0).nll(u, y, weights)) == pytest.approx(normal)
    laplace = -scipy.stats.laplace.logpdf(y, u, 7.0 / math.sqrt(2)).mean()
    assert float(LaplaceNoise(7.0).nll(u, y, weights)) == pytest.approx(laplace)
    poisson = -scipy.stats.poisson.logpmf((y - 100) / 2, (u - 100) / 2).mean() + math.log(2)
    assert float(PoissonNoise(2.0, 100.0).nll(u, y, weights)) == pytest.approx(poisson)


def test_unknown_noise_scores_as_gaussian_noise_of_the_best_sigma(generator):
    u, y, weights = drawn(GaussianNoise(7.0), generator)
    best = min(float(GaussianNoise(sigma / 100).nll(u, y, weights)) for sigma in range(600, 800))
    assert float(UnknownNoise().nll(u, y, weights)) == pytest.approx(best, abs=1e-4)


def test_unknown_noise_has_a_sigma_for_each_channel_and_scales_with_the_units(generator):
    y = torch.randn(1, 2, 1000, generator=generator, dtype=torch.float64)
    u, weights = torch.zeros_like(y), torch.ones(1, 1, 1000, dtype=torch.float64)
    scale = torch.tensor([1.0, 500.0], dtype=torch.float64).view(1, 2, 1)
    difference = UnknownNoise().nll(u * scale, y * scale, weights) - UnknownNoise().nll(u, y, weights)
    assert float(difference) == pytest.approx(math.log(500.0) / 2)


def test_unknown_noise_is_finite_for_a_perfect_fit_and_an_empty_channel():
    y = torch.arange(20.0).view(1, 2, 10).clone()
    y[:, 1] = 0
    assert torch.isfinite(UnknownNoise().nll(y, y, torch.ones(1, 1, 10)))


def test_a_channel_without_observed_pixels_does_not_count():
    y = torch.arange(20.0).view(1, 2, 10)
    weights = torch.ones(1, 2, 10)
    weights[:, 1] = 0
    whole = UnknownNoise().nll(y + 1, y, weights)
    assert torch.equal(whole, UnknownNoise().nll(y[:, :1] + 1, y[:, :1], weights[:, :1]))


def test_unknown_noise_cannot_be_drawn():
    with pytest.raises(ValueError, match="choose a noise model"):
        UnknownNoise().sample(torch.zeros(1, 1, 3))
    with pytest.raises(ValueError, match="choose a noise model"):
        UnknownNoise().variance(torch.zeros(1, 1, 3))


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        (GaussianNoise, "sigma", -1.0),
        (GaussianNoise, "sigma", 0.0),
        (LaplaceNoise, "sigma", -1.0),
        (PoissonNoise, "gain", -2.0),
        (PoissonGaussianNoise, "read_noise", -1.0),
    ],
)
def test_invalid_parameters_are_refused(kind, field, value):
    with pytest.raises(ValueError, match=rf"{kind.__name__}\.{field} must be >"):
        kind(**{field: value})


def test_scores_are_finite_in_the_dark():
    u, y = torch.full((1, 1, 4), -50.0), torch.zeros(1, 1, 4)
    for noise in (PoissonNoise(), PoissonGaussianNoise(read_noise=0.0)):
        assert torch.isfinite(noise.nll(u, y, torch.ones(1, 1, 4)))
        assert torch.isfinite(noise.misfit(u, y, torch.ones(1, 1, 4)))


def test_names_cover_all_models():
    assert {type(model) for model in MODELS.values()} | set(UNKNOWN) == set(NOISE_MODELS.values())
