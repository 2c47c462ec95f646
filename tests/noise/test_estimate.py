"""Noise drawn from the models, on photographs and micrographs that come with scikit-image."""

from functools import cache

import numpy as np
import pytest
import scipy.ndimage
import skimage.data
import torch

from napari_dip.noise.estimate import EstimatedNoise, estimate_noise, estimating
from napari_dip.noise.models import (
    GaussianNoise,
    LaplaceNoise,
    PoissonGaussianNoise,
    PoissonNoise,
    UnknownNoise,
)
from napari_dip.noise.neighbourhoods import _measuring

IMAGES = ["camera", "moon", "coins", "immunohistochemistry"]
WIDE = ["camera", "immunohistochemistry", "astronaut"]  # with histograms that cover the range


@cache
def clean(name):
    return getattr(skimage.data, name)().astype(np.float64)


def drawn(model, image, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return model.sample(torch.from_numpy(np.array(image, dtype=np.float64)), generator).numpy()


def estimated(model, image, **options):
    return estimate_noise(model, image, **options).model


def ramp(low, high, size=256):
    return np.tile(np.linspace(low, high, size), (size, 1))


@pytest.mark.parametrize("name", IMAGES)
@pytest.mark.parametrize(
    "truth",
    [*map(GaussianNoise, (5.0, 25.0, 50.0)), *map(LaplaceNoise, (10.0, 50.0))],
    ids=str,
)
def test_sigma_is_measured_within_a_tenth(name, truth):
    found = estimated(type(truth)(1.0), drawn(truth, clean(name)))
    assert type(found) is type(truth)
    assert found.sigma == pytest.approx(truth.sigma, rel=0.1)


@pytest.mark.parametrize("name", WIDE)
@pytest.mark.parametrize(("photons", "offset"), [(1, 0.0), (20, 100.0), (100, 100.0)])
def test_gain_and_offset_are_measured(name, photons, offset):
    gain = 255 / photons
    found = estimated(PoissonNoise(), drawn(PoissonNoise(gain, offset), offset + clean(name)))
    assert found.gain == pytest.approx(gain, rel=0.15)
    assert found.offset == pytest.approx(offset, abs=max(0.2, 0.02 * photons) * gain)


@pytest.mark.parametrize("name", WIDE)
@pytest.mark.parametrize(("photons", "read"), [(5, 1.0), (20, 2.5), (100, 5.0)])
def test_gain_and_read_noise_are_measured_and_the_offset_is_kept(name, photons, read):
    gain = 255 / photons
    truth = PoissonGaussianNoise(gain, 100.0, read * gain)
    found = estimated(PoissonGaussianNoise(offset=100.0), drawn(truth, 100 + clean(name)))
    assert found.gain == pytest.approx(gain, rel=0.15)
    assert found.read_noise == pytest.approx(truth.read_noise, rel=0.25)
    assert found.offset == 100


@pytest.mark.parametrize(("model", "error"), [(GaussianNoise(7.0), 0.01), (LaplaceNoise(7.0), 0.03)], ids=str)
def test_without_structure_sigma_is_exact(model, error):
    found = [estimated(model, drawn(model, ramp(0, 300, 512), seed)).sigma for seed in range(4)]
    assert np.mean(found) == pytest.approx(7, rel=error)


def test_without_structure_the_line_is_exact():
    truth = PoissonGaussianNoise(gain=2.0, offset=100.0, read_noise=10.0)
    found = [estimated(truth, drawn(truth, ramp(100, 500, 512), seed)) for seed in range(4)]
    assert np.mean([one.gain for one in found]) == pytest.approx(2, rel=0.02)
    assert np.mean([one.read_noise for one in found]) == pytest.approx(10, rel=0.03)


@pytest.mark.parametrize("name", IMAGES)
def test_sigma_agrees_with_scikit_image(name):
    pytest.importorskip("pywt")
    noisy = drawn(GaussianNoise(25.0), clean(name))
    axis = -1 if noisy.ndim == 3 else None
    theirs = skimage.restoration.estimate_sigma(noisy, channel_axis=axis, average_sigmas=True)
    assert estimated(GaussianNoise(1.0), noisy).sigma == pytest.approx(theirs, rel=0.15)


def test_missing_pixels_do_not_count(random):
    noisy = drawn(GaussianNoise(10.0), clean("camera"))
    missing = random.random(noisy.shape) < 0.2
    missing[40:80] = True
    spoilt, holes = np.where(missing, 1e6, noisy), np.where(missing, np.nan, noisy)
    found = estimated(GaussianNoise(1.0), spoilt, missing=missing)
    assert found.sigma == pytest.approx(10, rel=0.1)
    assert estimated(GaussianNoise(1.0), holes) == found
    assert estimated(GaussianNoise(1.0), np.ma.array(spoilt, mask=missing)) == found
    assert np.isnan(holes).any()


@pytest.mark.parametrize("dtype", ["uint8", ">u2", "int32", "float32"])
def test_any_dtype_is_taken_and_the_image_is_not_modified(dtype):
    noisy = np.clip(drawn(GaussianNoise(20.0), clean("camera")), 0, 255).round().astype(dtype)
    noisy.flags.writeable = False
    assert estimated(GaussianNoise(1.0), noisy).sigma == pytest.approx(20, rel=0.1)


@pytest.mark.parametrize("factor", [2.0**-40, 2.0**-8, 2.0**30])
def test_parameters_scale_with_the_grey_levels(factor):
    noisy = drawn(PoissonNoise(5.0, 20.0), 20 + clean("camera"))
    once, scaled = (estimated(PoissonNoise(), image) for image in (noisy, factor * noisy))
    assert scaled.gain == pytest.approx(factor * once.gain, rel=1e-3)
    assert scaled.offset == pytest.approx(factor * once.offset, rel=1e-3)


@pytest.mark.parametrize(("model", "shift"), [(GaussianNoise, 1e6), (LaplaceNoise, -300.0)])
def test_sigma_does_not_depend_on_the_black_level(model, shift):
    noisy = drawn(model(10.0), clean("camera"))
    assert estimated(model(1.0), noisy + shift).sigma == pytest.approx(
        estimated(model(1.0), noisy).sigma, rel=1e-3
    )


@pytest.mark.parametrize(
    ("letters", "shape"), [("TYX", (20, 64, 64)), ("ZYX", (20, 64, 64)), ("TCZYX", (2, 2, 3, 64, 64))]
)
def test_frames_channels_and_planes_are_pooled(letters, shape):
    noisy = drawn(GaussianNoise(10.0), np.broadcast_to(ramp(0, 100, 64), shape))
    assert estimated(GaussianNoise(1.0), noisy, axes=letters).sigma == pytest.approx(10, rel=0.05)


def test_axes_may_stand_in_any_order():
    noisy = drawn(GaussianNoise(10.0), clean("immunohistochemistry"))
    found = estimated(GaussianNoise(1.0), noisy)
    assert estimated(GaussianNoise(1.0), np.moveaxis(noisy, -1, 0), axes="CYX") == found
    assert estimated(GaussianNoise(1.0), noisy.swapaxes(0, 1)).sigma == pytest.approx(found.sigma, rel=0.02)


def test_of_a_lazy_series_eight_frames_are_read_once(lazy):
    noisy = drawn(GaussianNoise(10.0), np.broadcast_to(ramp(0, 100, 64), (40, 64, 64)))
    found = estimated(GaussianNoise(1.0), noisy, axes="TYX")
    series, read = lazy(noisy)
    assert estimated(GaussianNoise(1.0), series, axes="TYX") == found
    assert read == [0, 6, 11, 17, 22, 28, 33, 39]


def saturated(truth, seed=0):
    return np.clip(drawn(truth, ramp(40, 400), seed), 0, 250).round().astype(np.uint8)


def test_saturation_does_not_look_like_less_noise():
    assert estimated(GaussianNoise(1.0), saturated(GaussianNoise(30.0))).sigma == pytest.approx(30, rel=0.05)
    found = [estimated(PoissonNoise(), saturated(PoissonNoise(4.0), seed)) for seed in range(4)]
    assert np.mean([one.gain for one in found]) == pytest.approx(4, rel=0.1)
    assert np.mean([one.offset for one in found]) == pytest.approx(0, abs=8)


def test_black_and_white_borders_are_left_out():
    noisy = drawn(GaussianNoise(10.0), ramp(60, 200))
    framed = np.pad(np.pad(noisy, 60), 60, constant_values=255)
    assert estimated(GaussianNoise(1.0), framed).sigma == pytest.approx(10, rel=0.05)


def test_an_offset_that_is_too_low_is_raised_with_a_warning():
    noisy = drawn(PoissonNoise(2.0, 100.0), ramp(120, 400))
    with pytest.warns(UserWarning, match="The offset was raised to"):
        found = estimate_noise(PoissonGaussianNoise(offset=0.0), noisy)
    assert found.model.read_noise == 0
    assert abs(found.model.offset - 100) < 3 * found.standard_errors["offset"]


@pytest.mark.parametrize("model", [PoissonNoise(), PoissonGaussianNoise()])
@pytest.mark.parametrize(
    "image",
    [
        drawn(GaussianNoise(10.0), ramp(0, 250)),
        drawn(PoissonNoise(2.0), ramp(120, 120)),
        -drawn(PoissonNoise(2.0), ramp(0, 250)),
    ],
    ids=["Gaussian noise", "flat", "negative"],
)
def test_noise_that_does_not_grow_with_brightness_is_no_photon_noise(model, image):
    with pytest.raises(ValueError, match=r"doesn't grow with brightness.* Choose Gaussian noise"):
        estimated(model, image)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.full((64, 64), 7), "no noise to measure"),
        (ramp(0, 64, 64).round(), "no noise to measure"),
        (np.full((64, 64), np.nan), "every pixel is missing"),
        (np.eye(8), "only 36 neighbourhoods"),
        (np.ones((64, 64), complex), "real numbers"),
        (np.ones(64), "at least two axes"),
    ],
)
def test_images_whose_noise_can_not_be_measured_are_refused(image, message):
    with pytest.raises(ValueError, match=message):
        estimated(GaussianNoise(1.0), image)


