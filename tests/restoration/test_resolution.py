"""The resolution of a restored image, from two measurements that share no noise."""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_dip import (
    PKN,
    Deconvolve,
    Denoise,
    GaussianNoise,
    GaussianPSF,
    Measurement,
    PoissonNoise,
    RichardsonLucy,
    SuperResolve,
    measure_resolution,
)
from napari_dip.noise.models import LaplaceNoise
from napari_dip.restoration import resolution as module


def scene(size=128):
    random = np.random.default_rng(1)
    points = np.zeros((size, size))
    points[tuple(random.integers(0, size, (2, 150)))] = 1
    blurred = gaussian_filter(points, 1.5)
    return 20 + 200 * blurred / blurred.max()


@dataclass(frozen=True)
class _Runs:
    """What `restore` was called with."""

    calls: list

    def __call__(self, measurement, task, method, **settings):
        self.calls.append((measurement, task, settings))
        return real_restore(measurement, task, method, **settings)


real_restore = module.restore


@pytest.fixture
def runs(monkeypatch):
    calls = []
    monkeypatch.setattr(module, "restore", _Runs(calls))
    return calls


def test_an_empty_field_shows_no_resolution():
    random = np.random.default_rng(0)
    for _ in range(10):
        found = measure_resolution(random.poisson(30.0, (96, 96)), Denoise(PoissonNoise()), PKN())
        assert found.value("1/7") is None
        assert found.value("3-sigma") is None
    assert found.in_words.startswith("No resolution is shown")


def test_more_light_resolves_more():
    random = np.random.default_rng(0)
    found = [
        measure_resolution(random.poisson(light * scene()), Denoise(PoissonNoise()), PKN(kernel="nlm"))
        for light in (0.02, 0.2, 20)
    ]
    for values in ([one.value() for one in found], [one.data.resolution() for one in found]):
        assert values == sorted(values, reverse=True)
        assert 2 < values[-1] < values[0] < 15


def test_what_is_finer_than_the_data_show_is_named():
    # A filter that adapts to the image makes the same edges in both halves.
    image = np.random.default_rng(0).poisson(0.2 * scene())
    found = measure_resolution(image, Denoise(PoissonNoise()), PKN())
    assert found.value() < 0.8 * found.data.resolution()
    assert "follows from the method's assumptions" in found.in_words


def test_each_half_has_its_own_seed_its_own_pixels_and_the_noise_of_a_half(runs):
    image = np.random.default_rng(0).poisson(scene())
    measure_resolution(image, Denoise(PoissonNoise()), PKN(), seed=5)
    (first, task, settings), (second, other_task, other_settings) = runs
    assert task == other_task == Denoise(PoissonNoise(gain=2.0))
    assert (settings["seed"], other_settings["seed"]) == (5, 6)
    assert (first.image + second.image == 2 * image).all()
    assert np.corrcoef(first.image.ravel() - image.ravel(), second.image.ravel() - image.ravel())[0, 1] < 0


def test_noise_that_the_task_does_not_know_is_measured_for_the_split_alone(runs):
    image = scene() + np.random.default_rng(0).normal(0, 5, (128, 128))
    found = measure_resolution(image, Denoise(), PKN())
    assert [task for _, task, _ in runs] == [Denoise()] * 2
    assert any(note.startswith("The noise was measured (σ = ") for note in found.notes)
    told = measure_resolution(image, Denoise(), PKN(), noise=GaussianNoise(5.0))
    assert not told.notes
    assert told.value() == pytest.approx(found.value(), rel=0.2)


def test_two_exposures_are_restored_as_they_are(runs):
    random = np.random.default_rng(0)
    exposures = scene() + random.normal(0, 5, (2, 128, 128))
    found = measure_resolution(
        Measurement(exposures[0]), Denoise(GaussianNoise(5.0)), PKN(), second=exposures[1]
    )
    assert [task for _, task, _ in runs] == [Denoise(GaussianNoise(5.0))] * 2
    assert (runs[1][0].image == exposures[1]).all()
    split = measure_resolution(exposures[0], Denoise(GaussianNoise(5.0)), PKN())
    assert found.value() == pytest.approx(split.value(), rel=0.25)
    with pytest.raises(
        ValueError, match="both exposures must have the same shape, got 128 x 128 and 64 x 64"
    ):
        measure_resolution(exposures[0], Denoise(), PKN(), second=exposures[1][:64, :64])


def test_stated_noise_and_missing_pixels_are_carried_along(runs):
    random = np.random.default_rng(0)
    sigma = np.full((128, 128), 3.0)
    sigma[:, 64:] = 6.0
    image = scene() + sigma * random.normal(size=sigma.shape)
    image[5, 5], image[6, 6] = np.nan, 300.0
    measure_resolution(image, Denoise(), PKN(), noise_std=sigma, saturation_level=299)
    half = runs[0][0]
    assert np.isnan(half.image[[5, 6], [5, 6]]).all()
    assert half.noise_std[0] == pytest.approx(np.sqrt(2) * sigma[0])
    assert np.nanstd(half.image[:, 64:] - image[:, 64:]) == pytest.approx(6, rel=0.05)


