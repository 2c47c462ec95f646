import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, shift

from napari_dip.errors import InputError
from napari_dip.psf.arrays import checked, resampled


def spread(kernel, axis=0):
    """Return the standard deviation along an axis."""
    profile = kernel.sum(tuple(a for a in range(kernel.ndim) if a != axis))
    places = np.arange(len(profile))
    mean = (profile @ places) / profile.sum()
    return np.sqrt((profile @ (places - mean) ** 2) / profile.sum())


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


def test_the_argument_is_not_modified(random):
    psf = random.random((6, 6))
    before = psf.copy()
    checked(psf, (9, 9))
    resampled(psf, (0.5, 2.0))
    np.testing.assert_array_equal(psf, before)


@pytest.mark.parametrize(
    ("psf", "message"),
    [
        (np.ones((9, 3)), "larger than the image: it has 9 x 3 pixels, the image 8 x 8"),
        (np.full((3, 3), np.nan), "must be finite"),
        (np.array([[1.0, -0.5]]), "must not be negative, got -0.5: subtract the background"),
        (np.zeros((3, 3)), "zero everywhere"),
        (np.ones((0, 3)), "zero everywhere"),
        (np.ones((3, 3, 3)), r"must have 2 axes, as the image has, got 3 \(3 x 3 x 3\)"),
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
