import numpy as np
import pytest

from napari_dip.noise.photon_transfer import PhotonTransfer


def line(slope, error, height=100.0):
    return PhotonTransfer(slope, height, 0.0, np.diag([error**2, 1.0]))


def test_a_clear_slope_is_what_is_expected():
    for slope in (0.3, 2.0, 20.0):
        assert line(slope, 0.02 * slope).expected_slope == pytest.approx(slope, rel=0.01)


def test_a_vague_slope_is_expected_to_be_small_but_not_zero():
    vague = line(0.5, 3.0).expected_slope
    assert 0.1 < vague < 3
    assert 0.02 < line(-5.0, 3.0).expected_slope < vague


def test_noise_that_is_clearly_even_is_expected_to_stay_so():
    assert line(0.0, 1e-3).expected_slope < 1e-6
    assert line(0.0, 0.0).expected_slope == 0


def test_the_expectation_scales_with_the_grey_levels():
    one, scaled = line(0.5, 3.0), PhotonTransfer(5.0, 1e4, 0.0, np.diag([900.0, 1.0]))
    assert scaled.expected_slope == pytest.approx(10 * one.expected_slope)
