"""A pedestal and a scale change nothing: restore(a y + b) = a restore(y) + b."""

import re
from dataclasses import replace

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
    LaplaceNoise,
    NonLocalBayes,
    PoissonGaussianNoise,
    PoissonNoise,
    RichardsonLucy,
    SuperResolve,
    Wiener,
    residual,
    restore,
    solve,
)
from napari_dip.restoration.remarks import SuspectDataWarning

SIGMA = 10.0
SMALL = DIP(iterations=8, precision="float32", input_channels=2, network=Hourglass(widths=(4,), skips=(2,)))
METHODS = [SMALL, PKN(), NonLocalBayes(), PKN(kernel="nlm"), FineTune(iterations=1, learning_rate=1e-4)]
NOISE = [GaussianNoise(SIGMA), PoissonNoise(1.0), PoissonGaussianNoise(1.0, 0.0, 3.0)]
PSF = GaussianPSF(2.5)
CASES = [
    *((Denoise(), method) for method in METHODS),
    *((Denoise(noise), method) for noise in NOISE for method in METHODS[:3]),
    (Denoise(LaplaceNoise(SIGMA)), SMALL),
    (SuperResolve(GaussianNoise(SIGMA)), PKN()),
    (SuperResolve(), SMALL),
    (Deconvolve(GaussianNoise(SIGMA), PSF, floor=20.0), SMALL),
    (Deconvolve(GaussianNoise(SIGMA), PSF), PKN()),
    (Deconvolve(psf=PSF, floor=0.0), RichardsonLucy(iterations=3)),
    (Deconvolve(psf=PSF), Wiener()),
]


def name(value):
    if isinstance(value, PKN):
        return f"PKN {value.kernel}"
    noise = getattr(value, "noise", None)
    return type(value).__name__ + (f" {type(noise).__name__}" if noise is not None else "")


@pytest.fixture(scope="module")
def image():
    rows, columns = np.mgrid[:32, :32]
    scene = (
        100 + 60 * np.sin(rows / 5) * np.cos(columns / 7) + 80 * ((rows - 20) ** 2 + (columns - 9) ** 2 < 30)
    )
    return np.rint(scene + np.random.default_rng(0).normal(0, SIGMA, scene.shape)).astype(np.int64)


def moved(task, a, b):
    """The task for a y + b."""
    floor = getattr(task, "floor", None)
    task = task if floor is None else replace(task, floor=a * floor + b)
    return replace(task, noise=task.noise.rescaled(-b / a, 1 / a))


def apart(first, second, a, b):
    """Root mean square of the difference, in standard deviations of the noise."""
    back = (np.asarray(first, np.float64) - b) / a
    return float(np.sqrt(np.mean((back - np.asarray(second, np.float64)) ** 2))) / SIGMA


@pytest.mark.parametrize(("task", "method"), CASES, ids=name)
def test_an_offset_changes_nothing(task, method, image):
    usual = restore(image, task, method, threads=1)
    assert usual.dtype == np.float32
    for a, b in [(1, 10**8), (2, -(2**30)), (1, 2**38)]:
        result = restore(a * image + b, moved(task, a, b), method, threads=1)
        assert result.dtype == np.float64
        assert apart(result, usual, a, b) < 1e-4


@pytest.mark.parametrize("method", METHODS, ids=name)
@pytest.mark.parametrize("factor", [1e-38, 1e-20, 1e13, 1e200])
def test_physical_units_of_any_size_work(method, factor, image):
    result = restore(factor * image, Denoise(GaussianNoise(factor * SIGMA)), method, threads=1)
    usual = restore(image, Denoise(GaussianNoise(SIGMA)), method, threads=1)
    # A fit amplifies rounding.
    assert apart(result, usual, factor, 0) < (0.05 if isinstance(method, PKN) else 0.12)


