import numpy as np
import pytest
import torch

from napari_dip.pkn.degradations import Blurred, Downsampled, Noisy, degradation
from napari_dip.pkn.kernels.gaussian import precision
from napari_dip.pkn.kernels.registry import KERNELS, kernel_of


def test_the_noise_has_the_standard_deviation_of_the_observation(generator):
    clean = torch.rand(12, 1, 64, 64, generator=generator) * 255
    data = Noisy(5.0, 60.0)(clean, generator)
    rest = (data.image - clean).flatten(1)
    torch.testing.assert_close(rest.std(1), data.sigma.flatten(), rtol=0.06, atol=0)
    torch.testing.assert_close(rest.mean(1), torch.zeros(12), rtol=0, atol=4)


def test_the_logarithm_of_the_noise_level_is_uniform(generator):
    sigma = Noisy(4.0, 64.0)(torch.zeros(4000, 1, 1, 1), generator).sigma
    assert sigma.min() >= 4
    assert sigma.max() <= 64
    for low, high in ((4, 8), (8, 16), (16, 32), (32, 64)):
        assert float(((sigma > low) & (sigma < high)).float().mean()) == pytest.approx(0.25, abs=0.03)


def test_a_blurred_point_has_the_shape_of_the_observation(generator):
    point = torch.zeros(60, 1, 31, 31)
    point[:, :, 15, 15] = 1e6
    data = Blurred(1e-3, 2e-3)(point, generator)
    dy, dx = np.mgrid[-15:16, -15:16]
    widths = []
    for image, blur in zip(data.image[:, 0].double().numpy(), data.blur, strict=True):
        image = image / image.sum()
        spread = [[(image * p * q).sum() for q in (dy, dx)] for p in (dy, dx)]
        yy, yx, xx = (float(one) for one in precision(*blur.flatten().double()))
        told = np.linalg.inv([[yy, yx], [yx, xx]])
        widths.append(np.sqrt(np.linalg.det(told)))
        if np.sqrt(np.linalg.eigvalsh(told)).max() < 2:  # the window truncates wider ones
            np.testing.assert_allclose(spread, told, rtol=0.02, atol=0.02)
    assert 0.8**2 <= min(widths) < 1
    assert 4 < max(widths) <= 2.4**2


@pytest.mark.parametrize("factor", [2, 3])
def test_a_downsampled_image_keeps_its_grey_levels(factor, generator):
    clean = torch.full((2, 1, 12, 12), 90.0)
    data = Downsampled(1e-3, 2e-3, factor)(clean, generator)
    torch.testing.assert_close(
        data.image, torch.full((2, 1, 12 // factor, 12 // factor), 90.0), atol=0.02, rtol=0
    )


@pytest.mark.parametrize("name", list(KERNELS))
def test_a_kernel_can_be_applied_to_its_degradation(name, generator):
    """The result is as large as the clean image."""
    kernel = kernel_of(name, 3)
    data = degradation(kernel)(torch.rand(2, 1, 60, 60, generator=generator) * 255, generator)
    assert kernel.factor * data.image.shape[-1] == 60
    assert (data.blur is not None) == (kernel.purpose == "deblur")
    kernel.apply(data, kernel.default().view(1, -1, 1, 1).expand(2, -1, 60, 60))
