"""Fourier ring correlation: images with known answers, and images of nothing."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, uniform_filter

from napari_dip.diagnostics.resolution import RingSums, doubled_light, fourier_ring_correlation
from napari_dip.diagnostics.windows import window

CRITERIA = ("1/7", "3-sigma")
SMOOTHING = {
    "white": lambda image: image,
    "Gaussian of 1 px": lambda image: gaussian_filter(image, 1),
    "Gaussian of 3 px": lambda image: gaussian_filter(image, 3),
    "mean of 5 x 5 px": lambda image: uniform_filter(image, 5),
}


def filaments(random, size=256, sigma=2.0, number=20):
    """Return smooth curves under a Gaussian point spread function."""
    image = np.zeros((size, size))
    for _ in range(number):
        angle = random.uniform(0, 2 * np.pi) + random.normal(0, 0.05, 400).cumsum()
        steps = 0.5 * np.stack([np.sin(angle), np.cos(angle)])
        place = (random.uniform(0, size, (2, 1)) + steps.cumsum(1)).round().astype(int) % size
        np.add.at(image, tuple(place), 50.0)
    return gaussian_filter(image, sigma, mode="wrap")


def band_limited(random, limit, size=256):
    """Return an image with equal power below a frequency, and none above."""
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size))
    spectrum = np.fft.fft2(random.normal(size=(size, size))) * (frequency < limit)
    image = np.fft.ifft2(spectrum).real
    return image / image.std()


@pytest.mark.parametrize("halves", [False, True])
@pytest.mark.parametrize("smoothing", SMOOTHING)
def test_two_images_of_nothing_show_no_resolution(smoothing, halves):
    random, smooth = np.random.default_rng(0), SMOOTHING[smoothing]
    shown = 0
    for _ in range(100):
        first, second = (smooth(100 + random.normal(size=(96, 96))).astype(np.float32) for _ in range(2))
        curve = fourier_ring_correlation(first, second, halves=halves)
        shown += sum(curve.resolution(criterion) is not None for criterion in CRITERIA)
    assert shown <= 1


def test_independent_noise_has_no_correlation():
    random = np.random.default_rng(0)
    found = np.stack(
        [fourier_ring_correlation(*random.normal(size=(2, 96, 96))).correlation for _ in range(100)]
    )
    spread = found.std(0)
    assert (np.abs(found.mean(0)) < 4 * spread / 10).all()
    # 3σ as published is 3 / √(n/2); the spread itself is 1 / √n.
    three_sigma = fourier_ring_correlation(*random.normal(size=(2, 96, 96))).three_sigma
    assert np.median(spread * 3 * np.sqrt(2) / three_sigma) == pytest.approx(1, abs=0.15)


def test_two_results_of_the_same_noise_agree_everywhere():
    # The trap: the same noise, smoothed, counts as structure. So do the pixels of one restored image.
    noise = gaussian_filter(np.random.default_rng(0).normal(size=(128, 128)), 1)
    curve = fourier_ring_correlation(noise, 2 * noise + 5)
    assert curve.correlation == pytest.approx(1)
    assert curve.resolution() == curve.finest == 2
    assert fourier_ring_correlation(noise[::2, ::2], noise[1::2, 1::2]).resolution() is not None


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("limit", [0.1, 0.2, 0.35])
def test_a_band_limit_is_the_resolution(limit, criterion):
    random = np.random.default_rng(0)
    scene = band_limited(random, limit)
    first, second = (scene + random.normal(0, 1, scene.shape) for _ in range(2))
    found = fourier_ring_correlation(first, second).resolution(criterion)
    assert found == pytest.approx(1 / limit, rel=0.15)  # rings and window are a few steps of 1/256 wide


@pytest.mark.parametrize("sigma", [1.5, 2.5])
def test_points_are_resolved_down_to_where_their_light_is_a_sixth_of_the_noise(sigma):
    # F = S / (S + N) is 1/7 where S = N / 6, with S = Σ a² exp(−4 π² σ² f²) and N = σₙ² per frequency.
    random = np.random.default_rng(0)
    points, height, noise = 60, 400.0, 3.0
    image = np.zeros((256, 256))
    image[tuple(random.integers(70, 186, (2, points)))] = height  # where the window is 1
    image = gaussian_filter(image, sigma)
    first, second = (image + random.normal(0, noise, image.shape) for _ in range(2))
    windowed = noise**2 * (window(image.shape) ** 2).sum()
    expected = np.sqrt(np.log(6 * points * height**2 / windowed) / (4 * np.pi**2 * sigma**2))
    assert fourier_ring_correlation(first, second).resolution() == pytest.approx(1 / expected, rel=0.1)


def test_filaments_are_resolved_better_with_less_noise():
    random = np.random.default_rng(0)
    scene = filaments(random)
    found = []
    for noise in (0.05, 0.5, 2.0):
        pair = (scene + noise * scene.std() * random.normal(size=scene.shape) for _ in range(2))
        found.append(fourier_ring_correlation(*pair).resolution())
    assert found == sorted(found)
    assert 3.5 < found[0] < found[-1] < 9  # the full width at half maximum is 4.7 pixels


def test_halves_are_corrected_to_the_light_of_the_whole():
    # Two whole exposures and two halves of one, with twice the variance, have to show the same curve.
    random = np.random.default_rng(0)
    scene = filaments(random)
    noise = scene.std()
    whole, half = (
        np.mean(
            [
                fourier_ring_correlation(
                    *(scene + spread * random.normal(size=(2, *scene.shape))), halves=halves
                ).correlation
                for _ in range(8)
            ],
            axis=0,
        )
        for spread, halves in ((noise, False), (np.sqrt(2) * noise, True))
    )
    assert whole == pytest.approx(half, abs=0.09)
    assert doubled_light(np.array([-0.5, 0.0, 0.5, 1.0])) == pytest.approx([-2 / 3, 0, 2 / 3, 1])


def test_shells_of_a_volume_and_pixel_sizes():
    random = np.random.default_rng(0)
    scene, noise = gaussian_filter(random.normal(size=(48, 64, 64)), 1.5), 0.1
    pair = [scene + noise * random.normal(size=scene.shape) for _ in range(2)]
    pixels = fourier_ring_correlation(*pair)
    expected = np.sqrt(np.log(6 / noise**2) / (4 * np.pi**2 * 1.5**2))  # exp(−4 π² σ² f²) = noise² / 6
    assert pixels.resolution() == pytest.approx(1 / expected, rel=0.05)
    micrometres = fourier_ring_correlation(*pair, spacing=(0.1, 0.1, 0.1))
    assert micrometres.resolution() == pytest.approx(0.1 * pixels.resolution())
    assert micrometres.finest == pytest.approx(0.2)
    # Planes that lie three times as far apart have frequencies up to a third of the others'.
    stretched = fourier_ring_correlation(*(one[::3] for one in pair), spacing=(3, 1, 1))
    assert stretched.resolution() == pytest.approx(pixels.resolution(), rel=0.15)


def test_a_constant_and_a_factor_change_nothing():
    random = np.random.default_rng(0)
    scene = filaments(random, 128)
    first, second = (scene + random.normal(size=scene.shape) for _ in range(2))
    curve = fourier_ring_correlation(first, second)
    assert fourier_ring_correlation(4 * first + 100, second - 7).correlation == pytest.approx(
        curve.correlation
    )
    assert fourier_ring_correlation(second, first).correlation == pytest.approx(curve.correlation)


def test_frames_are_taken_together():
    random = np.random.default_rng(0)
    pairs = random.normal(size=(4, 2, 64, 64))
    together = (RingSums.of(*pairs[0]) + RingSums.of(*pairs[1]) + RingSums.of(*pairs[2])).correlation()
    alone = RingSums.of(*pairs[0]).correlation()
    assert together.three_sigma == pytest.approx(alone.three_sigma / np.sqrt(3), rel=0.1)
    # A frame that is much brighter than the others counts alone.
    bright = (RingSums.of(*(100 * pairs[0])) + RingSums.of(*pairs[1])).correlation()
    assert bright.three_sigma == pytest.approx(alone.three_sigma, rel=0.01)
    assert bright.correlation == pytest.approx(alone.correlation, abs=0.01)


def test_missing_pixels_are_left_out():
    random = np.random.default_rng(0)
    first, second = random.normal(100, 1, (2, 64, 64))
    first[:8] = np.nan
    curve = fourier_ring_correlation(first, second)
    assert np.isfinite(curve.correlation).all()
    assert fourier_ring_correlation(np.full((64, 64), np.nan), second).resolution() is None


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (np.zeros((32, 32)), np.zeros((32, 33)), "the same shape, got 32 x 32 and 32 x 33"),
        (np.zeros((8, 32)), np.zeros((8, 32)), "at least 16 pixels along each, got 8 x 32"),
        (np.zeros(32), np.zeros(32), "two or three axes"),
    ],
)
def test_what_cannot_be_compared_is_refused(first, second, message):
    with pytest.raises(ValueError, match=message):
        fourier_ring_correlation(first, second)


def test_other_arguments_are_refused():
    noise = np.random.default_rng(0).normal(size=(2, 32, 32))
    with pytest.raises(ValueError, match="spacing must hold a positive number for each axis"):
        fourier_ring_correlation(*noise, spacing=(1.0,))
    with pytest.raises(ValueError, match="criterion must be '1/7' or '3-sigma'"):
        fourier_ring_correlation(*noise).resolution("half-bit")
