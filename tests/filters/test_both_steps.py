"""Both steps of non-local Bayes, on data that have the same noise everywhere."""

import numpy as np
import torch

from napari_dip.filters.both_steps import both_steps
from napari_dip.filters.nonlocal_bayes import nonlocal_bayes_pilot
from napari_dip.steps import finished

SIDE = 128


def denoised(image):
    image = torch.as_tensor(image)
    return finished(both_steps(image, torch.ones_like(image, dtype=torch.bool))).numpy()


def test_structure_that_is_coarse_and_far_below_the_noise_is_found(random):
    """A hill that no patch of a few pixels tells from its surroundings."""
    rows, columns = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    hill = 0.6 * np.exp(-(rows**2 + columns**2) / (2 * 20**2))[None]
    data = hill + random.normal(size=hill.shape)
    alone = finished(nonlocal_bayes_pilot(torch.as_tensor(data))).numpy()
    errors = [float(np.square(x - hill).mean()) for x in (denoised(data), alone)]
    assert errors[0] < 0.6 * errors[1]


def test_colours_that_differ_in_brightness_alone_help_each_other(phantom, random):
    truth = np.stack([phantom, 0.8 * phantom, 0.6 * phantom]) / 15
    data = truth + random.normal(size=truth.shape)
    apart = np.concatenate([denoised(channel[None]) for channel in data])
    errors = [float(np.square(x - truth).mean()) for x in (denoised(data), apart)]
    assert errors[0] < 0.7 * errors[1]


def test_few_photons_give_no_nan():
    """Most patches are the same. LAPACK fails in float32 for one of these covariances of low rank."""
    light = np.zeros((1, 192, 192))
    light[:, 64:128, 64:128] = 0.1
    photons = np.random.default_rng(1).poisson(light)
    assert np.isfinite(denoised(2 * np.sqrt(photons + 0.375))).all()
