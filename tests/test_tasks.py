from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from napari_dip import (
    DIP,
    Deconvolve,
    Denoise,
    GaussianNoise,
    GaussianPSF,
    Hourglass,
    Inpaint,
    MeasuredPSF,
    Measurement,
    Outcome,
    SuperResolve,
    restore,
)
from napari_dip.errors import InputError
from napari_dip.image.grid import Grid
from napari_dip.operators import Blur, Resample
from napari_dip.restoration.api import residual

#: A run of about two seconds.
QUICK = DIP(
    iterations=200,
    stopping="max-iterations",
    ema_decay=0.95,
    input_channels=4,
    precision="float32",
    network=Hourglass(widths=(16, 16, 16), skips=(4, 4, 4)),
)
SHORT = replace(QUICK, iterations=4)


def psnr(image, truth):
    return 10 * np.log10(np.ptp(truth) ** 2 / np.mean((np.asarray(image) - truth) ** 2))


def applied(operator, image):
    with torch.no_grad():
        return operator(torch.from_numpy(np.array(image, np.float32))[None, None])[0, 0].numpy()


# What each task is for.


def test_denoising_comes_closer_to_the_truth(phantom, random):
    noisy = phantom + random.normal(0, 25, phantom.shape)
    assert psnr(restore(noisy, Denoise(), QUICK), phantom) > psnr(noisy, phantom) + 7


def test_inpainting_finds_missing_pixels(phantom, random):
    missing = random.random(phantom.shape) < 0.5
    result = restore(phantom, Inpaint(), QUICK, missing=missing).image
    assert psnr(result[missing], phantom[missing]) > 22


def test_super_resolution_beats_bicubic_interpolation(phantom):
    coarse = applied(Resample((2, 2)), phantom)
    bicubic = np.asarray(Image.fromarray(coarse).resize((64, 64), Image.Resampling.BICUBIC))
    assert psnr(restore(coarse, SuperResolve(), QUICK), phantom) > psnr(bicubic, phantom) + 1


def test_deconvolution_comes_closer_to_the_truth(phantom, random):
    task = Deconvolve(psf=GaussianPSF(4.0))
    wide = np.pad(phantom, 12, mode="reflect")
    blur = task.operator((64, 64))
    blurred = applied(blur, wide)
    m = blur.psf.shape[0] // 2
    truth = wide[m:-m, m:-m]
    noisy = blurred + random.normal(0, 1, blurred.shape)
    assert psnr(restore(noisy, task, QUICK), truth) > psnr(noisy, truth) + 0.6


def test_a_bright_guide_helps_a_dim_image(phantom, random):
    noisy = phantom + random.normal(0, 80, phantom.shape)
    guide = 4000 - 10 * phantom + random.normal(0, 10, phantom.shape)
    method = replace(QUICK, iterations=60, ema_decay=0.9, initial_estimate=False)
    guided, alone = (restore(noisy, Denoise(), method, guide=one).image for one in (guide, None))
    assert psnr(guided, phantom) > psnr(alone, phantom) + 1.5


# The grid of the restored image.


@pytest.mark.parametrize("shape", [(5, 7), (4, 5, 7)])
@pytest.mark.parametrize("along", ["all", "axial", "lateral"])
@pytest.mark.parametrize("factor", [2, 3, 8])
def test_super_resolution_has_the_grid_of_its_operator(shape, along, factor):
    task = SuperResolve(factor=factor, along=along)
    if along == "axial" and len(shape) == 2:
        with pytest.raises(InputError, match="needs a volume, and the image has two spatial axes") as error:
            task.grid(shape)
        assert error.value.argument == "axes"
        return
    assert task.grid(shape) == task.operator(shape).grid(shape)


@pytest.mark.parametrize(
    ("along", "factors"), [("all", (2, 2, 2)), ("axial", (2, 1, 1)), ("lateral", (1, 2, 2))]
)
def test_only_some_axes_of_a_volume_may_be_refined(along, factors):
    assert SuperResolve(along=along).factors(3) == factors


@pytest.mark.parametrize("task", [Denoise(), Inpaint(), Deconvolve()], ids=lambda task: type(task).__name__)
def test_other_tasks_keep_the_pixels_of_the_data(task):
    assert task.grid((20, 30)) == Grid.of_data((20, 30))


def test_a_volume_is_refined_along_z(phantom):
    volume = np.stack([phantom[:24, :20] + 10 * plane for plane in range(8)])
    result = restore(volume, SuperResolve(factor=4, along="axial"), SHORT, axes="ZYX")
    assert result.image.shape == (32, 24, 20)
    assert np.isfinite(result.image).all()


def test_volumes_are_deconvolved(random):
    volume = random.normal(100, 20, (9, 24, 20))
    task = Deconvolve(psf=GaussianPSF(2.0, axial_fwhm=2.5))
    result = restore(volume, task, SHORT, axes="ZYX")
    assert result.image.shape == volume.shape
    assert np.isfinite(result.image).all()


