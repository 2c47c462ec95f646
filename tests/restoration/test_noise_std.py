"""The noise of each pixel, as an array beside the image."""

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
    Measurement,
    SuperResolve,
    estimate_cost,
    restore,
    solve,
)

SMALL = DIP(iterations=6, precision="float32", input_channels=2, network=Hourglass(widths=(4,), skips=(2,)))
SHAPE = (32, 32)


@pytest.fixture
def image():
    rows, columns = np.mgrid[:32, :32]
    return 100 + 60 * np.sin(rows / 5) * np.cos(columns / 7) + np.random.default_rng(0).normal(0, 8, SHAPE)


@pytest.mark.parametrize("method", [SMALL, PKN(), PKN(kernel="nlm"), FineTune(iterations=1)], ids=str)
@pytest.mark.parametrize(
    "task",
    [Denoise(), SuperResolve(), Deconvolve(psf=GaussianPSF(2.0))],
    ids=lambda task: type(task).__name__,
)
def test_equal_noise_in_all_pixels_is_gaussian_noise(method, task, image):
    told = type(task)(GaussianNoise(8.0), **({"psf": task.psf} if isinstance(task, Deconvolve) else {}))
    try:
        usual = restore(image, told, method, threads=1)
    except ValueError:
        pytest.skip("this method does not do this task")
    given = restore(image, task, method, noise_std=np.full(SHAPE, 8.0), threads=1)
    np.testing.assert_allclose(given, usual, atol=8.0 / 4 if method is SMALL else 0.1)


def test_pixels_with_strong_noise_are_smoothed_more(image):
    std = np.where(np.arange(32) < 16, 2.0, 30.0)
    noisy = 100 + np.random.default_rng(1).normal(0, 1, SHAPE) * std
    restored = restore(noisy, Denoise(), PKN(), noise_std=np.broadcast_to(std, SHAPE))
    left = restored.image - 100
    assert left[:, 18:].std() < 0.4 * 30
    assert restored.provenance["noise_std"] is True


def test_pixels_with_strong_noise_count_less_in_a_fit(image):
    std = np.full(SHAPE, 1.0)
    std[10:14] = 1000
    wrong = image.copy()
    wrong[10:14] += 500
    weighted = restore(wrong, Denoise(), SMALL, noise_std=std)
    assert weighted.image[10:14].mean() < restore(wrong, Denoise(), SMALL).image[10:14].mean()


@pytest.mark.parametrize("shape", [(2, 3, *SHAPE), (2, *SHAPE), SHAPE])
def test_it_may_leave_out_axes_as_a_mask_may(shape, image):
    stack = np.broadcast_to(image, (2, 3, *SHAPE)) + np.random.default_rng(2).normal(0, 1, (2, 3, *SHAPE))
    std = np.random.default_rng(3).uniform(5, 9, shape)
    full = std if std.ndim == 4 else std[:, None] if std.ndim == 3 else std
    for method in (SMALL, PKN()):
        given, spelled_out = (
            restore(stack, Denoise(), method, axes="TCYX", noise_std=one, threads=1)
            for one in (std, np.broadcast_to(full, stack.shape))
        )
        np.testing.assert_array_equal(given, spelled_out)


def test_it_moves_with_the_unit_of_the_image(image):
    std = np.random.default_rng(3).uniform(5, 9, SHAPE)
    usual, small = (
        restore(factor * image, Denoise(), PKN(), noise_std=factor * std) for factor in (1, 2.0**-60)
    )
    np.testing.assert_array_equal(small.image * 2.0**60, usual)


def test_pixels_of_unknown_noise_are_missing(image):
    std = np.full(SHAPE, 8.0)
    std[5:8, 5:8] = np.nan
    std[20, 20] = np.inf
    broken = image.copy()
    broken[5:8, 5:8] = broken[20, 20] = 1e6
    masked = restore(image, Denoise(), SMALL, missing=~np.isfinite(std), noise_std=np.full(SHAPE, 8.0))
    np.testing.assert_array_equal(restore(broken, Denoise(), SMALL, noise_std=std), masked)
    filled = restore(image, Inpaint(), SMALL, noise_std=std)
    np.testing.assert_array_equal(filled.image[np.isfinite(std)], image[np.isfinite(std)])


def test_a_series_with_drift_and_an_estimate_of_the_cost(image):
    stack = np.stack([image, np.roll(image, 2, 0)])
    std = np.random.default_rng(3).uniform(5, 9, stack.shape)
    assert np.isfinite(
        restore(stack, Denoise(), SMALL, axes="TYX", series="drift", noise_std=std).image
    ).all()
    assert estimate_cost(Measurement(image, noise_std=std[0]), Denoise(), SMALL).seconds > 0


@pytest.mark.parametrize(
    ("std", "message"),
    [
        (np.ones((32, 31)), r"noise_std must have the shape \(32, 32\)"),
        (np.zeros(SHAPE), "but 1024 of these pixels have 0 or less .the lowest is 0.: mark them"),
        (-np.ones(SHAPE), "have 0 or less .the lowest is -1."),
        (np.ones(SHAPE, complex), "noise_std must hold real numbers, got dtype complex128"),
        (5.0, r"Denoise\(GaussianNoise\(5\)\)"),
        (np.full(SHAPE, np.nan), "every pixel is missing"),
    ],
)
def test_an_impossible_noise_std_is_refused(std, message, image):
    with pytest.raises(ValueError, match=message):
        solve(Measurement(image, noise_std=std), Denoise(), SMALL)


def test_noise_that_is_given_twice_is_refused(image):
    with pytest.raises(ValueError, match="given twice, as noise_std and as GaussianNoise"):
        restore(image, Denoise(GaussianNoise(8.0)), SMALL, noise_std=np.ones(SHAPE))
