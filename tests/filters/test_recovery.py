"""Faint sources that a method has lost are put back, by the same rule in every method."""

from dataclasses import replace
from threading import Event

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from napari_dip import (
    PKN,
    Denoise,
    FineTune,
    GaussianNoise,
    Inpaint,
    LaplaceNoise,
    NonLocalBayes,
    Outcome,
    restore,
)
from napari_dip.dip.refinement import refined
from napari_dip.filters.recovery import sources_measurable, with_sources
from napari_dip.operators import Identity
from napari_dip.optim.iterate import Iterate
from napari_dip.optim.stopping import StopRequested
from napari_dip.problem import Problem
from napari_dip.restoration.readapt import Readapt
from napari_dip.restoration.refilter import Refilter
from napari_dip.steps import finished

TOLD = Denoise(GaussianNoise(10.0))
#: A filter that smooths so strongly that it loses any faint spot.
SMOOTH = PKN(kernel="isotropic", predictor="constant", strength=3.0)
QUICK = {"iterations": 2, "learning_rate": 1e-6, "self_ensemble": False}


def average():
    """A network that begins as a mean over 15 x 15 pixels, and loses any faint spot."""
    network = torch.nn.Conv2d(1, 1, 15, padding=7, padding_mode="reflect", bias=False)
    torch.nn.init.constant_(network.weight, 1 / 15**2)
    return network


TUNED = FineTune.of(average(), **QUICK)


def spots(flux, places, side=48):
    """Return an image of round spots of 1.5 pixels."""
    image = np.zeros((side, side))
    for place in places:
        image[place] = flux
    return gaussian_filter(image, 1.5)


def problem(data, noise):
    data = torch.as_tensor(np.asarray(data, np.float32))[None, None]
    return Problem(data, Identity(), noise, torch.ones_like(data))


def run(x, outcome=Outcome.NO_IMPROVEMENT):
    for index in range(3):
        yield Iterate(index, x, torch.tensor(1.0), 0.5, outcome if index == 2 else None, note="A note.")


@pytest.fixture(params=["DIP", "PKN", "FineTune", "NonLocalBayes"])
def method(request, tiny):
    fit = replace(tiny, iterations=3, stopping="held-out", postfilter=False)
    strong = NonLocalBayes(strength=3.0)
    return {"DIP": fit, "PKN": SMOOTH, "FineTune": TUNED, "NonLocalBayes": strong}[request.param]


@pytest.fixture
def data(random):
    return random.normal(spots(900, [(12, 12), (30, 36)]), 10)


def test_the_answer_contains_the_sources_and_says_how_many():
    data = np.random.default_rng(9).normal(spots(900, [(12, 12), (30, 36)]), 10)
    x = torch.zeros(1, 1, 48, 48)
    told = problem(data, GaussianNoise(10.0))
    *before, answer = refined(run(x), lambda iterate: with_sources(told, iterate))
    assert all(one.outcome is None and torch.equal(one.x, x) for one in before)
    assert answer.note == "A note. 2 faint sources were too weak in the restored image, and were put back."
    assert torch.equal(answer.x, answer.sources)
    assert float(answer.x.sum()) == pytest.approx(1800, rel=0.2)


def test_an_answer_that_lacks_nothing_is_left_as_it_is(random):
    data, x = random.normal(0, 10, (48, 48)), torch.zeros(1, 1, 48, 48)
    *_, answer = run(x)
    assert finished(with_sources(problem(data, GaussianNoise(10.0)), answer)) is answer


def test_correlated_noise_has_no_measurable_sources(random):
    white = random.normal(0, 10, (96, 96))
    for image, measurable in ((white, True), (gaussian_filter(white, 1), False)):
        assert sources_measurable(problem(image, GaussianNoise(10.0))) is measurable


def test_sources_are_given_in_grey_levels_and_can_be_switched_off(method, data):
    far, task = 5000 + 40 * data, Denoise(GaussianNoise(400.0))
    plain = restore(far, task, replace(method, recover_sources=False))
    assert plain.recovered_sources is None
    found = restore(far, task, method)
    assert found.recovered_sources.shape == data.shape
    assert found.recovered_sources.dtype == np.float32
    np.testing.assert_allclose(found.image - plain.image, found.recovered_sources, atol=0.1)
    assert found.recovered_sources[12, 12] > 200
    assert "put back" in found.frames[0].note
    near = restore(data, TOLD, method)
    np.testing.assert_allclose(found.recovered_sources, 40 * near.recovered_sources, rtol=0.02, atol=2)


