import torch

from napari_dip import GaussianNoise, PoissonNoise
from napari_dip.noise.models import weighted_mean
from napari_dip.noise.per_channel import PerChannelNoise

NOISE = PerChannelNoise((GaussianNoise(2.0), PoissonNoise(3.0, 1.0)))
U = torch.full((1, 2, 40, 50), 7.0)


def test_each_channel_has_the_statistics_of_its_model(generator):
    torch.testing.assert_close(NOISE.variance(U)[0, :, 0, 0], torch.tensor([4.0, 18.0]))
    assert NOISE.skewness(U)[0, 0].eq(0).all()
    assert NOISE.skewness(U)[0, 1].gt(0).all()
    drawn = NOISE.sample(U, generator)
    torch.testing.assert_close(drawn.var((0, 2, 3)), torch.tensor([4.0, 18.0]), rtol=0.15, atol=0)


def test_its_score_is_the_mean_over_the_pixels_of_all_channels(generator):
    y = NOISE.sample(U, generator)
    weights = torch.ones_like(y)
    weights[:, 1, :30] = 0
    parts = [model.nll(U[:, [c]], y[:, [c]], weights[:, [c]]) for c, model in enumerate(NOISE.models)]
    torch.testing.assert_close(NOISE.nll(U, y, weights), (parts[0] * 2000 + parts[1] * 500) / 2500)
    expected = weighted_mean((y - U).square() / (2 * NOISE.variance(U)), weights)
    torch.testing.assert_close(NOISE.misfit(U, y, weights), expected)


def test_it_is_rescaled_and_named_channel_by_channel():
    assert NOISE.rescaled(1.0, 2.0) == PerChannelNoise((GaussianNoise(1.0), PoissonNoise(1.5, 0.0)))
    assert NOISE.in_words == "σ = 2 grey levels everywhere; 3 grey levels per photon above grey level 1"


def test_channels_that_are_alike_have_one_model():
    assert PerChannelNoise.of((GaussianNoise(2.0),) * 3) == GaussianNoise(2.0)
    assert PerChannelNoise.of(NOISE.models) == NOISE
