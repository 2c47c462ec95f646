import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, shift

from napari_dip.errors import InputError
from napari_dip.psf.arrays import checked, not_negative, resampled
from napari_dip.psf.background import Background
from napari_dip.psf.centre import centroid, lit


def spread(kernel, axis=0):
    """Return the standard deviation along an axis."""
    profile = kernel.sum(tuple(a for a in range(kernel.ndim) if a != axis))
    places = np.arange(len(profile))
    mean = (profile @ places) / profile.sum()
    return np.sqrt((profile @ (places - mean) ** 2) / profile.sum())


def centroid_along(kernel, axis):
    profile = kernel.sum(tuple(a for a in range(kernel.ndim) if a != axis))
    return profile @ np.arange(len(profile)) / profile.sum()


def spot(shape, centre, sigmas):
    """Return a Gaussian of height 1."""
    at = np.indices(shape)
    return np.exp(-sum(((x - c) / s) ** 2 / 2 for x, c, s in zip(at, centre, sigmas, strict=True)))


def bead(shape, sigma, at=None):
    points = np.zeros(shape)
    points[tuple(n // 2 for n in shape) if at is None else at] = 1000
    return gaussian_filter(points, sigma, mode="constant")


@pytest.mark.parametrize("at", [(10, 10), (7, 12), (14, 13)])
@pytest.mark.parametrize("shape", [(21, 21), (22, 24)])
def test_an_off_centre_psf_is_centred(shape, at):
    psf = bead(shape, 1.2, at)
    psf[psf < 1] = 0
    kernel = checked(psf, (64, 64))
    assert all(n % 2 for n in kernel.shape)
    assert kernel.sum() == pytest.approx(1)
    np.testing.assert_allclose(kernel, np.flip(kernel), atol=1e-12)
    assert kernel.shape == (7, 7)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(
    ("shape", "sigmas"),
    [
        ((21, 21), (1.3, 1.3)),
        ((20, 20), (1.3, 1.3)),
        ((16, 27), (1.0, 2.5)),
        ((11, 17, 18), (1.0, 1.5, 1.2)),
        ((1, 18, 18), (1.0, 1.5, 1.5)),
    ],
)
def test_a_centre_between_pixels_comes_to_lie_on_one(shape, sigmas, seed):
    """Whatever its symmetry: the centroid is the centre, and sum and width stay what they were."""
    random = np.random.default_rng(seed)
    centre = np.array(shape) / 2 - random.random(len(shape))
    psf = spot(shape, centre, sigmas) + 0.4 * spot(shape, centre + random.uniform(-2, 2), sigmas)
    kernel = checked(1e4 * psf, (40,) * len(shape))
    assert all(n % 2 for n in kernel.shape)
    assert kernel.min() >= 0
    assert kernel.sum() == pytest.approx(1, abs=1e-12)
    for axis, n in enumerate(kernel.shape):
        assert centroid_along(kernel, axis) == pytest.approx(n // 2, abs=0.01)
        assert spread(kernel, axis) == pytest.approx(spread(psf, axis), rel=0.01)


@pytest.mark.parametrize("hot", [None, (2, 3), (20, 24), (15, 21), (12, 12)])
@pytest.mark.parametrize(("noise", "apart"), [(0.0, 0.02), (0.02, 0.1)])
@pytest.mark.parametrize("background", [0.0, 0.1, -0.05])
@pytest.mark.filterwarnings("ignore:the point spread function has a background")
def test_noise_hot_pixels_and_a_background_do_not_move_the_centre(hot, noise, apart, background, random):
    centre = np.array([15.3, 14.6])
    psf = spot((32, 32), centre, (1.6, 1.6)) + background + random.normal(0, noise, (32, 32))
    if hot is not None:
        psf[hot] = 3.0
    found = Background.of(psf)
    np.testing.assert_allclose(centroid(psf - found.level, lit(psf, found)), centre, atol=apart)


def test_a_ring_is_centred_by_its_centroid():
    rows, columns = np.mgrid[:20, :20]
    ring = np.abs(np.hypot(rows - 8, columns - 11) - 5) < 1
    kernel = checked(ring, (64, 64))
    np.testing.assert_array_equal(kernel, np.flip(kernel))


def test_a_centred_psf_stays_the_same(random):
    kernel = random.random((5, 7, 3)) + 0.5
    kernel += np.flip(kernel)
    np.testing.assert_allclose(checked(kernel[None, None], (8, 8, 8)), kernel / kernel.sum())
    assert checked([[1, 1], [1, 1]], (8, 8)).shape == (3, 3)


def test_a_kernel_never_becomes_larger_than_the_image():
    psf = shift(bead((32, 32), 2.0), (3, 0), order=1) + 1e-6
    kernel = checked(psf, (32, 32))
    assert kernel.shape == (31, 31)
    assert np.unravel_index(kernel.argmax(), kernel.shape) == (15, 15)


@pytest.mark.parametrize(
    ("size", "shape", "kernel_shape", "lost"),
    [
        ((21, 5), (20, 24), (19, 5), 2 / 21),
        ((9, 5, 5), (4, 12, 12), (3, 5, 5), 6 / 9),
        ((9, 9), (1, 20), (1, 9), 8 / 9),
    ],
)
def test_a_psf_that_is_larger_than_the_image_is_cut_around_its_centre(size, shape, kernel_shape, lost):
    with pytest.warns(
        UserWarning, match=f"{lost:.1%} of its light lies farther from its centre than the image"
    ):
        kernel = checked(np.ones(size), shape)
    assert kernel.shape == kernel_shape
    np.testing.assert_allclose(kernel, 1 / kernel.size)


def test_margins_that_hold_hardly_any_light_are_cut_without_a_word():
    assert checked(spot((41, 41), (20, 20), (1.5, 1.5)), (16, 16)).shape == (15, 15)


def test_noise_below_zero_is_taken_for_noise(random):
    """The nearest array without it has the same sum, so that a star keeps its flux."""
    psf = spot((33, 33), (16, 16), (2, 2))
    kernel = checked(psf + random.normal(0, 0.02, psf.shape), (64, 64))
    assert kernel.min() >= 0
    assert kernel.max() == pytest.approx(psf.max() / psf.sum(), rel=0.1)


@pytest.mark.parametrize("values", [[3.0, -1.0, 2.0], [1.0, -0.5, -0.4, 0.1], [0.2, -0.1, 0.0]])
def test_values_below_zero_go_with_the_least_change(values):
    """By brute force over all thresholds."""
    values = np.array(values)
    thresholds = np.linspace(0, 3, 300_001)
    sums = (values[:, None] - thresholds).clip(0).sum(0)
    expected = (values - thresholds[np.abs(sums - values.sum()).argmin()]).clip(0)
    np.testing.assert_allclose(not_negative(values, values.sum()), expected, atol=1e-4)


@pytest.mark.parametrize("level", [0.02, 0.1, 0.3])
@pytest.mark.parametrize("noise", [0.0, 0.01])
@pytest.mark.parametrize("shape", [(21, 21), (40, 31), (9, 21, 21)])
def test_a_background_is_named_and_can_be_subtracted(level, noise, shape, random):
    sigmas = (1.2, 2.0, 2.0)[-len(shape) :]
    psf = spot(shape, np.array(shape) // 2, sigmas)
    seen = 500 * (psf + level + random.normal(0, noise, shape))
    with pytest.warns(UserWarning, match='choose background="subtract"'):
        checked(seen, (64,) * len(shape))
    kernel = checked(seen, (64,) * len(shape), "subtract")
    assert kernel.max() == pytest.approx((psf / psf.sum()).max(), rel=0.15 if noise else 0.02)


@pytest.mark.parametrize("noise", [0.0, 0.01])
@pytest.mark.parametrize("treatment", ["keep", "subtract"])
@pytest.mark.parametrize("shape", [(21, 21), (40, 31), (9, 21, 21)])
def test_a_background_below_zero_is_no_light(noise, treatment, shape, random):
    psf = spot(shape, np.array(shape) // 2, (1.2, 2.0, 2.0)[-len(shape) :])
    kernel = checked(psf - 0.03 + random.normal(0, noise, shape), (64,) * len(shape), treatment)
    assert kernel.max() == pytest.approx((psf / psf.sum()).max(), rel=0.1 if noise else 0.03)


@pytest.mark.parametrize("side", [5, 7, 9, 13, 21, 33])
@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.0, 4.0])
@pytest.mark.parametrize("noise", [0.0, 0.03])
def test_light_that_reaches_the_border_is_no_background(side, sigma, noise, random):
    psf = spot((side, side), (side // 2,) * 2, (sigma, sigma))
    kernel = checked(psf, (64, 64), "subtract")  # a warning would fail the test
    checked(psf + random.normal(0, noise, psf.shape), (64, 64))
    assert kernel.max() == pytest.approx((psf / psf.sum()).max(), rel=0.03)


@pytest.mark.parametrize("psf", [np.ones((3, 3)), np.outer([1, 2, 1], [1, 2, 1]), np.eye(5), [[1]], [[1, 2]]])
def test_small_kernels_have_no_background(psf):
    kernel = checked(psf, (16, 16))
    np.testing.assert_array_equal(kernel, checked(psf, (16, 16), "subtract"))


def test_each_channel_has_a_kernel_with_a_centre_of_its_own():
    psf = np.stack([spot((21, 20), (10.3, 9.6), (1, 1)), 5 * spot((21, 20), (9.0, 10.0), (2, 1))])
    kernels = checked(psf, (32, 32))
    assert len(kernels) == 2
    np.testing.assert_allclose(kernels.sum((1, 2)), 1)
    for kernel, sigma in zip(kernels, (1, 2), strict=True):
        assert [centroid_along(kernel, a) for a in (0, 1)] == pytest.approx(
            np.array(kernel.shape) // 2, abs=0.01
        )
        assert spread(kernel) == pytest.approx(sigma, rel=0.01)
    for one, kernel in zip(psf, kernels, strict=True):
        alone = checked(one, (32, 32))
        cuts = [(n - m) // 2 for n, m in zip(kernel.shape, alone.shape, strict=True)]
        np.testing.assert_array_equal(
            kernel[tuple(slice(c, n - c) for c, n in zip(cuts, kernel.shape, strict=True))], alone
        )


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int16, np.uint64, np.float16, np.float32, ">f4", ">i8"])
def test_any_dtype_gives_the_same_kernel(dtype):
    psf = np.outer([1, 1, 1], [0, 1, 1]).astype(dtype)
    np.testing.assert_array_equal(checked(psf, (8, 8)), checked(psf.astype(float), (8, 8)))


@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1.0, 1e300])
def test_any_unit_gives_the_same_kernel(scale):
    psf = spot((15, 16), (7.2, 7.7), (1.5, 1.5))
    np.testing.assert_allclose(checked(scale * psf, (32, 32)), checked(psf, (32, 32)), atol=1e-12)


def test_the_argument_is_not_modified(random):
    psf = random.random((6, 6))
    before = psf.copy()
    checked(psf, (9, 9))
    resampled(psf, (0.5, 2.0))
    np.testing.assert_array_equal(psf, before)


@pytest.mark.parametrize(
    ("psf", "message"),
    [
        (np.ma.masked_less(np.eye(3), 1), "must be finite"),
        (np.full((3, 3), np.nan), "must be finite"),
        (
            np.array([[1.0, -0.6]]),
            "must not be negative, got -0.6 where its largest value is 1, which is more",
        ),
        (-np.ones((3, 3)), "must not be negative, got -1 where its largest value is -1"),
        (np.zeros((3, 3)), "zero everywhere"),
        (np.ones((0, 3)), "zero everywhere"),
        (
            np.ones((2, 3, 3, 3)),
            r"must have 2 axes, as the image has, or one more for channels, got 4 \(2 x 3 x",
        ),
        (np.ones(3), "must have 2 axes"),
        (np.ones((3, 3), complex), "must be real numbers, got complex128"),
        (np.fft.ifftshift(bead((7, 7), 1.0)), "numpy.fft.fftshift"),
    ],
)
def test_an_array_that_is_no_psf_is_refused_with_the_reason(psf, message):
    with pytest.raises(InputError, match=message) as caught:
        checked(psf, (8, 8))
    assert caught.value.argument == "psf"


def test_empty_margins_do_not_count_as_size():
    assert checked(np.pad(np.ones((3, 3)), 20), (8, 8)).shape == (3, 3)


@pytest.mark.parametrize("ratio", [0.25, 0.5, 0.77, 1.0, 1.6, 3.0])
def test_resampling_scales_the_width_and_keeps_the_centre_and_the_light(ratio):
    psf = bead((41, 41), 4.0)
    scaled = resampled(psf, (ratio, ratio))
    assert all(n % 2 for n in scaled.shape)
    assert scaled.sum() == pytest.approx(psf.sum())
    assert scaled.min() >= 0
    np.testing.assert_allclose(scaled, np.flip(scaled), atol=1e-9)
    assert spread(scaled) == pytest.approx(spread(psf) * ratio, rel=0.02 if ratio >= 0.5 else 0.05)


def test_resampling_keeps_channels_and_noise_below_zero(random):
    psf = np.stack([bead((21, 21), 2.0), bead((21, 21), 3.0)]) + random.normal(0, 0.1, (2, 21, 21))
    scaled = resampled(psf, (0.5, 2.0))
    np.testing.assert_allclose(scaled, [resampled(one, (0.5, 2.0)) for one in psf])
    np.testing.assert_allclose(scaled.sum((1, 2)), psf.sum((1, 2)))
    colours = np.stack([psf[0], psf[1], psf[0]])
    np.testing.assert_array_equal(
        resampled(np.moveaxis(colours, 0, -1), (0.5, 2.0)), resampled(colours, (0.5, 2.0))
    )


def test_resampling_by_a_ratio_of_1_changes_nothing(random):
    psf = random.random((5, 7, 3))
    np.testing.assert_allclose(resampled(psf, (1.0, 1.0, 1.0)), psf)


def test_each_axis_has_its_own_ratio():
    volume = resampled(bead((31, 31, 31), 3.0), (2.0, 0.5, 1.0))
    assert [spread(volume, axis) for axis in range(3)] == pytest.approx([6, 1.5, 3], rel=0.04)


def test_a_coarse_pixel_holds_the_light_of_its_fine_pixels():
    psf = np.arange(1.0, 10).reshape(3, 3)
    np.testing.assert_allclose(resampled(psf, (1 / 3, 1 / 3)), [[45]])


def test_ratios_must_be_positive():
    with pytest.raises(InputError, match="must be positive numbers"):
        resampled(np.ones((3, 3)), (1.0, 0.0))
