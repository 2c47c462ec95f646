import numpy as np
import pytest
from scipy.signal import convolve2d

from napari_dip.noise.second_difference import immerkaer_sigma, second_difference


@pytest.mark.parametrize("step", [1, 2])
def test_it_is_the_convolution_with_its_weights(step, random):
    image = random.random((12, 15))
    row = np.zeros(2 * step + 1)
    row[::step] = 1, -2, 1
    expected = convolve2d(image, np.outer(row, row) / 6, mode="same")
    np.testing.assert_allclose(second_difference(image, step), expected, atol=1e-12)


def test_linear_structure_vanishes_and_the_variance_of_noise_stays(random):
    rows, columns = np.mgrid[:300, :300]
    plane = 100 + 0.3 * rows - 0.7 * columns
    inner = (slice(2, -2),) * 2
    np.testing.assert_allclose(second_difference(plane)[inner], 0, atol=1e-9)
    noisy = second_difference(plane + random.normal(0, 5, plane.shape))[inner]
    assert noisy.std() == pytest.approx(5, rel=0.02)


@pytest.mark.parametrize("shape", [(300, 300), (5, 120, 120)])
def test_immerkaer_sigma_is_that_of_the_noise_under_smooth_structure_and_a_few_edges(shape, random):
    image = random.normal(0, 5, shape) + 60 * np.sin(np.arange(shape[-1]) / 20)
    image[..., 40:60, 40:60] += 200
    assert immerkaer_sigma(image) == pytest.approx(5, rel=0.05)
    assert immerkaer_sigma(1000 + 4 * image) == pytest.approx(4 * immerkaer_sigma(image))


def test_without_noise_or_pixels_immerkaer_sigma_is_0():
    assert immerkaer_sigma(np.full((20, 20), 7.0)) == 0
    assert immerkaer_sigma(np.eye(2)) == 0