def test_photon_noise_needs_more_than_a_few_pixels():
    with pytest.raises(ValueError, match="levels of brightness, but 8 are needed"):
        estimated(PoissonNoise(), drawn(PoissonNoise(), ramp(10, 99, 24)))


def test_the_measured_variance_is_right_even_if_the_offset_is_wrong():
    truth = PoissonGaussianNoise(gain=3.0, offset=50.0, read_noise=8.0)
    grey = torch.linspace(60, 400, 9)
    found = estimated(PoissonGaussianNoise(offset=40.0), drawn(truth, ramp(60, 400, 512)))
    assert found.offset == 40
    np.testing.assert_allclose(found.variance(grey), truth.variance(grey), rtol=0.12)


def test_unknown_noise_is_told_to_be_photon_noise_or_gaussian_noise():
    photons = estimated(UnknownNoise(), drawn(PoissonNoise(2.0), ramp(20, 200)))
    assert isinstance(photons, PoissonNoise)
    assert photons.gain == pytest.approx(2, rel=0.1)
    alike = estimated(UnknownNoise(), drawn(GaussianNoise(8.0), ramp(20, 200)))
    assert isinstance(alike, GaussianNoise)
    assert alike.sigma == pytest.approx(8, rel=0.05)


def test_a_measurement_can_be_stopped_within_each_plane(monkeypatch):
    """It is done step by step, several for each plane."""
    steps = estimating(GaussianNoise(1.0), drawn(GaussianNoise(8.0), np.stack([ramp(0, 99)] * 3)), axes="CYX")
    read = []
    monkeypatch.setattr(
        "napari_dip.noise.neighbourhoods._measuring",
        lambda *given: read.append(1) or _measuring(*given),
    )
    counts = []
    while len(read) < 3:
        next(steps)
        counts.append(len(read))
    assert counts.count(0) > 1
    assert counts.count(1) > 1
    assert counts.count(2) > 1
    steps.close()


