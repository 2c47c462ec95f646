"""How a network is shown the data."""

from dataclasses import replace

import pytest
import torch

from napari_dip import Denoise, GaussianNoise, SuperResolve, UnknownNoise
from napari_dip.finetuning.consistency import Diagnosis
from napari_dip.finetuning.patches import PatchSampler
from napari_dip.finetuning.restorer import Restorer
from napari_dip.finetuning.selection import matched_reading, reading_of
from napari_dip.finetuning.session import Session
from napari_dip.pretrained.bundled import shipped
from napari_dip.problem import Problem
from napari_dip.synthetic.images import synthetic_image


def noisy(sigma, n=128, *, clip=True, known=True, low=0.0, high=255.0):
    truth = low + (high - low) / 255 * torch.from_numpy(synthetic_image(7, 2, n)).float()[None, None]
    data = truth + sigma * torch.randn(truth.shape, generator=torch.Generator().manual_seed(0))
    data = data.clamp(0, 255) if clip else data
    noise = GaussianNoise(float(sigma)) if known else UnknownNoise()
    return truth, Problem(data, Denoise().operator((n, n)), noise, torch.ones_like(data))


def denoiser(problem, sigma):
    view = PatchSampler(problem, torch.tensor(float(sigma)))
    return view, Restorer(shipped("denoise"), 1, view.reading)


def error(x, truth):
    return float((x - truth).square().mean().sqrt().detach())


@pytest.mark.parametrize("sigma", [15, 25, 50])
@pytest.mark.parametrize("high", [255.0, 12.0])  # in the dark most of the noise is cut off
def test_a_denoiser_is_not_read_so_that_it_leaves_the_noise_in(sigma, high):
    """What it is not used to, it changes less: then it would explain noisy data better."""
    _, problem = noisy(sigma, high=high)
    view, restorer = denoiser(problem, sigma)
    assert view.fair == (high == 255)
    assert reading_of(restorer, view).scale == 1


@pytest.mark.parametrize(("sigma", "more"), [(12, True), (50, False)])
def test_noise_is_shown_as_strong_as_the_network_knows_it(sigma, more):
    truth, problem = noisy(sigma)
    view, restorer = denoiser(problem, sigma)
    before = error(restorer(view.data), truth)
    usual, restorer.reading = restorer.reading, matched_reading(restorer, view)
    assert (usual.span / restorer.reading.span > 1) == more
    assert error(restorer(view.data), truth) < 0.95 * before


def test_a_network_that_does_not_say_what_noise_it_knows_is_matched_too():
    truth, problem = noisy(50)
    view, restorer = denoiser(problem, 50)
    restorer.pretrained = replace(restorer.pretrained, sigma=None)
    before = error(restorer(view.data), truth)
    restorer.reading = matched_reading(restorer, view)
    assert error(restorer(view.data), truth) < 0.95 * before


def test_the_first_output_is_that_of_the_usual_contrast():
    _, problem = noisy(50)
    held = Session.of(shipped("denoise"), problem)
    assert held.contrast < 1
    assert "times the contrast" in held.in_words()
    matched, held.restorer.reading = held.begun(), held.usual
    torch.testing.assert_close(held.seen(), held.first)
    assert not torch.equal(matched, held.first)


def test_noise_does_not_widen_the_range():
    """Noise that is not cut off leads far beyond 0 and 255."""
    _, problem = noisy(40, clip=False)
    assert problem.data.min() < -60
    view = PatchSampler(problem, torch.tensor(40.0))
    assert (view.reading.low, view.reading.high) == (0, 255)


def test_a_spoilt_network_is_found():
    truth = torch.from_numpy(synthetic_image(7, 2, 192)).float()[None, None]
    task = SuperResolve(factor=4, downsampling="bicubic")
    operator = task.operator((48, 48))
    beyond = (operator.grid((48, 48)).shape[0] - 192) // 2
    data = operator(torch.nn.functional.pad(truth, (beyond,) * 4, mode="reflect")).round()
    problem = Problem(data, operator, UnknownNoise(), torch.ones_like(data))
    sound, spoilt = shipped("super-resolve", 4), shipped("super-resolve", 4)
    last = [value for value in spoilt.network.parameters() if value.ndim == 4][-1]
    last.data += last.std() * torch.randn(last.shape, generator=torch.Generator().manual_seed(0))
    assert Session.of(sound, problem).verdict.finding is Diagnosis.CONSISTENT
    held = Session.of(spoilt, problem)
    assert held.verdict.finding is Diagnosis.INCONSISTENT
    assert held.verdict.habitual < held.verdict.residual / 1.5


def test_where_noise_is_cut_off_everywhere_pictures_alone_teach():
    _, problem = noisy(40, low=0, high=12, known=False)
    held = Session.of(shipped("denoise"), problem)
    assert held.noisy
    assert not held.view.fair
    assert "only made pictures can teach" in held.in_words()
