"""The mean of photon noise survives the transform and back, and so it does the methods."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import poisson

from napari_dip import (
    PKN,
    Deconvolve,
    Denoise,
    GaussianNoise,
    GaussianPSF,
    NonLocalBayes,
    PoissonGaussianNoise,
    PoissonNoise,
    RichardsonLucy,
    UnknownNoise,
    Wiener,
    restore,
)
from napari_dip.dip.initial_estimate import initial_estimate
from napari_dip.filters.anscombe import Anscombe
from napari_dip.filters.vst import Stabiliser
from napari_dip.noise.per_pixel import PerPixelNoise
from napari_dip.operators import Identity
from napari_dip.problem import Problem

LIGHT = (0.2, 0.5, 1.0, 2.0, 5.0, 20.0, 100.0)
READ = (0.0, 0.5, 2.0)
GAIN, OFFSET = 2.0, 100.0
light = pytest.mark.parametrize("photons", LIGHT)
read_noise = pytest.mark.parametrize("read", READ)


def noise_of(read):
    return PoissonGaussianNoise(GAIN, OFFSET, read * GAIN) if read else PoissonNoise(GAIN, OFFSET)


def drained(steps):
    """Return what a generator returns."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def flat(photons, read, side, seed=0):
    """Return a flat field of so many photons, the grey level of its truth, and the error of its mean."""
    noise = noise_of(read)
    truth = torch.full((1, side, side), OFFSET + GAIN * photons, dtype=torch.float64)
    data = noise.sample(truth, torch.Generator().manual_seed(seed))
    return data, float(truth[0, 0, 0]), float(noise.variance(truth).mean()) ** 0.5 / side


def keeps_mean(image, data, photons, error):
    """Whether an image has the mean of its data, within half a percent of the light or three errors."""
    lost = abs(float(np.mean(np.asarray(image, np.float64))) - float(data.mean()))
    return lost < max(0.005 * GAIN * photons, 3 * error)


@read_noise
@pytest.mark.parametrize("photons", [0.0, 0.05, *LIGHT, 99.0, 101.0, 1e4])
def test_the_inverse_undoes_the_mean(photons, read):
    transform, side = Anscombe.of(read), 400
    data, _, error = flat(photons, read, side)
    found = float(transform.inverse(transform((data.numpy() - OFFSET) / GAIN).mean()))
    assert abs(found - photons) < max(0.002 * photons, 4 * error / GAIN)


@light
def test_the_mean_of_counts_is_that_of_their_distribution(photons):
    """Without sampling: the sum over all counts of their probability and their transform."""
    transform, counts = Anscombe.of(0.0), np.arange(1000.0)
    mean = float(poisson.pmf(counts, photons) @ transform(counts))
    assert float(transform.mean(np.array(photons))) == pytest.approx(mean, abs=2e-4)
    assert float(transform.inverse(np.array(mean))) == pytest.approx(photons, rel=1e-3)


@read_noise
def test_mean_and_inverse_match_everywhere(read):
    transform = Anscombe.of(read)
    photons = np.concatenate([np.linspace(-50, 300, 20_001), 10.0 ** np.arange(2, 9)])
    np.testing.assert_allclose(transform.inverse(transform.mean(photons)), photons, rtol=1e-12, atol=1e-11)


@read_noise
def test_the_transform_and_its_inverse_are_monotone_and_finite(read):
    transform = Anscombe.of(read)
    counts = np.linspace(-1e4, 1e4, 200_001)
    assert np.isfinite(transform(counts)).all()
    assert (np.diff(transform(counts)) >= 0).all()
    for function in (transform.mean, transform.inverse):
        assert np.isfinite(function(counts)).all()
        assert (np.diff(function(counts)) > 0).all()


def test_the_transform_gives_noise_the_variance_one():
    for photons, read in ((5.0, 0.0), (20.0, 0.5), (2.0, 2.0), (1e4, 0.0)):
        data, *_ = flat(photons, read, 300)
        assert float(Stabiliser((noise_of(read),))(data).std()) == pytest.approx(1, abs=0.06)


def test_each_channel_has_a_transform_of_its_own(random):
    data = torch.from_numpy(random.uniform(100, 200, (4, 8, 8)))
    sigma = torch.from_numpy(random.uniform(1, 2, (8, 8)))
    noises = (PoissonNoise(2.0, 90.0), GaussianNoise(3.0), PerPixelNoise(sigma), UnknownNoise())
    stabiliser = Stabiliser(noises)
    for act in (stabiliser, stabiliser.mean, stabiliser.step):
        alone = [Stabiliser((noise,)) for noise in noises]
        name = "__call__" if act is stabiliser else act.__name__
        expected = [getattr(one, name)(data[[i]])[0] for i, one in enumerate(alone)]
        torch.testing.assert_close(act(data), torch.stack(expected), rtol=0, atol=0)
    torch.testing.assert_close(stabiliser(data)[1], data[1])
    torch.testing.assert_close(stabiliser(data)[2], data[2] / sigma)
    torch.testing.assert_close(stabiliser.inverse(stabiliser.mean(data)), data)


@read_noise
@light
def test_the_initial_estimate_keeps_the_mean(photons, read):
    data, _, error = flat(photons, read, 64)
    problem = Problem(data[None].float(), Identity(), noise_of(read), torch.ones(1, 1, 64, 64))
    assert keeps_mean(drained(initial_estimate(problem)), data, photons, error)


@read_noise
@light
@pytest.mark.parametrize(
    ("task", "method"),
    [
        (Denoise, PKN()),
        (Denoise, PKN(kernel="bilateral")),
        (Denoise, PKN(kernel="nlm")),
        (Denoise, NonLocalBayes()),
        (Deconvolve, PKN()),
        (Deconvolve, Wiener()),
    ],
    ids=["kernels", "bilateral", "nlm", "non-local Bayes", "sharpening", "wiener"],
)
def test_methods_keep_the_mean(task, method, photons, read):
    data, _, error = flat(photons, read, 64)
    blur = {"psf": GaussianPSF(2.0)} if task is Deconvolve else {}
    image = restore(data[0].numpy(), task(noise_of(read), **blur), method).image
    assert keeps_mean(image, data, photons, error)


@light
def test_richardson_lucy_keeps_the_mean_of_counts(photons):
    data, _, error = flat(photons, 0.0, 64)
    task = Deconvolve(noise_of(0.0), psf=GaussianPSF(2.0))
    assert keeps_mean(restore(data[0].numpy(), task, RichardsonLucy()).image, data, photons, error)


@pytest.mark.parametrize(("photons", "read"), [(0.2, 0.0), (0.5, 0.5), (2.0, 0.0), (5.0, 2.0), (100.0, 0.5)])
def test_a_fit_keeps_the_mean(photons, read, tiny):
    data, _, error = flat(photons, read, 64)
    settings = replace(tiny, iterations=60, learning_rate=0.02)
    assert keeps_mean(restore(data[0].numpy(), Denoise(noise_of(read)), settings).image, data, photons, error)
