"""Decorrelation analysis: images whose band limit is known, and noise alone."""

import numpy as np
import pytest

from napari_dip.diagnostics.decorrelation import decorrelation_analysis


def band_limited(random, limit, size=192):
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size))
    spectrum = np.fft.fft2(random.normal(size=(size, size))) * (frequency < limit) / (frequency + 0.02)
    image = np.fft.ifft2(spectrum).real
    return image / image.std()


@pytest.mark.parametrize("noise", [0.01, 0.2])
@pytest.mark.parametrize("limit", [0.1, 0.2, 0.3])
def test_a_band_limit_is_the_resolution(limit, noise):
    random = np.random.default_rng(0)
    scene = band_limited(random, limit)
    found = decorrelation_analysis(scene + random.normal(0, noise, scene.shape))
    assert found.resolution == pytest.approx(1 / limit, rel=0.1)


def test_noise_alone_shows_no_resolution():
    random = np.random.default_rng(0)
    assert not any(decorrelation_analysis(random.normal(size=(96, 96))).resolution for _ in range(50))


def test_the_curve_is_that_of_equation_1():
    # Brute force: the correlation of I with its phases below each radius.
    from napari_dip.diagnostics.windows import centred, window

    image = band_limited(np.random.default_rng(0), 0.2, 64)
    transform = np.fft.fft2(centred(image, window(image.shape)))
    radius = np.hypot(2 * np.fft.fftfreq(64)[:, None], 2 * np.fft.fftfreq(64))
    transform[(radius >= 1) | (radius == 0)] = 0
    phases = np.divide(transform, np.abs(transform), out=np.zeros_like(transform), where=transform != 0)
    found = decorrelation_analysis(image)
    for r, value in list(zip(found.radius, found.curve, strict=True))[5::9]:
        masked = phases * (radius < r)
        expected = (transform * masked.conj()).real.sum() / np.sqrt(
            (np.abs(transform) ** 2).sum() * (np.abs(masked) ** 2).sum()
        )
        assert value == pytest.approx(expected)


def test_a_constant_and_a_factor_change_nothing():
    random = np.random.default_rng(0)
    scene = band_limited(random, 0.2) + random.normal(0, 0.1, (192, 192))
    found, scaled = decorrelation_analysis(scene), decorrelation_analysis(8 * scene + 1000)
    assert scaled.resolution == pytest.approx(found.resolution)
    assert scaled.height == pytest.approx(found.height)


@pytest.mark.parametrize("shape", [(16, 64), (3, 64, 64)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match="at least 32 pixels along each, got"):
        decorrelation_analysis(np.zeros(shape))