def test_the_resolution_has_the_unit_of_the_pixel_size():
    random = np.random.default_rng(0)
    image = random.poisson(scene())
    task = SuperResolve(PoissonNoise(), factor=2)
    fine = measure_resolution(image, task, PKN())
    nanometres = measure_resolution(image, task, PKN(), pixel_size=65, unit="nm")
    assert fine.unit == "px"
    assert nanometres.value() == pytest.approx(fine.value() * 65 / 2)  # pixels of the result are finer
    assert " nm by the 1/7 criterion" in nanometres.in_words
    assert nanometres.curve.finest == pytest.approx(65)


def test_channels_and_frames_are_taken_together():
    random = np.random.default_rng(0)
    image = random.poisson(np.stack([scene(96)] * 2)[..., None] * [1, 0.5, 2])
    found = measure_resolution(image, Denoise(PoissonNoise()), PKN(), axes="TYXC", series="independent")
    single = measure_resolution(image[0, ..., 2], Denoise(PoissonNoise()), PKN())
    assert found.curve.three_sigma[-1] < single.curve.three_sigma[-1] / 1.8
    assert found.value() == pytest.approx(single.value(), rel=0.5)


def test_few_planes_are_taken_as_images():
    random = np.random.default_rng(0)
    image = random.poisson(np.stack([scene(96)] * 3))
    found = measure_resolution(image, Denoise(PoissonNoise()), PKN(), axes="ZYX", pixel_size=(5, 1, 1))
    single = measure_resolution(image[0], Denoise(PoissonNoise()), PKN(), pixel_size=1)
    assert found.value() == pytest.approx(single.value(), rel=0.1)
    assert found.curve.finest == 2


def test_deconvolution_resolves_more_than_the_width_of_its_point_spread_function():
    image = np.random.default_rng(0).poisson(20 * scene())
    task = Deconvolve(PoissonNoise(), GaussianPSF(fwhm=3.5))
    assert 2 <= measure_resolution(image, task, RichardsonLucy()).value() < 4.5


def test_correlated_noise_is_split_by_noise_of_its_spectrum(runs):
    random = np.random.default_rng(0)
    shown, as_white = [], []
    for _ in range(6):
        noise = gaussian_filter(random.normal(100, 30, (160, 160)), 1)
        shown.append(measure_resolution(noise, Denoise(), PKN()).value("3-sigma"))
        white = measure_resolution(noise, Denoise(), PKN(), noise=GaussianNoise(float(noise.std())))
        as_white.append(white.value("3-sigma"))
    assert all(value is None or value > 8 for value in shown)  # low frequencies are uncertain, and it says so
    assert shown.count(None) >= 4
    assert as_white.count(None) == 0
    half = runs[-4][0].image
    assert np.std(half - noise) == pytest.approx(noise.std(), rel=0.2)
    assert runs[-4][1] == Denoise()
    image = scene(160) + gaussian_filter(random.normal(0, 20, (160, 160)), 1)
    image[3, 3] = np.nan
    found = measure_resolution(image, Denoise(), PKN())
    assert 2 < found.value() < 8
    assert "noise of the same spectrum" in found.how
    assert "more than eight pixels" in found.in_words
    assert np.isnan(runs[-1][0].image[3, 3])


def test_correlated_noise_is_named():
    random = np.random.default_rng(0)
    noise = gaussian_filter(random.normal(size=(256, 256)), 1.5)
    image = scene(256) + 8 * noise / noise.std()
    found = measure_resolution(image, Denoise(GaussianNoise(8.0)), PKN())
    assert any("correlated between pixels" in note for note in found.notes)


NOISE = np.random.default_rng(0).normal(100, 5, (32, 32))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image": Measurement(NOISE, guide=NOISE)}, "with a guide"),
        ({"noise": LaplaceNoise(3.0)}, "heavy-tailed noise can't be split"),
        ({"image": np.full((32, 32), 3)}, "nothing to restore"),
        ({"image": NOISE[:12], "noise": GaussianNoise(1.0)}, "at least 16"),
    ],
)
def test_what_cannot_be_measured_is_refused(arguments, message):
    given = {"image": NOISE, "task": Denoise(), "method": PKN(), **arguments}
    with pytest.raises(ValueError, match=message):
        measure_resolution(**given)


def test_a_constant_and_a_factor_change_nothing():
    image = np.random.default_rng(0).poisson(scene())
    plain = measure_resolution(image, Denoise(PoissonNoise()), PKN())
    moved = measure_resolution(4 * image + 1024, Denoise(PoissonNoise(4.0, 1024.0)), PKN())
    assert moved.curve.correlation == pytest.approx(plain.curve.correlation, abs=1e-4)
    assert moved.value() == pytest.approx(plain.value(), rel=1e-3)
