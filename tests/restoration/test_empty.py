"""Frames, planes and channels that hold nothing go through; the others are restored."""

import numpy as np
import pytest

from napari_dip import (
    DIP,
    PKN,
    Deconvolve,
    Denoise,
    FineTune,
    GaussianNoise,
    GaussianPSF,
    Hourglass,
    Inpaint,
    NonLocalBayes,
    Outcome,
    RichardsonLucy,
    SuperResolve,
    Wiener,
    estimate_cost,
    restore,
)

SMALL = DIP(
    iterations=3,
    stopping="max-iterations",
    input_channels=2,
    precision="float32",
    initial_estimate=False,
    network=Hourglass(widths=(4,), skips=(2,)),
)
METHODS = [SMALL, PKN(), NonLocalBayes(), FineTune(action="network")]
PSF = GaussianPSF(2.0)


def name(value):
    return type(value).__name__


def noisy(frames=3, side=24):
    rows, columns = np.mgrid[:side, :side]
    scene = 100 + 50 * np.sin(rows / 4) * np.cos(columns / 5)
    return scene + np.random.default_rng(0).normal(0, 8, (frames, side, side))


def ramp(side=24):
    return np.add.outer(3.0 * np.arange(side), np.arange(side))


def steps(side=24):
    image = np.full((side, side), 10.0)
    image[5:15, 8:20] = 90
    return image


EMPTY = {"NaN": np.full((24, 24), np.nan), "zero": np.zeros((24, 24)), "constant": np.full((24, 24), 7.25)}
NOISELESS = {"ramp": ramp(), "steps": steps()}


@pytest.mark.parametrize("method", METHODS, ids=name)
@pytest.mark.parametrize("blank", [*EMPTY, *NOISELESS])
def test_an_empty_frame_goes_through_with_a_note(method, blank):
    stack = noisy()
    stack[1] = frame = (EMPTY | NOISELESS)[blank]
    result = restore(stack, Denoise(), method, axes="TYX")
    np.testing.assert_array_equal(result.image[1], frame.astype(np.float32))
    assert np.isfinite(result.image[[0, 2]]).all()
    report = result.frames[1]
    assert (report.outcome, report.error) == (Outcome.UNCHANGED, None)
    assert report.note
    assert result.failed == ()


@pytest.mark.parametrize(
    ("task", "method"),
    [
        (SuperResolve(), SMALL),
        (SuperResolve(factor=3), PKN()),
        (SuperResolve(), FineTune(action="network")),
        (Deconvolve(psf=PSF), SMALL),
        (Deconvolve(psf=PSF), PKN()),
        (Deconvolve(psf=PSF), Wiener()),
        (Deconvolve(psf=PSF), RichardsonLucy(iterations=2)),
    ],
    ids=name,
)
@pytest.mark.parametrize("blank", EMPTY)
def test_it_has_the_results_own_shape(task, method, blank):
    stack = noisy()
    stack[0] = EMPTY[blank]
    result = restore(stack, task, method, axes="TYX")
    np.testing.assert_array_equal(result.image[0], np.full(result.shape[1:], EMPTY[blank][0, 0], np.float32))
    assert np.isfinite(result.image[1:]).all()


def test_missing_pixels_of_a_constant_frame_are_filled():
    stack = noisy()
    stack[1] = 5
    stack[1, :3] = np.nan
    np.testing.assert_array_equal(restore(stack, Denoise(), SMALL, axes="TYX").image[1], 5)


@pytest.mark.parametrize("method", METHODS, ids=name)
@pytest.mark.parametrize("blank", EMPTY)
def test_an_empty_channel_goes_through_and_does_not_touch_the_others(method, blank):
    both = noisy(2)
    image = np.stack([both[0], EMPTY[blank], both[1]])
    result = restore(image, Denoise(), method, axes="CYX")
    np.testing.assert_array_equal(result.image[1], EMPTY[blank].astype(np.float32))
    np.testing.assert_array_equal(result.image[[0, 2]], restore(both, Denoise(), method, axes="CYX"))
    assert "Channel 1: " in result.frames[0].note


def test_channels_last_and_a_plane_of_a_volume():
    volume = noisy(4)
    volume[2] = 3.0
    result = restore(volume, Denoise(), PKN(), axes="ZYX")
    np.testing.assert_array_equal(result.image[2], 3)
    colours = np.stack([*noisy(2), np.zeros((24, 24))], -1)
    np.testing.assert_array_equal(restore(colours, Denoise(), SMALL, axes="YXC").image[..., 2], 0)


