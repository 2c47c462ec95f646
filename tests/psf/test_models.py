import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, shift

from napari_dip.errors import InputError
from napari_dip.psf.models import PSFS, AiryPSF, GaussianPSF, MeasuredPSF, MoffatPSF, checked, resampled
from napari_dip.settings import descriptions, from_dict, hints, to_dict

FORMULAS = [GaussianPSF, AiryPSF, MoffatPSF]


def width(profile):
    """Return the FWHM of a single peak, by linear interpolation."""
    top = profile.max() / 2
    above = np.flatnonzero(profile >= top)
    first, last = above[0], above[-1]
    left = first - (profile[first] - top) / (profile[first] - profile[first - 1])
    right = last + (profile[last] - top) / (profile[last] - profile[last + 1])
    return right - left


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


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("fwhm", [0.01, 0.7, 2.0, 3.0, 7.5])
@pytest.mark.parametrize("kind", FORMULAS)
def test_kernels_are_odd_positive_symmetric_and_of_sum_1(kind, fwhm, ndim):
    kernel = kind(fwhm=fwhm).kernel(ndim)
    assert kernel.ndim == ndim
    assert kernel.dtype == np.float64
    assert all(n % 2 for n in kernel.shape)
    assert kernel.sum() == pytest.approx(1)
    assert kernel.min() >= 0
    assert kernel.flat[kernel.size // 2] == kernel.max()
    np.testing.assert_allclose(kernel, np.flip(kernel), atol=1e-15)


@pytest.mark.parametrize("kind", FORMULAS)
def test_kernels_have_the_width_asked_for(kind):
    kernel = kind(fwhm=9.0, axial_fwhm=15.0).kernel(3)
    middle = tuple(n // 2 for n in kernel.shape)
    assert width(kernel[middle[0], middle[1]]) == pytest.approx(9, rel=0.01)
    assert width(kernel[:, middle[1], middle[2]]) == pytest.approx(15, rel=0.01)


@pytest.mark.parametrize(
    ("psf", "light"), [(GaussianPSF(8.0), 0.999), (MoffatPSF(8.0, beta=4.0), 0.999), (AiryPSF(8.0), 0.955)]
)
def test_little_light_is_cut_off(psf, light):
    kernel = psf.kernel(2)
    # The peak of a kernel without end is its value at the centre over the integral of the profile.
    roi = {
        GaussianPSF: lambda p: np.pi / (4 * np.log(2)),
        MoffatPSF: lambda p: np.pi / ((p.beta - 1) * 4 * (2 ** (1 / p.beta) - 1)),
        AiryPSF: lambda p: np.pi * 4 / (2 * 1.61633995) ** 2,
    }[type(psf)](psf)
    peak = 1 / (roi * psf.fwhm**2)
    assert light <= peak / kernel.max() <= 1.0001


def test_narrow_kernels_are_integrated_over_the_pixel():
    from scipy.stats import norm

    kernel = GaussianPSF(fwhm=1.0).kernel(2)
    sigma = 1 / 2.3548
    expected = np.diff(norm.cdf(np.arange(-2.5, 3), scale=sigma))
    np.testing.assert_allclose(kernel.sum(0), expected / expected.sum(), atol=3e-3)


def test_the_wings_of_a_steep_moffat_are_those_of_a_gaussian():
    moffat, gaussian = MoffatPSF(5.0, beta=1e6).kernel(2), GaussianPSF(5.0).kernel(2)
    np.testing.assert_allclose(moffat, gaussian, atol=1e-6)
    assert MoffatPSF(5.0, beta=1.001).kernel(2).shape == (51, 51)


def test_the_first_dark_ring_is_where_it_should_be():
    kernel = AiryPSF(fwhm=20.0).kernel(2)
    middle = len(kernel) // 2
    row = kernel[middle, middle:]
    dark = np.flatnonzero(np.diff(row) > 0)[0]
    assert dark == round(3.8317 / (2 * 1.61634) * 20)


def test_kernels_are_for_images_and_volumes():
    with pytest.raises(ValueError, match="ndim must be 2 or 3, got 1"):
        GaussianPSF().kernel(1)


@pytest.mark.parametrize(("kind", "field"), [(GaussianPSF, "fwhm"), (AiryPSF, "axial_fwhm")])
def test_widths_are_positive(kind, field):
    with pytest.raises(ValueError, match=f"{field} must be > 0"):
        kind(**{field: 0.0})


@pytest.mark.parametrize("kind", PSFS.values())
def test_every_field_is_described_and_recorded(kind):
    assert set(hints(kind)) == set(descriptions(kind))
    assert from_dict(kind, to_dict(kind())) == kind()


def test_a_measured_one_has_to_be_given():
    assert [kind.measured for kind in PSFS.values()] == [False, False, False, True]
    with pytest.raises(InputError, match="has to be given") as caught:
        MeasuredPSF().kernel(2)
    assert caught.value.argument == "psf"


@pytest.mark.parametrize("at", [(10, 10), (7, 12), (14, 13)])
@pytest.mark.parametrize("shape", [(21, 21), (22, 24)])
def test_an_off_centre_one_is_centred(shape, at):
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


def test_what_is_centred_stays_the_same(random):
    kernel = random.random((5, 7, 3)) + 0.5
    kernel += np.flip(kernel)
    np.testing.assert_allclose(checked(kernel[None, None], (8, 8, 8)), kernel / kernel.sum())
    assert checked([[1, 1], [1, 1]], (8, 8)).shape == (3, 3)


def test_one_as_large_as_the_image_stays_no_larger():
    psf = shift(bead((32, 32), 2.0), (3, 0), order=1) + 1e-6
    kernel = checked(psf, (32, 32))
    assert kernel.shape == (31, 31)
    assert np.unravel_index(kernel.argmax(), kernel.shape) == (15, 15)


def test_the_argument_is_left_alone(random):
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
def test_what_can_not_be_one_is_refused_in_words(psf, message):
    with pytest.raises(InputError, match=message) as caught:
        checked(psf, (8, 8))
    assert caught.value.argument == "psf"


def test_margins_do_not_make_one_too_large():
    assert checked(np.pad(np.ones((3, 3)), 20), (8, 8)).shape == (3, 3)


@pytest.mark.parametrize("ratio", [0.25, 0.5, 0.77, 1.0, 1.6, 3.0])
def test_resampling_scales_the_width_and_keeps_the_middle_and_the_light(ratio):
    psf = bead((41, 41), 4.0)
    scaled = resampled(psf, (ratio, ratio))
    assert all(n % 2 for n in scaled.shape)
    assert scaled.sum() == pytest.approx(psf.sum())
    assert scaled.min() >= 0
    np.testing.assert_allclose(scaled, np.flip(scaled), atol=1e-9)
    assert spread(scaled) == pytest.approx(spread(psf) * ratio, rel=0.02 if ratio >= 0.5 else 0.05)
    if ratio >= 0.5:
        middle = len(scaled) // 2
        assert width(scaled[middle]) == pytest.approx(2.3548 * 4 * ratio, rel=0.02)


def test_resampling_to_the_same_pixels_changes_nothing(random):
    psf = random.random((5, 7, 3))
    np.testing.assert_allclose(resampled(psf, (1.0, 1.0, 1.0)), psf)


def test_resampling_goes_axis_by_axis():
    volume = resampled(bead((31, 31, 31), 3.0), (2.0, 0.5, 1.0))
    assert [spread(volume, axis) for axis in range(3)] == pytest.approx([6, 1.5, 3], rel=0.04)


def test_resampling_gathers_the_light_of_the_small_pixels():
    psf = np.arange(1.0, 10).reshape(3, 3)
    np.testing.assert_allclose(resampled(psf, (1 / 3, 1 / 3)), [[45]])


def test_ratios_are_positive():
    with pytest.raises(InputError, match="must be positive numbers"):
        resampled(np.ones((3, 3)), (1.0, 0.0))