PHOTONS = PoissonGaussianNoise(gain=4.0, offset=100.0, read_noise=8.0)


@pytest.mark.parametrize("name", IMAGES)
@pytest.mark.parametrize("truth", [GaussianNoise(10.0), PHOTONS], ids=lambda noise: type(noise).__name__)
def test_the_truth_lies_within_the_standard_errors(name, truth):
    found = estimate_noise(truth, drawn(truth, 100 + clean(name)))
    for parameter, error in found.standard_errors.items():
        assert getattr(found.model, parameter) == pytest.approx(getattr(truth, parameter), abs=3 * error)


@pytest.mark.parametrize("model", [GaussianNoise(7.0), PoissonNoise(3.0)], ids=str)
def test_standard_errors_are_those_of_repeated_measurements(model):
    found = [estimate_noise(model, drawn(model, ramp(20, 400, 128), seed)) for seed in range(12)]
    for parameter in found[0].standard_errors:
        spread = np.std([getattr(one.model, parameter) for one in found])
        stated = np.mean([one.standard_errors[parameter] for one in found])
        assert 0.7 * spread < stated < 4 * spread


def test_an_offset_on_a_high_pedestal_is_not_rounded_away():
    noisy = drawn(PoissonNoise(4.0, 123_456.0), 123_456 + ramp(4, 900, 256))
    found = estimate_noise(PoissonNoise(), noisy)
    error = found.standard_errors["offset"]
    assert error < 10
    assert found.model.offset == pytest.approx(123_456, abs=3 * error)


