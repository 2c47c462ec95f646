from itertools import islice
from threading import Event

import numpy as np
import pytest
import scipy
import skimage
import torch
from scipy.signal import fftconvolve
from skimage import data

from napari_dip import GaussianNoise, Outcome, PoissonNoise, StopRequested, UnknownNoise
from napari_dip.filters.deconvolution import richardson_lucy
from napari_dip.methods.classic import RichardsonLucy, Wiener
from napari_dip.operators.blur import Blur
from napari_dip.problem import Problem
from napari_dip.psf.models import GaussianPSF, MoffatPSF

METHODS = [RichardsonLucy(), Wiener()]
by_name = pytest.mark.parametrize("method", METHODS, ids=lambda method: type(method).__name__)


def problem(images, psf, noise=None, weights=None, floor=None):
    y = torch.as_tensor(np.asarray(images), dtype=torch.float32)[None]
    weights = torch.ones_like(y) if weights is None else torch.as_tensor(np.asarray(weights))[None].float()
    blur = Blur(torch.as_tensor(psf, dtype=torch.float32))
    return Problem(y, blur, noise or UnknownNoise(), weights, floor=floor)


def answer(method, problem, **options):
    """Return the answer's image on the pixels of the data, after checking where it lies."""
    *_, iterate = method.solve(problem, **options)
    assert not iterate.preparing
    assert iterate.outcome is Outcome.COMPUTED
    assert 1 <= iterate.index <= method.max_iterations
    assert iterate.loss.ndim == 0
    assert iterate.x.dtype == torch.float32
    assert iterate.x.isfinite().all()
    assert iterate.x.shape == (*problem.data.shape[:2], *problem.grid.shape)
    margins = [int(-start) for start in problem.grid.origin]
    inside = (slice(m, m + n) for m, n in zip(margins, problem.data.shape[2:], strict=True))
    return iterate.x[(0, slice(None), *inside)].numpy()


def psnr(x, truth):
    return 10 * np.log10(255**2 / np.mean((x - truth) ** 2))


