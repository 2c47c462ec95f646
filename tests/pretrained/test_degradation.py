import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from napari_dip.operators import Resample
from napari_dip.pretrained.degradation import degraded, pre_upsampled
from napari_dip.pretrained.model import Pretrained

X = torch.rand(2, 1, 24, 36, generator=torch.Generator().manual_seed(0))


def of(**facts):
    return Pretrained(nn.Identity(), "none", facts.pop("factor", 1), 1, "test", **facts)


def drawn(pretrained, seed=0):
    return degraded(pretrained, X, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_images_are_interpolated_as_by_pillow(factor):
    image = X[0, 0].numpy()
    size = image.shape[1] * factor, image.shape[0] * factor
    expected = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))
    np.testing.assert_allclose(pre_upsampled(X, factor)[0, 0].numpy(), expected, atol=1e-5)


def test_interpolation_does_not_shift_the_image():
    """Pixel i of the result lies at (i + 1/2) / f − 1/2 of the data, as for the operator."""
    x = torch.arange(12.0).expand(1, 1, 12, 12)
    expected = (torch.arange(36.0) + 0.5) / 3 - 0.5
    torch.testing.assert_close(pre_upsampled(x, 3)[0, 0, 0, 6:-6], expected[6:-6])


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_super_resolution_is_trained_on_shrunk_images(factor):
    small = Resample((factor, factor), "bicubic")(X)
    assert torch.equal(drawn(of(factor=factor)), small)
    assert torch.equal(drawn(of(factor=factor, pre_upsampled=True)), pre_upsampled(small, factor))


def test_denoising_is_trained_on_noise_with_sigma():
    noise = drawn(of(sigma=25.0)) - X
    assert noise.std() * 255 == pytest.approx(25, rel=0.05)
    assert abs(noise.mean()) * 255 < 2
    assert torch.equal(drawn(of(sigma=25.0)), drawn(of(sigma=25.0)))
    assert not torch.equal(drawn(of(sigma=25.0)), drawn(of(sigma=25.0), seed=1))


def test_without_factor_and_sigma_nothing_is_degraded():
    assert torch.equal(drawn(of()), X)