def test_a_time_series_in_which_a_channel_is_empty_for_a_while():
    movie = np.stack([noisy(2)] * 3)
    movie[1, 0] = np.nan
    result = restore(movie, Denoise(), SMALL, axes="TCYX")
    assert result.failed == ()
    assert np.isnan(result.image[1, 0]).all()
    finite = np.isfinite(result.image).all((2, 3))
    np.testing.assert_array_equal(finite, [[True, True], [False, True], [True, True]])


@pytest.mark.parametrize(
    "task", [Inpaint(), Inpaint(keep_observed=False), SuperResolve(), Deconvolve(psf=PSF)], ids=str
)
def test_images_without_noise_are_restored_by_other_tasks(task):
    stack = np.stack([steps(), steps().T])
    missing = np.zeros((24, 24), bool)
    missing[10] = True
    result = restore(stack, task, SMALL, axes="TYX", missing=missing if task.needs_missing else None)
    assert [report.outcome for report in result.frames] == [Outcome.MAX_ITERATIONS] * 2


def test_noise_that_is_told_is_believed():
    stack = noisy()
    stack[1] = ramp()
    result = restore(stack, Denoise(GaussianNoise(8.0)), SMALL, axes="TYX")
    assert [report.outcome for report in result.frames] == [Outcome.MAX_ITERATIONS] * 3


def test_single_photons_are_no_absence_of_noise():
    random = np.random.default_rng(0)
    stack = random.poisson(0.01, (2, 64, 64))
    assert np.median(stack) == 0
    result = restore(stack, Denoise(), SMALL, axes="TYX")
    assert [report.outcome for report in result.frames] == [Outcome.MAX_ITERATIONS] * 2


def test_a_bright_object_on_a_faint_noisy_sky_has_noise():
    rows, columns = np.mgrid[:64, :64]
    galaxy = 60_000 * np.exp(-((rows - 32) ** 2 + (columns - 32) ** 2) / 200)
    stack = galaxy + np.random.default_rng(0).normal(0, 3, (2, 64, 64))
    result = restore(stack, Denoise(), SMALL, axes="TYX")
    assert [report.outcome for report in result.frames] == [Outcome.MAX_ITERATIONS] * 2


@pytest.mark.parametrize("method", METHODS, ids=name)
@pytest.mark.parametrize("axes", ["YX", "CYX"])
def test_a_single_image_that_is_empty_is_refused(method, axes):
    shape = (2, 24, 24)[-len(axes) :]
    with pytest.raises(ValueError, match=r"constant \(3\)"):
        restore(np.full(shape, 3.0), Denoise(), method, axes=axes)
    with pytest.raises(ValueError, match="every pixel is missing"):
        restore(np.full(shape, np.nan), Denoise(), method, axes=axes)


def test_a_series_without_any_noise_goes_through_and_one_of_blanks_is_refused():
    clean = np.stack([ramp(), steps()])
    np.testing.assert_array_equal(restore(clean, Denoise(), SMALL, axes="TYX"), clean.astype(np.float32))
    with pytest.raises(ValueError, match="constant"):
        restore(np.stack([EMPTY["constant"], EMPTY["NaN"]]), Denoise(), SMALL, axes="TYX")


def test_the_cost_is_that_of_a_frame_that_holds_something():
    stack = noisy()
    stack[0] = 0
    assert estimate_cost(stack, Denoise(), SMALL).seconds > 0


def test_a_constant_frame_is_exact_where_float32_is_not():
    stack = (2**30 + np.rint(noisy())).astype(np.int64)
    stack[1] = 2**30 + 1
    result = restore(stack, Denoise(), PKN(), axes="TYX")
    np.testing.assert_array_equal(result.image[1], 2**30 + 1)


@pytest.mark.parametrize("method", METHODS, ids=name)
def test_a_colour_image_without_noise_goes_through(method):
    image = np.stack([steps(), steps().T, ramp()], -1)
    result = restore(image, Denoise(), method, axes="YXC")
    np.testing.assert_array_equal(result, image.astype(np.float32))
    assert result.frames[0].note.startswith("No noise was found")
    assert estimate_cost(image, Denoise(), SMALL).seconds > 0


def test_a_clean_channel_beside_one_that_is_missing_goes_through():
    image = np.stack([EMPTY["NaN"], steps()])
    np.testing.assert_array_equal(restore(image, Denoise(), SMALL, axes="CYX"), image.astype(np.float32))


def test_what_is_said_of_an_image_is_true_of_one_of_its_channels():
    with pytest.raises(ValueError, match=r"constant \(7.25\)"):
        restore(np.stack([EMPTY["NaN"], EMPTY["constant"]]), Denoise(), SMALL, axes="CYX")
