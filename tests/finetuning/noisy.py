"""Noisy synthetic images for the tests of denoisers."""

import torch

from napari_dip import Denoise, GaussianNoise, UnknownNoise
from napari_dip.problem import Problem
from napari_dip.synthetic.images import synthetic_image


def noisy(sigma, n=128, *, clip=True, known=True, low=0.0, high=255.0):
    """Return a synthetic image, and the problem of removing noise that was added to it."""
    truth = low + (high - low) / 255 * torch.from_numpy(synthetic_image(7, 2, n)).float()[None, None]
    data = truth + sigma * torch.randn(truth.shape, generator=torch.Generator().manual_seed(0))
    data = data.clamp(0, 255) if clip else data
    noise = GaussianNoise(float(sigma)) if known else UnknownNoise()
    return truth, Problem(data, Denoise().operator((n, n)), noise, torch.ones_like(data))
