from threading import Event

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_dip import (
    PKN,
    CorrelatedNoise,
    Denoise,
    GaussianNoise,
    GaussianPSF,
    Inpaint,
    LaplaceNoise,
    Measurement,
    NonLocalBayes,
    Outcome,
    PoissonNoise,
    StopRequested,
    SuperResolve,
    estimate_cost,
    restore,
    solve,
)
from napari_dip.errors import InputError
from napari_dip.methods.base import Method

SIGMA = 20.0
TOLD = Denoise(GaussianNoise(SIGMA))
METHOD = NonLocalBayes()


def psnr(image, truth):
    return 10 * np.log10(255**2 / np.mean((np.asarray(image, float) - truth) ** 2))


@pytest.fixture
def noisy(phantom, random):
    return phantom + random.normal(0, SIGMA, phantom.shape)


@pytest.fixture
def photons(phantom, random):
    return random.poisson(phantom / 4 + 2).astype(float), phantom / 4 + 2


def test_it_denoises_better_than_a_kernel_network(phantom, noisy):
    found, kernel = (psnr(restore(noisy, Denoise(), one).image, phantom) for one in (METHOD, PKN()))
    assert found > psnr(noisy, phantom) + 7
    assert found > kernel + 0.5


def test_measured_noise_is_as_good_as_known_noise(phantom, noisy):
    known, measured = (psnr(restore(noisy, task, METHOD).image, phantom) for task in (TOLD, Denoise()))
    assert measured > known - 0.5


def test_photon_noise_is_told_or_found(photons):
    data, truth = photons
    error = np.sqrt(np.mean((data - truth) ** 2))
    for task in (Denoise(PoissonNoise()), Denoise()):
        assert np.sqrt(np.mean((restore(data, task, METHOD).image - truth) ** 2)) < 0.5 * error


def test_the_noise_of_each_pixel_counts(phantom, random):
    sigma = np.where(np.arange(64) < 32, 5.0, 40.0) * np.ones((64, 64))
    data = phantom + sigma * random.normal(size=phantom.shape)
    uneven = restore(Measurement(data, noise_std=sigma), Denoise(), METHOD).image
    even = restore(data, Denoise(GaussianNoise(40.0)), METHOD).image
    assert psnr(uneven[:, :32], phantom[:, :32]) > psnr(even[:, :32], phantom[:, :32]) + 1
    assert psnr(uneven, phantom) > psnr(data, phantom) + 5


def test_colours_are_denoised_together(phantom, random):
    truth = np.stack([phantom, 0.5 * phantom + 60, 200 - 0.6 * phantom], -1)
    data = truth + random.normal(0, SIGMA, truth.shape)
    together, separate = (
        psnr(restore(data, TOLD, METHOD, axes="YXC", channels=how).image, truth)
        for how in ("together", "separate")
    )
    assert together > separate + 1


def test_a_volume_is_denoised_better_than_its_planes(phantom, random):
    truth = np.repeat(phantom[None, :40, :40], 6, 0).astype(float)
    data = truth + random.normal(0, SIGMA, truth.shape)
    whole, planes = (psnr(restore(data, TOLD, METHOD, axes=axes).image, truth) for axes in ("ZYX", "TYX"))
    assert whole > planes + 1


def test_missing_pixels_have_no_influence_and_are_filled(phantom, noisy):
    missing = np.random.default_rng(1).random(phantom.shape) < 0.2
    first, second = (
        restore(np.where(missing, value, noisy), TOLD, METHOD, missing=missing).image for value in (0, 1e6)
    )
    np.testing.assert_array_equal(first, second)
    assert psnr(first, phantom) > psnr(noisy, phantom) + 4
    inpainted = restore(noisy, Inpaint(TOLD.noise, keep_observed=False), METHOD, missing=missing)
    np.testing.assert_array_equal(inpainted.image, first)


def test_strength_smooths(noisy):
    rough = [
        np.abs(np.diff(restore(noisy, TOLD, NonLocalBayes(strength, recover_sources=False)).image)).mean()
        for strength in (0.3, 1.0, 3.0)
    ]
    assert rough == sorted(rough, reverse=True)
    assert rough[0] > 2 * rough[2]