def test_larger_images_have_smaller_errors():
    small, large = (
        estimate_noise(PHOTONS, drawn(PHOTONS, ramp(100, 900, size))).standard_errors["gain"]
        for size in (64, 512)
    )
    assert large < small / 2


@pytest.mark.parametrize("name", ["grass", "gravel"])
def test_structure_everywhere_is_refused(name):
    noisy = drawn(GaussianNoise(2.0), clean(name))
    with pytest.raises(ValueError, match="can't be told from the image's own structure"):
        estimate_noise(GaussianNoise(1.0), noisy)
    with pytest.raises(
        ValueError, match="doesn't grow with brightness, as photon noise does, or not clearly"
    ):
        estimate_noise(PoissonNoise(), noisy)


@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.0])
def test_blurred_noise_is_refused(random, sigma):
    noise = scipy.ndimage.gaussian_filter(random.normal(0, 1, (256, 256)), sigma)
    with pytest.raises(ValueError, match="correlated between neighbouring pixels"):
        estimate_noise(GaussianNoise(1.0), ramp(0, 200) + 15 * noise / noise.std())


@pytest.mark.parametrize("end", ["dark", "bright"])
def test_noise_that_is_cut_off_nearly_everywhere_is_refused(end):
    noisy = drawn(GaussianNoise(20.0), ramp(0, 20) if end == "dark" else ramp(240, 255))
    with pytest.raises(ValueError, match="cut off at an end of the range in 100% of the image"):
        estimate_noise(GaussianNoise(1.0), np.clip(noisy, 0, 255))


def test_compressed_noise_gives_a_warning(monkeypatch):
    monkeypatch.setattr("napari_dip.noise.whiteness.Whiteness.white", False)
    with pytest.warns(UserWarning, match="correlated between neighbouring pixels"):
        estimate_noise(GaussianNoise(1.0), drawn(GaussianNoise(9.0), ramp(0, 100)))


@pytest.mark.parametrize(
    ("model", "errors", "words"),
    [
        (GaussianNoise(12.34), {"sigma": 0.41}, "σ = 12.3 ± 0.4"),
        (PoissonNoise(2.046, 98.1), {"gain": 0.052, "offset": 2.2}, "gain = 2.05 ± 0.05, offset = 98 ± 2"),
        (PoissonGaussianNoise(read_noise=7.0), {"read_noise": 0.0}, "read noise = 7"),
        (GaussianNoise(1234.0), {"sigma": 41.0}, "σ = 1234 ± 40"),
        (GaussianNoise(1.234e-8), {"sigma": 4e-10}, "σ = 1.234e-08 ± 4e-10"),
    ],
)
def test_standard_errors_are_said_in_words(model, errors, words):
    assert EstimatedNoise(model, errors).in_words == words