@pytest.mark.parametrize(
    ("low", "high", "dtype"),
    [
        (2**24, 2**32 - 1, np.uint32),
        (-(2**31), 2**31 - 1, np.int32),
        (2**50, 2**53, np.int64),
        (0, 255, np.uint8),
        (-1.0, 1.0, np.float64),
        (-1.0, 1.0, np.float32),
    ],
)
def test_inpainting_changes_no_observed_pixel(low, high, dtype):
    random = np.random.default_rng(0)
    image = (low + (high - low) * random.random((24, 24))).astype(dtype)
    missing = random.random(image.shape) < 0.3
    result = restore(image, Inpaint(), SMALL, missing=missing)
    np.testing.assert_array_equal(result.image[~missing], image[~missing].astype(np.float64))
    assert result.dtype == (np.float32 if dtype in (np.uint8, np.float32) else np.float64)


def test_integers_at_the_end_of_64_bits_are_not_wrapped():
    image = np.uint64(2**64 - 1) - np.random.default_rng(0).integers(0, 2**20, (24, 24)).astype(np.uint64)
    with pytest.warns(SuspectDataWarning, match="multiples of 2048"):
        result = restore(image, Denoise(), PKN())
    assert abs(result.image - image.astype(np.float64)).max() < 2**20


def test_saturation_is_compared_in_the_images_own_type():
    image = np.full((16, 16), 2**60, np.int64) + np.arange(256).reshape(16, 16)
    with pytest.warns(SuspectDataWarning, match="multiples of 256"):
        result = restore(image, Inpaint(), SMALL, saturation_level=2**60 + 250)
    assert result.frames[0].error is None
    with pytest.raises(ValueError, match="needs missing pixels"):
        restore(image, Inpaint(), SMALL, saturation_level=2**60 + 300)


def test_iterates_and_residuals_are_in_grey_levels(image):
    far = image + 10**9
    for iterate in solve(far, Denoise(), SMALL):
        assert abs(iterate.x.mean() - far.mean()) < 100
    restored = restore(far, Denoise(GaussianNoise(SIGMA)), PKN())
    left = residual(far, restored, Denoise())
    np.testing.assert_allclose(left, far - restored.image, atol=1e-3)


def test_held_out_scores_are_in_nats_per_pixel_of_the_image(image):
    method = replace(SMALL, stopping="held-out")
    usual, dim = (
        restore(factor * image, Denoise(), method, threads=1).frames[0].score for factor in (1, 0.25)
    )
    assert dim == pytest.approx(usual + np.log(0.25), abs=1e-5)


def test_a_guide_may_have_a_pedestal_and_any_unit(image):
    guide = np.sqrt(image - image.min() + 1.0)
    usual = restore(image, Denoise(GaussianNoise(SIGMA)), PKN(kernel="bilateral"), guide=guide)
    far = restore(
        image, Denoise(GaussianNoise(SIGMA)), PKN(kernel="bilateral"), guide=2.0**60 * guide + 2.0**80
    )
    assert apart(far, usual, 1, 0) < 1  # the guide itself has lost bits on its pedestal
    small = restore(image, Denoise(GaussianNoise(SIGMA)), PKN(kernel="bilateral"), guide=2.0**-120 * guide)
    np.testing.assert_array_equal(small, usual)


def test_one_frame_that_needs_float64_makes_all_of_the_series_so(image):
    stack = np.stack([image, image + 2**40])
    result = restore(stack, Denoise(GaussianNoise(SIGMA)), PKN(), axes="TYX")
    assert result.dtype == np.float64
    np.testing.assert_allclose(result.image[1] - 2**40, result.image[0], atol=1e-3)


@pytest.mark.parametrize("level", [1e30, -1e300])
def test_a_pixel_that_is_refused_is_named_with_its_grey_level(level, image):
    far = image + 1000.0
    far[3, 4] = level
    with pytest.raises(ValueError, match=re.escape(f"reach {level:g}, more than")):
        restore(far, Denoise(), PKN())


def test_a_note_about_the_noise_is_in_grey_levels(image):
    usual, small = (restore(f * image, Denoise(), FineTune(action="network")) for f in (1, 2.0**-20))
    sigma, other = (float(one.frames[0].note.split("σ = ")[1].split(")")[0]) for one in (usual, small))
    assert other == pytest.approx(2.0**-20 * sigma, rel=0.01)