def test_weak_noise_does_no_harm(phantom, random):
    data = phantom + random.normal(0, 0.05, phantom.shape)
    restored = restore(data, Denoise(GaussianNoise(0.05)), METHOD).image
    assert np.abs(restored - phantom).mean() < 0.05


def test_it_can_be_stopped_and_shows_what_it_has(random):
    stop = Event()
    image = random.normal(100, SIGMA, (96, 96))
    iterates = solve(image, TOLD, METHOD, stopping_rule=StopRequested(stop))
    first = next(iterates)
    stop.set()
    *_, last = iterates
    assert first.preparing
    assert last.outcome is Outcome.STOPPED
    assert not last.preparing
    assert last.note.startswith("Stopped before the filter had finished")


def test_the_answer_is_the_only_iterate_of_the_method(noisy):
    *before, answer = solve(noisy, TOLD, METHOD)
    assert all(one.preparing for one in before)
    assert answer.outcome is Outcome.COMPUTED
    assert answer.index == 1


def remarks(image, task):
    return " ".join(estimate_cost(image, task, METHOD).remarks)


def test_remarks_say_what_was_measured(noisy, photons, random):
    assert "The noise was measured: σ = " in remarks(noisy, Denoise())
    assert "grey levels per photon" in remarks(photons[0], Denoise())
    assert "noise" not in remarks(noisy, TOLD)
    for task in (Denoise(CorrelatedNoise()), Denoise()):
        smooth = gaussian_filter(random.normal(100, 30, (128, 128)), 1)
        assert "correlated between neighbouring pixels" in remarks(smooth, task)


@pytest.mark.parametrize(
    ("task", "options", "words"),
    [
        (Denoise(LaplaceNoise(5.0)), {}, "leaves outliers in: choose Deep Image Prior"),
        (Inpaint(), {"missing": np.eye(64, dtype=bool)}, "can't fill holes"),
        (Denoise(), {"guide": np.eye(64)}, "takes no guide"),
    ],
    ids=["Laplace", "holes", "guide"],
)
def test_what_it_cannot_do_is_said_before_the_run(task, options, words, noisy):
    with pytest.raises(InputError, match=words):
        restore(noisy, task, METHOD, **options)


def test_noise_that_so_few_pixels_cannot_show_is_refused_with_advice():
    image = np.full((32, 32), np.nan)
    image[3, 4:12] = np.arange(8)
    with pytest.raises(InputError, match=r"noise can't be measured: only 0 .* give the noise's parameters"):
        restore(image, Denoise(), METHOD)


def test_settings_are_those_of_a_method():
    method: Method = METHOD
    assert method.probe(5) is METHOD
    assert method.resolved("cpu") is METHOD
    with pytest.raises(ValueError, match="strength must be > 0"):
        NonLocalBayes(strength=0.0)


@pytest.mark.parametrize(
    ("shape", "options", "wanted"),
    [
        ((24, 30), {"factor": 3}, (72, 90)),
        ((24, 30, 3), {"factor": 2, "psf": GaussianPSF(1.5)}, (48, 60, 3)),
        ((6, 20, 20), {"factor": 2, "along": "axial"}, (12, 20, 20)),
    ],
    ids=["grey", "blurred colours", "planes"],
)
def test_it_restores_finer_pixels(shape, options, wanted, random):
    axes = "ZYX" if "along" in options else None
    image = gaussian_filter(random.normal(0, 30, shape[: 3 if axes else 2]), 2) * 10 + 100
    image = image if len(shape) == image.ndim else np.repeat(image[..., None], 3, axis=-1)
    restored = restore(image, SuperResolve(**options), METHOD, axes=axes)
    assert restored.shape == wanted
    assert np.isfinite(restored.image).all()
    assert abs(restored.image.mean() - image.mean()) < 1


def test_data_that_may_have_no_noise_are_not_taken_for_noisy(random):
    image = gaussian_filter(random.normal(0, 30, (32, 32)), 1) * 10 + 100
    said = remarks(image, SuperResolve(factor=2))
    strength = float(said.split("σ = ")[1].split()[0])
    assert strength < 0.05 * image.std()