def photograph(psf, gain=0.5, seed=0, size=128):
    """Return a crop of a photograph, and the same blurred, with Poisson noise."""
    margins = [k // 2 for k in psf.shape]
    rows, columns = (slice(110 - m, 110 + size + m) for m in margins)
    scene = data.camera()[rows, columns.start + 80 : columns.stop + 80].astype(float)
    blurred = fftconvolve(scene, psf, mode="valid")
    noisy = gain * np.random.default_rng(seed).poisson(blurred / gain)
    return scene[tuple(slice(m, m + size) for m in margins)], noisy


@by_name
@pytest.mark.parametrize(
    ("psf", "gain", "decibels"),
    [(GaussianPSF(3.0), 0.5, 1.5), (MoffatPSF(4.0), 0.5, 1.5), (GaussianPSF(5.0), 2.0, 1.5)],
)
def test_photographs_come_closer_to_the_truth(method, psf, gain, decibels):
    truth, noisy = photograph(psf.kernel(2), gain)
    (x,) = answer(method, problem([noisy], psf.kernel(2)))
    assert psnr(x, truth) > psnr(noisy, truth) + decibels


@by_name
def test_a_point_spread_function_without_symmetry_shifts_nothing(method):
    psf = np.zeros((5, 9))
    psf[2, 4:], psf[3:, 8] = 1, 1
    psf /= psf.sum()
    truth, noisy = photograph(psf)
    (x,) = answer(method, problem([noisy], psf))
    assert psnr(x, truth) > psnr(noisy, truth) + 4


@by_name
def test_missing_pixels_are_filled_in_first(method, random):
    psf = GaussianPSF(3.0).kernel(2)
    truth, noisy = photograph(psf)
    (complete,) = answer(method, problem([noisy], psf))
    weights = (random.random(noisy.shape) > 0.02).astype(float)
    (x,) = answer(method, problem([np.where(weights, noisy, 1e6)], psf, weights=[weights]))
    assert psnr(x, truth) > psnr(complete, truth) - 1


@by_name
def test_each_channel_is_deconvolved_by_itself(method):
    psf = GaussianPSF(3.0).kernel(2)
    noisy = [photograph(psf, seed=seed)[1] for seed in range(2)]
    both = answer(method, problem(noisy, psf, weights=np.ones((1, *noisy[0].shape)), floor=0.0))
    for one, image in zip(both, noisy, strict=True):
        np.testing.assert_array_equal(one, answer(method, problem([image], psf, floor=0.0))[0])


@by_name
def test_volumes_come_closer_to_the_truth(method, random):
    psf = GaussianPSF(fwhm=3.0, axial_fwhm=4.0).kernel(3)
    scene = np.zeros((32, 48, 48))
    scene[tuple(random.integers(0, n, 150) for n in scene.shape)] = 20_000
    scene = fftconvolve(scene, GaussianPSF(2.5).kernel(3), mode="same").clip(0) + 10
    margins = [k // 2 for k in psf.shape]
    truth = scene[tuple(slice(m, -m) for m in margins)]
    noisy = random.poisson(fftconvolve(scene, psf, mode="valid")).astype(float)
    (x,) = answer(method, problem([noisy], psf))
    assert psnr(x, truth) > psnr(noisy, truth) + 1


@by_name
def test_constant_images_do_not_change(method):
    for psf, shape in ((GaussianPSF(3.0).kernel(2), (9, 20)), (np.ones((1, 3, 3)) / 9, (1, 12, 12))):
        (x,) = answer(method, problem([np.full(shape, 7.0)], psf))
        np.testing.assert_allclose(x, 7, rtol=0.01)


@by_name
def test_grey_levels_may_be_in_any_unit(method):
    psf = GaussianPSF(3.0).kernel(2)
    _, noisy = photograph(psf)
    (x,) = answer(method, problem([noisy], psf, floor=0.0))
    (scaled,) = answer(method, problem([1e-3 * noisy + 50], psf, floor=50.0))
    np.testing.assert_allclose((scaled - 50) * 1e3, x, atol=0.1)


@pytest.mark.parametrize("method", [RichardsonLucy(10), Wiener()], ids=["RichardsonLucy", "Wiener"])
def test_the_seed_changes_nothing_and_the_data_are_left_alone(method):
    psf = GaussianPSF(3.0).kernel(2)
    one = problem([photograph(psf)[1]], psf)
    before = one.data.clone()
    np.testing.assert_array_equal(answer(method, one, seed=1), answer(method, one, seed=2))
    assert torch.equal(one.data, before)


def test_richardson_lucy_keeps_to_the_floor(random):
    psf = GaussianPSF(3.0).kernel(2)
    scene = np.full((40, 40), 100.0)
    scene[20, 20] = 5000
    noisy = fftconvolve(scene, psf, mode="same") + random.normal(0, 5, scene.shape)
    for options in ({"floor": 90.0}, {"noise": PoissonNoise(1.0, offset=90.0)}):
        assert answer(RichardsonLucy(), problem([noisy], psf, **options)).min() >= 90
    assert answer(RichardsonLucy(), problem([noisy - 100], psf)).min() >= (noisy - 100).min() - 1e-3
    assert answer(RichardsonLucy(), problem([np.zeros((20, 20))], psf)).max() == 0


@pytest.mark.parametrize(("noise", "fwhm"), [(0.2, 2.0), (1.0, 4.0), (20.0, 2.0), (5.0, 4.0)])
def test_the_chosen_balance_is_close_to_the_best_one(noise, fwhm):
    psf = GaussianPSF(fwhm).kernel(2)
    truth, blurred = photograph(psf, gain=1e-6)
    noisy = blurred + np.random.default_rng(0).normal(0, noise, truth.shape)
    (chosen,) = answer(Wiener(), problem([noisy], psf, GaussianNoise(noise)))
    given = [Wiener(10.0**power) for power in np.arange(-7, 3, 0.5)]
    best = max(psnr(answer(method, problem([noisy], psf))[0], truth) for method in given)
    assert psnr(chosen, truth) > best - 0.3


def stopped(method, problem, blocked, reached):
    """Return the answer of a run that is stopped at an image, while the filter is blocked."""
    stop = Event()
    for iterate in islice(method.solve(problem, stopping_rule=StopRequested(stop)), 1000):
        assert iterate.index == 0
        if torch.equal(iterate.x, reached):
            stop.set()
    assert not blocked.is_set()
    blocked.set()
    assert (iterate.outcome, iterate.preparing) == (Outcome.STOPPED, False)
    assert iterate.note == "Stopped before the filter had finished: this is what it had reached."
    return iterate.x


def test_richardson_lucy_can_be_stopped_between_two_iterations(phantom, monkeypatch):
    one = problem([phantom], GaussianPSF(3.0).kernel(2), floor=0.0)
    *_, second = RichardsonLucy(2).solve(one)
    blocked, convolve, calls = Event(), scipy.signal.convolve, []

    def slow(*arguments, **options):
        calls.append(None)
        if len(calls) > 4:  # two for each iteration
            blocked.wait()
        return convolve(*arguments, **options)

    monkeypatch.setattr("scipy.signal.convolve", slow)
    assert torch.equal(stopped(RichardsonLucy(50), one, blocked, second.x), second.x)


def test_wiener_can_be_stopped_while_it_works(phantom, monkeypatch):
    one = problem([phantom], GaussianPSF(3.0).kernel(2))
    margins = [(n - 64) // 2 for n in one.grid.shape]
    data = torch.from_numpy(np.pad(phantom, [(m, m) for m in margins], mode="reflect"))[None, None]
    blocked = Event()
    monkeypatch.setattr("skimage.restoration.wiener", lambda *_, **__: blocked.wait())
    torch.testing.assert_close(stopped(Wiener(), one, blocked, data), data)


def test_richardson_lucy_is_that_of_scikit_image(phantom):
    psf, floor = GaussianPSF(3.0).kernel(2), 10.0
    *_, x = richardson_lucy(phantom.astype(float), psf, iterations=7, floor=floor)
    light = (phantom.astype(float) - floor).clip(0)
    scale, margin = light.mean(), 16
    wide = np.pad(light / scale, margin, mode="reflect")
    expected = floor + scale * skimage.restoration.richardson_lucy(wide, psf, 7, False, 1e-6)
    cut = margin - psf.shape[0] // 2
    np.testing.assert_array_equal(x, expected[cut:-cut, cut:-cut])
