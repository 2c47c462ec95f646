"""Two parts of a measurement: their means, their noise, and that they share none."""

import numpy as np
import pytest
import torch

from napari_dip.noise.models import (
    GaussianNoise,
    LaplaceNoise,
    PoissonGaussianNoise,
    PoissonNoise,
    UnknownNoise,
)
from napari_dip.noise.thinning import split

SHAPE = (400, 400)
MODELS = [
    pytest.param(GaussianNoise(7.0), 1.0, id="gaussian"),
    pytest.param(PoissonNoise(1.0, 0.0), 1.0, id="photons"),
    pytest.param(PoissonNoise(2.5, 100.0), 1.0, id="photons-of-a-camera"),
    pytest.param(PoissonNoise(2.5, 100.0), 1.001, id="no-whole-photons"),
    pytest.param(PoissonGaussianNoise(2.0, 100.0, 3.0), 1.0, id="photons-and-read-noise"),
]


def drawn(model, mean, random):
    torch.manual_seed(int(random.integers(2**31)))
    return model.sample(torch.full(SHAPE, mean, dtype=torch.float64)).numpy()


@pytest.mark.parametrize("share", [0.5, 0.2])
@pytest.mark.parametrize(("model", "factor"), MODELS)
def test_parts_keep_the_mean_share_no_noise_and_have_the_noise_that_they_state(model, factor, share):
    random = np.random.default_rng(0)
    mean = 150.0
    image = drawn(model, mean, random) * factor
    parts = split(image, model, random, share=share).parts
    values = np.stack([part.image.ravel() for part in parts])
    covariance = np.cov(values)
    correlation = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
    assert abs(correlation) < 4 / np.sqrt(values.shape[1])
    for part, variance in zip(parts, np.diag(covariance), strict=True):
        assert part.image.mean() == pytest.approx(mean * factor, abs=5 * np.sqrt(variance / image.size))
        stated = float(part.noise.variance(torch.tensor(mean, dtype=torch.float64)))
        assert variance == pytest.approx(stated, rel=0.03)
        assert type(part.noise) is type(model)


def test_thinned_photons_are_independent_poisson_counts_of_half_the_mean():
    random = np.random.default_rng(0)
    first, second = split(random.poisson(3.0, SHAPE), PoissonNoise(), random).parts
    counts = [
        np.rint((part.image - part.noise.offset) / part.noise.gain).astype(int) for part in (first, second)
    ]
    assert first.noise == PoissonNoise(gain=2.0)
    table = np.zeros((8, 8))
    np.add.at(table, tuple(np.minimum(one, 7).ravel() for one in counts), 1)
    p = np.exp(-1.5) * 1.5 ** np.arange(8) / [1, 1, 2, 6, 24, 120, 720, 5040]
    expected = np.outer(p, p) * counts[0].size  # independent: the product of the two distributions
    large = (expected > 50)[:7, :7]
    deviation = ((table - expected) / np.sqrt(expected))[:7, :7][large]
    assert np.abs(deviation).max() < 4.5
    assert (counts[0] + counts[1]).sum() == int(np.rint((first.image + second.image).sum() / 2))


def test_missing_pixels_stay_missing():
    random = np.random.default_rng(0)
    image = random.poisson(20.0, (32, 32)).astype(float)
    image[3, 4] = np.nan
    for model in (PoissonNoise(), GaussianNoise(2.0), PoissonGaussianNoise()):
        for part in split(image, model, random).parts:
            assert np.isnan(part.image[3, 4])
            assert np.isfinite(part.image).sum() == image.size - 1


@pytest.mark.parametrize("model", [UnknownNoise(), LaplaceNoise(3.0)])
def test_noise_that_cannot_be_split_is_refused(model):
    with pytest.raises(ValueError, match="measure a second exposure"):
        split(np.zeros((8, 8)), model, np.random.default_rng(0))


def test_too_few_photons_are_refused():
    random = np.random.default_rng(0)
    with pytest.raises(ValueError, match="too few photons"):
        split(
            random.poisson(0.5, SHAPE) + random.normal(0, 0.3, SHAPE), PoissonGaussianNoise(1, 0, 0.3), random
        )
