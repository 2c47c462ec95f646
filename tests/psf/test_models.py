import numpy as np
import pytest

from napari_dip.errors import InputError
from napari_dip.psf.models import PSFS, AiryPSF, GaussianPSF, MeasuredPSF, MoffatPSF
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


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("fwhm", [0.01, 0.7, 7.5])
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
def test_kernels_have_the_given_width(kind):
    kernel = kind(fwhm=9.0, axial_fwhm=15.0).kernel(3)
    middle = tuple(n // 2 for n in kernel.shape)
    assert width(kernel[middle[0], middle[1]]) == pytest.approx(9, rel=0.01)
    assert width(kernel[:, middle[1], middle[2]]) == pytest.approx(15, rel=0.01)


@pytest.mark.parametrize(
    ("psf", "light"), [(GaussianPSF(8.0), 0.999), (MoffatPSF(8.0, beta=4.0), 0.999), (AiryPSF(8.0), 0.955)]
)
def test_little_light_is_cut_off(psf, light):
    kernel = psf.kernel(2)
    # The peak of an infinite kernel is its central value divided by the integral of its profile.
    area = {
        GaussianPSF: lambda p: np.pi / (4 * np.log(2)),
        MoffatPSF: lambda p: np.pi / ((p.beta - 1) * 4 * (2 ** (1 / p.beta) - 1)),
        AiryPSF: lambda p: np.pi * 4 / (2 * 1.61633995) ** 2,
    }[type(psf)](psf)
    peak = 1 / (area * psf.fwhm**2)
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


def test_the_first_dark_ring_of_an_airy_pattern_lies_at_its_zero():
    kernel = AiryPSF(fwhm=20.0).kernel(2)
    middle = len(kernel) // 2
    row = kernel[middle, middle:]
    dark = np.flatnonzero(np.diff(row) > 0)[0]
    assert dark == round(3.8317 / (2 * 1.61634) * 20)


def test_kernels_have_two_or_three_axes():
    with pytest.raises(ValueError, match="ndim must be 2 or 3, got 1"):
        GaussianPSF().kernel(1)


@pytest.mark.parametrize(("kind", "field"), [(GaussianPSF, "fwhm"), (AiryPSF, "axial_fwhm")])
def test_widths_must_be_positive(kind, field):
    with pytest.raises(ValueError, match=f"{field} must be > 0"):
        kind(**{field: 0.0})


@pytest.mark.parametrize("kind", PSFS.values())
def test_every_field_has_a_description_and_survives_a_dictionary(kind):
    assert set(hints(kind)) == set(descriptions(kind))
    assert from_dict(kind, to_dict(kind())) == kind()


def test_a_measured_psf_has_no_formula():
    assert [kind.measured for kind in PSFS.values()] == [False, False, False, True]
    with pytest.raises(InputError, match="must be given") as caught:
        MeasuredPSF().kernel(2)
    assert caught.value.argument == "psf"
