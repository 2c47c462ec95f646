"""Deconvolution and super-resolution with non-local Bayes as the prior."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from scipy.signal import fftconvolve
from skimage import data
from skimage.restoration import richardson_lucy

from napari_dip import GaussianNoise, GaussianPSF, MoffatPSF, PoissonGaussianNoise, PoissonNoise
from napari_dip.filters.splitting import reconstructed
from napari_dip.operators import Blur, Resample
from napari_dip.problem import Problem
from napari_dip.steps import finished

KERNEL = GaussianPSF(3.5).kernel(2).astype(float)
EDGE = KERNEL.shape[0] // 2


def problem(images, noise, kernel=KERNEL, seen=None, floor=None):
    y = torch.as_tensor(np.asarray(images), dtype=torch.float32)[None]
    weights = torch.ones_like(y) if seen is None else torch.as_tensor(np.asarray(seen))[None].float()
    return Problem(y, Blur(torch.as_tensor(kernel).float()), noise, weights, floor=floor)


def answer(problem, **options):
    """Return the image on the pixels of the data."""
    x = finished(reconstructed(problem, **options))
    assert x.shape == (*problem.data.shape[:2], *problem.grid.shape)
    assert x.isfinite().all()
    inside = (
        slice(-int(start), n - int(start))
        for start, n in zip(problem.grid.origin, problem.data.shape[2:], strict=True)
    )
    return x[(0, slice(None), *inside)].double().numpy()


def blurred(scene, kernel=KERNEL):
    return fftconvolve(scene, kernel, mode="valid")


def gaussian(fwhm):
    """Return a Gaussian of the shape of the usual kernel."""
    distance = np.hypot(*(np.mgrid[: len(KERNEL), : len(KERNEL)] - EDGE))
    kernel = np.exp(-4 * np.log(2) * (distance / fwhm) ** 2)
    return kernel / kernel.sum()


def inner(scene):
    return scene[EDGE:-EDGE, EDGE:-EDGE]


def error(x, truth):
    return float(np.sqrt(np.square(x - truth).mean()))


@pytest.fixture(scope="module")
def scene():
    return data.camera()[100:210, 180:290].astype(float)


@pytest.mark.parametrize("noise", [GaussianNoise(2.5), PoissonNoise(gain=2.5)], ids=["gaussian", "photons"])
def test_it_is_closer_to_the_truth_than_richardson_lucy_at_its_best(scene, noise):
    drawn = noise.sample(torch.from_numpy(blurred(scene)), torch.Generator().manual_seed(0)).numpy()
    light = np.pad(drawn.clip(0), EDGE, mode="reflect")
    lucy = min(
        error(inner(richardson_lucy(light, KERNEL, number, clip=False)), inner(scene))
        for number in (2, 4, 8, 16, 32, 64)
    )
    assert error(answer(problem(drawn[None], noise))[0], inner(scene)) < 0.95 * lucy


def test_channels_are_deconvolved_each_by_its_own_point_spread_function(scene, random):
    narrow, wide = (gaussian(fwhm) for fwhm in (2.5, 4.0))
    truths = np.stack([scene[:100, :100], scene[10:110, 10:110]])
    drawn = np.stack([blurred(*pair) for pair in zip(truths, (narrow, wide), strict=True)])
    drawn += random.normal(0, 2.5, drawn.shape)
    y = torch.from_numpy(drawn).float()[None]
    blur = Blur(torch.as_tensor(np.stack([narrow, wide])).float(), per_channel=True)
    x = answer(Problem(y, blur, GaussianNoise(2.5), torch.ones_like(y)))
    for found, data_, truth in zip(x, drawn, truths, strict=True):
        assert error(found, inner(truth)) < 0.85 * error(data_, inner(truth))


def test_missing_pixels_have_no_influence_and_are_restored(scene, random):
    drawn = blurred(scene) + random.normal(0, 2.5, blurred(scene).shape)
    seen = random.random(drawn.shape) > 0.2
    seen[40:44, 40:44] = False
    one, other = (
        answer(problem(np.where(seen, drawn, value)[None], GaussianNoise(2.5), seen=seen[None]))[0]
        for value in (0.0, 1e4)
    )
    np.testing.assert_array_equal(one, other)
    assert error(one[~seen], inner(scene)[~seen]) < error(blurred(scene)[~seen], inner(scene)[~seen])


@pytest.mark.parametrize(
    "noise", [PoissonNoise(2.0, 100.0), PoissonGaussianNoise(2.0, 100.0, 4.0)], ids=["photons", "camera"]
)
@pytest.mark.parametrize("photons", [0.5, 5.0, 100.0])
def test_the_light_is_kept_where_there_is_no_structure(noise, photons):
    truth = torch.full((1, 1, 64, 64), 100 + 2.0 * photons)
    drawn = noise.sample(truth, torch.Generator().manual_seed(0))[0].numpy()
    x = answer(problem(drawn, noise))
    assert x.mean() - 100 == pytest.approx(
        drawn.mean() - 100, abs=max(0.01 * photons, 0.03 * float(drawn.std()))
    )


def test_the_light_of_stars_is_kept_and_drawn_together(random):
    truth = np.zeros((96, 96))
    truth[20:80:20, 20:80:20] = 5000
    noise = PoissonGaussianNoise(1.0, 0.0, 3.0)
    drawn = noise.sample(torch.from_numpy(blurred(truth + 20)), torch.Generator().manual_seed(0)).numpy()
    x = answer(problem(drawn[None], noise))[0] - 20
    wide = blurred(truth)
    for row in range(20, 80, 20):
        for column in range(20, 80, 20):
            at = tuple(slice(n - EDGE - 5, n - EDGE + 6) for n in (row, column))
            assert x[at].sum() == pytest.approx(5000, rel=0.05)
            assert x[at].max() > 2 * wide[at].max()


def test_the_image_does_not_fall_below_the_floor(scene):
    dark = np.zeros_like(scene)
    dark[50:90, 50:90] = 200
    noise = PoissonNoise(gain=2.5)
    drawn = noise.sample(torch.from_numpy(blurred(dark)), torch.Generator().manual_seed(0)).numpy()
    assert answer(problem(drawn[None], noise, floor=0.0)).min() >= 0


def test_volumes_are_deconvolved(random):
    kernel = GaussianPSF(2.5).kernel(3).astype(float)
    truth = np.zeros((18, 26, 26))
    truth[6:12, 9:17, 9:17] = 100
    drawn = fftconvolve(truth, kernel, mode="valid")
    margins = [(n - m) // 2 for n, m in zip(truth.shape, drawn.shape, strict=True)]
    inside = truth[tuple(slice(m, n - m) for m, n in zip(margins, truth.shape, strict=True))]
    noisy = drawn + random.normal(0, 3, drawn.shape)
    assert error(answer(problem(noisy[None], GaussianNoise(3.0), kernel))[0], inside) < 0.75 * error(
        noisy, inside
    )


def test_more_strength_gives_a_smoother_image(scene, random):
    drawn = blurred(scene)[None, :60, :60] + random.normal(0, 2.5, (1, 60, 60))
    weak, strong = (answer(problem(drawn, GaussianNoise(2.5)), strength=one) for one in (0.7, 2.0))
    assert np.abs(np.diff(strong)).mean() < 0.9 * np.abs(np.diff(weak)).mean()


def test_each_round_is_shown(scene, random):
    drawn = blurred(scene)[None, :40, :40] + random.normal(0, 2.5, (1, 40, 40))
    shown = [x for x in reconstructed(problem(drawn, GaussianNoise(2.5))) if x is not None]
    assert len(shown) == 8
    wide = gaussian_filter(drawn[0], 3)
    assert np.abs(np.diff(shown[-1][0, 0])).mean() > np.abs(np.diff(wide)).mean()


def test_wide_point_spread_functions(scene, random):
    kernel = MoffatPSF(4.0, 2.5).kernel(2).astype(float)
    wide = np.pad(scene[:70, :70], 20, mode="reflect")
    half = kernel.shape[0] // 2
    drawn = fftconvolve(wide, kernel, mode="valid")
    truth = wide[half:-half, half:-half]
    noisy = drawn + random.normal(0, 1, drawn.shape)
    assert error(answer(problem(noisy[None], GaussianNoise(1.0), kernel))[0], truth) < 0.85 * error(
        noisy, truth
    )


@pytest.mark.parametrize("sigma", [0.05, 5.0], ids=["clean", "noisy"])
def test_finer_pixels_are_closer_to_the_truth_than_interpolated_ones(scene, random, sigma):
    truth = torch.from_numpy(scene[:96, :96]).float()[None, None]
    coarser = Resample((2, 2))
    y = coarser(truth) + sigma * torch.from_numpy(random.normal(size=(1, 1, 48, 48))).float()
    finer = Problem(y, coarser, GaussianNoise(sigma), torch.ones_like(y))
    x = finished(reconstructed(finer))
    assert x.shape == truth.shape
    cubic = torch.nn.functional.interpolate(y, scale_factor=2, mode="bicubic")
    assert error(x.numpy(), truth.numpy()) < 0.9 * error(cubic.numpy(), truth.numpy())
    assert float((coarser(x) - y).square().mean().sqrt()) < 0.03 * float(y.std()) + sigma


def test_an_image_without_details_stays_as_it_is():
    y = torch.full((1, 1, 12, 12), 100.0)
    flat = Problem(y, Resample((3, 3)), GaussianNoise(1e-3), torch.ones_like(y))
    assert torch.allclose(finished(reconstructed(flat)), torch.tensor(100.0), atol=0.01)