def test_channels_and_frames_have_sources_of_their_own(method, random):
    data = random.normal(0, 10, (2, 48, 48))
    data[1] += spots(1500, [(20, 20)])
    for options in ({"axes": "CYX"}, {"axes": "TYX"}):
        found = restore(data, TOLD, method, **options).recovered_sources
        assert found.shape == data.shape
        assert found[1, 20, 20] > 5


@pytest.mark.parametrize("method", [SMOOTH, PKN(), TUNED], ids=["smooth", "network", "tuned"])
def test_a_blank_field_gets_nothing_back(method):
    fields = [np.random.default_rng(seed).normal(100, 10, (48, 48)) for seed in range(20)]
    found = [restore(field, TOLD, method).recovered_sources for field in fields]
    assert sum(one is not None for one in found) <= 1


def test_a_dark_field_of_unknown_noise_gets_nothing_back():
    """Its few photons make bright peaks that normal noise would hardly ever make."""
    fields = [np.random.default_rng(seed).poisson(0.5, (64, 64)).astype(float) for seed in range(20)]
    found = [restore(field, Denoise(), SMOOTH).recovered_sources for field in fields]
    assert sum(one is not None for one in found) <= 1


@pytest.mark.parametrize(
    ("noise", "changes"),
    [(LaplaceNoise(10.0), {}), (GaussianNoise(10.0), {"stopping": "max-iterations"})],
    ids=["outliers", "no held-out pixels"],
)
def test_a_fit_does_not_use_it_where_it_can_not_tell_sources(noise, changes, tiny, data):
    fit = replace(tiny, **{"iterations": 3, "stopping": "held-out", "postfilter": False, **changes})
    assert restore(data, Denoise(noise), fit).recovered_sources is None


def test_only_missing_pixels_that_are_wanted_hold_no_sources(tiny, data):
    missing = np.zeros(data.shape, bool)
    missing[10:14, 10:14] = True
    task = Inpaint(noise=GaussianNoise(10.0))
    assert restore(data, task, replace(tiny, iterations=3), missing=missing).recovered_sources is None


def test_the_output_of_a_network_stays_unchanged_if_that_is_asked_for(data):
    result = restore(data, TOLD, replace(TUNED, action="network"))
    assert result.recovered_sources is None
    assert np.array_equal(result.image, result.network_output)


@pytest.mark.parametrize("task", [TOLD, Denoise()], ids=["told", "measured"])
def test_another_strength_puts_back_what_a_run_with_it_does(task, data):
    again = Refilter(data, task, SMOOTH)
    for strength in (0.0, 1.0, 3.0):
        wanted = restore(data, task, replace(SMOOTH, strength=strength))
        ((_, image),) = again.restored(strength)
        assert np.array_equal(image, wanted.image)
        assert (wanted.recovered_sources is None) == (strength == 0)


def test_a_strength_that_is_outdated_is_shown_without_sources(data):
    ((_, image),) = Refilter(data, TOLD, SMOOTH).restored(3.0, lambda: True)
    assert np.array_equal(image, restore(data, TOLD, replace(SMOOTH, recover_sources=False)).image)


def test_edited_maps_get_sources_back(data):
    maps = {"width": np.full(data.shape, 4.0)}
    result = restore(data, TOLD, PKN(kernel="isotropic"), parameter_maps=maps)
    assert result.recovered_sources[12, 12] > 5
    ((_, image),) = Refilter(data, TOLD, PKN(kernel="isotropic"), parameter_maps=maps).restored(1.0)
    assert np.array_equal(image, result.image)


def test_all_of_what_a_network_learnt_puts_back_what_the_run_did():
    data = np.random.default_rng(0).normal(spots(900, [(12, 12), (30, 36)]), 10)
    method = replace(TUNED, action="fine-tuning", iterations=10, learning_rate=1e-3)
    result = restore(data, TOLD, method, device="cpu")
    assert result.recovered_sources is not None
    ((_, image),) = Readapt(data, TOLD, method, result.states, device="cpu").restored(1.0)
    assert np.array_equal(image, result.image)


def test_a_stopped_run_puts_nothing_back(data):
    stop = Event()
    stop.set()
    assert restore(data, TOLD, TUNED, stopping_rule=StopRequested(stop)).recovered_sources is None
