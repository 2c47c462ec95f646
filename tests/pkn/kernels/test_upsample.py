import math

import numpy as np
import pytest
import torch
from scipy.linalg import expm

from napari_dip.operators import Resample
from napari_dip.pkn.kernels.upsample import Upsample
from napari_dip.pkn.observation import Observation

by_factor = pytest.mark.parametrize("factor", [2, 3, 4])
ONE = torch.ones(1, 1, 1, 1, dtype=torch.float64)


def everywhere(values, factor, image):
    fine = [factor * n for n in image.shape]
    return torch.tensor(values, dtype=torch.float64).view(1, -1, 1, 1).expand(1, -1, *fine)


@by_factor
@pytest.mark.parametrize("holes", [False, True])
def test_it_follows_the_formula(factor, holes, speckled, tensor, random):
    kernel, fine = Upsample(factor), [factor * n for n in speckled.shape]
    maps = random.uniform([0.4, -1, -1, 0], [2, 1, 1, 1.2], (*fine, 4))
    seen = random.uniform(size=speckled.shape) > (0.03 if holes else 0)
    padded, known = (np.pad(x, 3, mode="reflect") for x in (speckled, seen.astype(float)))
    expected = np.empty(fine)
    for row, column in np.ndindex(*fine):
        width, a, b, sharpness = maps[row, column]
        top, left = row // factor, column // factor
        window = slice(top, top + 7), slice(left, left + 7)
        if not known[window].all():
            sharpness = 0
        m = -2 * math.log(width)
        q = expm(np.array([[m + a, b], [b, m - a]]))
        sharp = sharpness * np.sqrt(np.diag(q) / np.linalg.eigvalsh(q)[1])  # along both axes
        q = np.linalg.inv(np.linalg.inv(q) + 0.16 * np.diag(sharp**2))
        # Position of the fine pixel, in measured pixels.
        y, x = ((p + 0.5) / factor - 0.5 for p in (row, column))
        dy, dx = np.mgrid[top - 3 : top + 4, left - 3 : left + 4] - np.array([y, x])[:, None, None]
        weights = np.exp(-0.5 * (q[0, 0] * dy**2 + 2 * q[0, 1] * dy * dx + q[1, 1] * dx**2))
        weights *= np.sinc(sharp[0] * dy) * np.sinc(sharp[1] * dx) * known[window]
        expected[row, column] = (weights * padded[window]).sum() / weights.sum()
    observation = Observation(tensor(speckled), ONE, tensor(seen) if holes else None)
    refined = kernel.apply(observation, torch.from_numpy(maps).permute(2, 0, 1)[None])
    np.testing.assert_allclose(refined[0, 0], expected, rtol=1e-9)


@by_factor
def test_a_narrow_window_repeats_the_nearest_pixel(factor, speckled, tensor):
    """It is so narrow that all its weights underflow."""
    image = torch.as_tensor(speckled)
    for dtype in (torch.float32, torch.float64):
        observation = Observation(tensor(speckled).to(dtype), ONE.to(dtype))
        refined = Upsample(factor).apply(observation, everywhere([0.01, 0, 0, 0], factor, speckled).to(dtype))
        expected = image.repeat_interleave(factor, 0).repeat_interleave(factor, 1).to(dtype)
        torch.testing.assert_close(refined[0, 0], expected)


@by_factor
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("setting", [(0.6, 0, 0, 0), (1.2, 0, 0, 1)], ids=["smooth", "sharp"])
def test_a_ramp_keeps_its_place(factor, axis, setting, tensor):
    """The fine pixels lie where the grid of the resampling operator has them."""
    ramp = np.moveaxis(np.broadcast_to(np.arange(16.0)[:, None], (16, 16)), 0, axis)
    maps = everywhere(setting, factor, ramp)
    refined = Upsample(factor).apply(Observation(tensor(ramp), ONE), maps)[0, 0]
    grid = Resample((factor, factor)).grid((16, 16))
    along = grid.origin[axis] + grid.step[axis] * np.arange(16 * factor)
    inner = slice(4 * factor, -4 * factor)
    got = refined.movedim(axis, 0)[inner, inner]
    # The centre of the sampled weights of a Gaussian of 0.6 px is off by less than 0.01 px.
    np.testing.assert_allclose(got, np.broadcast_to(along[inner, None], got.shape), atol=0.01)


@by_factor
def test_averaging_the_fine_pixels_gives_the_measured_ones_again(factor, tensor):
    """A slow wave is neither shifted nor scaled."""
    wave = 100 + 50 * np.sin(0.3 * np.arange(20))[:, None] * np.cos(0.25 * np.arange(22))
    refined = Upsample(factor).apply(Observation(tensor(wave), ONE), everywhere([0.5, 0, 0, 0], factor, wave))
    back = Resample((factor, factor), "area")(refined)[0, 0].numpy()
    np.testing.assert_allclose(back[3:-3, 3:-3], wave[3:-3, 3:-3], atol=2.5)


@by_factor
def test_a_sharp_window_keeps_a_wave_that_smoothing_loses(factor, tensor):
    """The wave has a period of four pixels."""
    measured, fine = np.arange(24), (np.arange(24 * factor) + 0.5) / factor - 0.5
    wave, truth = (
        np.broadcast_to(np.cos(np.pi / 2 * x)[:, None], (len(x), len(x))) for x in (measured, fine)
    )
    observation, errors = Observation(tensor(wave), ONE), []
    inner = slice(4 * factor, -4 * factor)
    for setting in ((0.5, 0, 0, 0), (1.2, 0, 0, 1)):
        refined = Upsample(factor).apply(observation, everywhere(setting, factor, wave))[0, 0].numpy()
        errors.append(np.abs(refined - truth)[inner, inner].max())
    assert errors[1] < 0.05 < 0.2 < errors[0]


@by_factor
def test_no_parameters_let_weights_cancel(factor, random, tensor):
    """The noise gain stays below 2, however narrow, stretched and sharp a window is."""
    kernel, image = Upsample(factor), random.normal(size=(40, 40))
    low, high = (np.array([getattr(one, end) for one in kernel.parameters]) for end in ("low", "high"))
    shares = random.uniform(-0.3, 1.3, (4, 40 * factor, 40 * factor)).clip(0, 1)  # the limits occur too
    maps = low[:, None, None] + (high - low)[:, None, None] * shares
    maps[0] = low[0] * (high[0] / low[0]) ** shares[0]
    gain = kernel.noise_gain(Observation(tensor(image), ONE), torch.from_numpy(maps)[None])
    assert gain.max() < 2