def test_colours_are_super_resolved_together(phantom):
    image = np.stack([phantom, phantom.T, 300 - phantom], -1)
    result = restore(image[:32, :24], SuperResolve(), SHORT)
    assert result.image.shape == (64, 48, 3)
    assert len(result.frames) == 1


def test_a_deconvolved_image_is_not_shifted():
    """A point stays where it was, whatever the margin around the data."""
    point = np.zeros((32, 36))
    point[12, 20] = 1000
    task = Deconvolve(psf=GaussianPSF(2.0))
    blurred = applied(task.operator(point.shape), np.pad(point, task.operator(point.shape).psf.shape[0] // 2))
    result = restore(blurred, task, replace(QUICK, iterations=60)).image
    assert np.unravel_index(result.argmax(), result.shape) == (12, 20)


# Missing pixels.


MEASURED = np.array([[0, 1, 0.5], [2, 4, 2], [0.5, 1, 0]])


@pytest.mark.parametrize(
    ("task", "psf"),
    [
        (Denoise(), None),
        (Inpaint(), None),
        (SuperResolve(), None),
        (SuperResolve(factor=3, downsampling="area"), None),
        (Deconvolve(), None),
        (Deconvolve(psf=MeasuredPSF(), floor=10.0), MEASURED),
    ],
)
def test_the_values_of_missing_pixels_have_no_influence(task, psf, phantom):
    missing = np.zeros((32, 36), bool)
    missing[10:20, 20:25], missing[3] = True, True
    image = phantom[:32, :36]
    results = [
        restore(np.where(missing, hidden, image), task, SHORT, missing=missing, psf=psf).image
        for hidden in (0.0, 1e6, np.nan)
    ]
    assert np.array_equal(results[0], results[1])
    assert np.array_equal(results[0], results[2])
    assert np.isfinite(results[0]).all()


@pytest.mark.parametrize("task", [SuperResolve(along="axial"), Deconvolve(psf=GaussianPSF(2.0))])
def test_the_values_of_missing_pixels_have_no_influence_in_volumes(task, random):
    volume = random.normal(100, 20, (8, 16, 18))
    missing = random.random(volume.shape) < 0.2
    first, second = (
        restore(np.where(missing, hidden, volume), task, SHORT, missing=missing, axes="ZYX").image
        for hidden in (0.0, 1e6)
    )
    assert np.array_equal(first, second)


def test_a_few_observed_pixels_are_enough(phantom, random):
    missing = random.random(phantom.shape) > 0.02
    for task in (Inpaint(), SuperResolve()):
        result = restore(phantom, task, replace(SHORT, stopping="held-out"), missing=missing)
        assert np.isfinite(result.image).all()


# Settings.


@pytest.mark.parametrize("factor", [1, 9, 2.5, 0, -2, "2", True])
def test_impossible_factors_are_refused(factor):
    with pytest.raises((ValueError, TypeError), match=r"SuperResolve\.factor must be"):
        SuperResolve(factor=factor)


@pytest.mark.parametrize(("name", "value"), [("downsampling", "nearest"), ("along", "z")])
def test_unknown_choices_are_refused(name, value):
    with pytest.raises(ValueError, match=rf"SuperResolve\.{name} must"):
        SuperResolve(**{name: value})


def test_a_floor_is_part_of_the_problem():
    data, weights = torch.zeros(1, 1, 20, 20), torch.ones(1, 1, 20, 20)
    task = Deconvolve(floor=100.0)
    assert task.problem(data, task.operator((20, 20)), weights).floor == 100
    assert Denoise().problem(data, task.operator((20, 20)), weights).floor is None


def test_a_measured_psf_does_not_replace_a_formula():
    """A measured kernel of the same shape gives the same operator."""
    kernel = GaussianPSF(2.5).kernel(2)
    by_formula, measured = (
        Deconvolve(psf=psf).operator((32, 32), kernel).psf for psf in (GaussianPSF(2.5), MeasuredPSF())
    )
    torch.testing.assert_close(by_formula, measured, atol=1e-6, rtol=0)


@pytest.mark.parametrize("factor", [2, 3])
def test_a_blur_before_the_pixels_has_its_width_in_pixels_of_the_data(factor, phantom):
    task = SuperResolve(factor=factor, psf=GaussianPSF(1.5))
    operator = task.operator((16, 16))
    sharp = GaussianPSF(1.5 * factor).kernel(2)
    np.testing.assert_allclose(operator.inner.psf, sharp, atol=1e-6)
    margin = sharp.shape[0] // 2
    assert operator.grid((16, 16)).shape == (16 * factor + 2 * margin,) * 2
    wide = np.pad(phantom[: 16 * factor, : 16 * factor], margin, mode="edge")
    expected = applied(Resample((factor, factor)), applied(Blur(torch.from_numpy(sharp).float()), wide))
    np.testing.assert_allclose(applied(operator, wide), expected, atol=1e-4)
    measured = SuperResolve(factor=factor, psf=MeasuredPSF()).operator((16, 16), GaussianPSF(1.5).kernel(2))
    assert abs(measured.inner.psf.shape[0] - sharp.shape[0]) <= factor + 1


def test_blurred_and_coarse_data_are_restored_in_place(phantom):
    """A ramp, blurred and made coarse, is explained by itself: nothing is shifted by half a pixel."""
    ramp = np.add.outer(np.arange(48.0), 2 * np.arange(48.0)).astype(np.float32)
    task = SuperResolve(factor=3, psf=GaussianPSF(1.0))
    margin = task.operator((16, 16)).inner.psf.shape[0] // 2
    wide = np.pad(ramp, margin, mode="reflect", reflect_type="odd")
    left = residual(applied(task.operator((16, 16)), wide), ramp, task)
    assert abs(left[5:-5, 5:-5]).max() < 1e-2


# Residuals.


def test_the_residual_of_denoising_is_the_removed_noise(phantom, random):
    noisy = (phantom + random.normal(0, 5, phantom.shape)).astype(np.float32)
    left = residual(noisy, phantom, Denoise())
    assert left.dtype == np.float32
    np.testing.assert_allclose(left, noisy - phantom, atol=1e-4)


@pytest.mark.parametrize("task", [SuperResolve(), SuperResolve(factor=4, downsampling="area")])
def test_the_residual_of_super_resolution_is_that_of_the_coarse_pixels(task, phantom, random):
    clean = applied(task.operator((64 // task.factor,) * 2), phantom)
    noise = random.normal(0, 5, clean.shape).astype(np.float32)
    np.testing.assert_allclose(residual(clean + noise, phantom, task), noise, atol=1e-3)


def test_the_residual_of_deconvolution_is_the_noise_away_from_the_border(phantom, random):
    task = Deconvolve(psf=GaussianPSF(3.0))
    m = task.operator((64, 64)).psf.shape[0] // 2
    clean = applied(task.operator((64, 64)), np.pad(phantom, m, mode="edge"))
    noise = random.normal(0, 5, clean.shape).astype(np.float32)
    np.testing.assert_allclose(residual(clean + noise, phantom, task), noise, atol=1e-3)
    shifted = residual(clean, np.roll(phantom, 1, 0), task)
    assert abs(shifted[m:-m, m:-m]).max() > 5


def test_the_residual_with_a_measured_psf(random):
    image, x = random.random((20, 22)), random.random((20, 22))
    expected = applied(Blur(torch.from_numpy(MEASURED / MEASURED.sum())), np.pad(x, 1, mode="edge"))
    left = residual(Measurement(image, psf=MEASURED), x, Deconvolve(psf=MeasuredPSF()))
    np.testing.assert_allclose(left, image - expected, atol=1e-5)


def test_the_residual_is_nan_where_a_pixel_is_missing(random):
    image = random.random((2, 16, 16, 3))
    image[0, 1, 2, 1] = np.nan
    missing = np.zeros((16, 16), bool)
    missing[5] = True
    left = residual(
        Measurement(image, missing=missing, saturation_level=0.99, axes="TYXC"),
        np.zeros_like(image),
        Denoise(),
    )
    hidden = np.isnan(image) | missing[..., None] | (image >= 0.99)
    np.testing.assert_array_equal(np.isnan(left), hidden)


def test_the_residual_of_a_frame_that_was_not_reached_is_nan(random):
    stack = random.random((2, 16, 16))
    restored = stack.copy()
    restored[1] = np.nan
    left = residual(Measurement(stack, axes="TYX"), restored, Denoise())
    assert np.isfinite(left[0]).all()
    assert np.isnan(left[1]).all()


@pytest.mark.parametrize(
    ("restored", "task", "message"),
    [
        ((16, 15), Denoise(), r"restored must have the shape \(16, 16\), got \(16, 15\)"),
        ((16, 16), SuperResolve(), r"restored must have the shape \(32, 32\), got \(16, 16\)"),
        ((), Denoise(), r"got \(\)"),
    ],
)
def test_the_residual_needs_a_result_of_the_right_shape(restored, task, message, random):
    with pytest.raises(InputError, match=message) as error:
        residual(random.random((16, 16)), np.zeros(restored), task)
    assert error.value.argument == "restored"


def test_the_residual_of_a_good_result_is_as_strong_as_the_noise(phantom, random):
    noisy = phantom + random.normal(0, 25, phantom.shape)
    result = restore(noisy, Denoise(GaussianNoise(25.0)), QUICK)
    assert result.outcome is Outcome.MAX_ITERATIONS
    assert residual(noisy, result, Denoise()).std() == pytest.approx(25, rel=0.15)
