import math

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from napari_dip.pkn.kernels.polynomial import AnisotropicReblur, Reblur
from napari_dip.pkn.observation import Observation

BOTH = {"round": (Reblur(), ()), "oval": (AnisotropicReblur(), (0.0, 0.0))}
both = pytest.mark.parametrize(("kernel", "stretch"), list(BOTH.values()), ids=list(BOTH))


def blurred_by(image, width, a=0.0, b=0.0):
    blur = torch.tensor([-2 * math.log(width), a, b], dtype=torch.float64).view(1, 3, 1, 1)
    return Observation(image, torch.ones(1, 1, 1, 1, dtype=torch.float64), blur=blur)


def everywhere(values, size):
    return torch.tensor(values, dtype=torch.float64).view(1, -1, 1, 1).expand(1, -1, *size)


@both
def test_1_1_1_is_the_identity(kernel, stretch, speckled, tensor):
    maps = everywhere([1.3, *stretch, 1, 1, 1], speckled.shape)
    restored = kernel.apply(blurred_by(tensor(speckled), 1.5), maps)
    torch.testing.assert_close(restored, tensor(speckled))


@both
@pytest.mark.parametrize("ratio", [0.5, 1.8])
def test_0_0_0_blurs_three_times_as_scipy_does(kernel, stretch, ratio, speckled, tensor):
    maps = everywhere([ratio, *stretch, 0, 0, 0], speckled.shape)
    restored = kernel.apply(blurred_by(tensor(speckled), 1.2), maps)
    expected = speckled
    for _ in range(3):
        expected = gaussian_filter(expected, 1.2 * ratio, mode="mirror", radius=6)
    np.testing.assert_allclose(restored[0, 0], expected, rtol=1e-9)


def test_an_oval_blur_is_undone_by_an_oval_one(speckled, tensor):
    """The blur is 2 px wide along columns and 0.8 px along rows; a is the logarithm of their ratio."""
    width, a = math.sqrt(2.0 * 0.8), math.log(0.8 / 2.0)
    maps = everywhere([1.0, 0, 0, 0], speckled.shape)
    restored = Reblur().apply(blurred_by(tensor(speckled), width, a), maps)
    expected = speckled
    for _ in range(3):
        expected = gaussian_filter(expected, (2.0, 0.8), mode="mirror", radius=6)
    np.testing.assert_allclose(restored[0, 0], expected, rtol=1e-9)


@both
@pytest.mark.parametrize(
    ("setting", "transfer"),
    [
        # Four terms of 1 / K = Σ (1 − K)ⁿ, where K is the transfer function of the blur.
        ((4, -2, 2), lambda k: sum((1 - k) ** n for n in range(4))),
        # Polyblur, equation 20: a = α/2 − β + 2, b = 3β − α − 6, c = 5 − 3β + α/2, a K³ + b K² + c K + β.
        ((1, 6, -3), lambda k: 4 * k**3 - 9 * k**2 + 5 * k + 1),
    ],
    ids=["Neumann", "Polyblur(6, 1)"],
)
def test_known_polynomials(kernel, stretch, setting, transfer, random):
    """A blur multiplies a cosine that is symmetric about the first and the last pixel by a factor."""
    n, width = 33, 1.4
    for frequency in (2, 7, 19):
        angle = math.pi * frequency / (n - 1)
        wave = torch.cos(angle * torch.arange(n, dtype=torch.float64)).expand(n, n)[None, None]
        distances = np.arange(-6, 7)
        weights = np.exp(-(distances**2) / (2 * width**2))
        factor = (weights * np.cos(angle * distances)).sum() / weights.sum()
        restored = kernel.apply(blurred_by(wave, width), everywhere([1.0, *stretch, *setting], (n, n)))
        torch.testing.assert_close(restored, transfer(factor) * wave)


def test_it_sharpens_a_blurred_image():
    sharp = np.zeros((40, 40))
    sharp[10:30, 12:28], sharp[16:20, 16:24] = 100, 180
    data = gaussian_filter(sharp, 1.5, mode="mirror")
    observation = blurred_by(torch.from_numpy(data)[None, None], 1.5)
    restored = Reblur().apply(observation, everywhere([1.0, 4, -2, 2], (40, 40)))[0, 0].numpy()
    assert np.square(restored - sharp).mean() < 0.6 * np.square(data - sharp).mean()


def gains(kernel, observation, setting):
    """Return √Σ w² of the weights in the middle of an image, and the noise gain that the kernel gives."""
    size = (39, 39)
    maps = everywhere(setting, size)
    weights = kernel.weights_at(observation, lambda rows, columns: maps[:, :, rows, columns], 19, 19)
    return float(weights.square().sum().sqrt()), float(kernel.noise_gain(observation, maps)[0, 0, 19, 19])


by_bands = pytest.mark.parametrize("bands", [(0, 0, 0), (4, -2, 2), (1, 6, -3), (12, 8, 4)])


@by_bands
@pytest.mark.parametrize(("width", "ratio"), [(0.5, 0.4), (1.2, 1.0), (2.5, 2.5)])
def test_the_noise_gain_of_a_round_blur_follows_from_the_weights(width, ratio, bands, random):
    observation = blurred_by(torch.from_numpy(random.normal(size=(1, 1, 39, 39))), width)
    expected, gain = gains(Reblur(), observation, [ratio, *bands])
    assert gain == pytest.approx(expected, rel=3e-3)


@by_bands
@pytest.mark.parametrize(
    ("width", "a", "b"), [(0.8, 0.6, 0.0), (2.0, -1.5, 0.0), (1.2, 0.0, 0.5), (0.8, 0.35, -0.35)]
)
def test_the_noise_gain_of_an_oval_blur_follows_from_the_weights(width, a, b, bands, random):
    observation = blurred_by(torch.from_numpy(random.normal(size=(1, 1, 39, 39))), width, a)
    expected, gain = gains(AnisotropicReblur(), observation, [1.0, 0.0, b, *bands])
    assert gain == pytest.approx(expected, rel=0.03 if b else 3e-3)


@both
def test_a_missing_blur_is_an_error(kernel, stretch, speckled, tensor):
    observation = Observation(tensor(speckled), torch.ones(1, 1, 1, 1))
    with pytest.raises(ValueError, match="needs to know the blur"):
        kernel.apply(observation, everywhere([1.0, *stretch, 1, 1, 1], speckled.shape))
