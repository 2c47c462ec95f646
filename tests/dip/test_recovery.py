from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from napari_dip import Denoise, GaussianNoise, LaplaceNoise, Outcome, restore
from napari_dip.dip.recovery import recovered
from napari_dip.operators import Identity
from napari_dip.optim.iterate import Iterate
from napari_dip.problem import Problem


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


def test_the_answer_contains_the_sources_and_says_how_many():
    data = np.random.default_rng(9).normal(spots(900, [(12, 12), (30, 36)]), 10)
    x = torch.zeros(1, 1, 48, 48)
    *before, answer = recovered(run(x), problem(data, GaussianNoise(10.0)))
    assert all(one.outcome is None and torch.equal(one.x, x) for one in before)
    assert answer.note == "A note. 2 faint sources were too weak in the fit, and were put back."
    assert torch.equal(answer.x, answer.sources)
    assert float(answer.x.sum()) == pytest.approx(1800, rel=0.2)


def test_an_answer_that_lacks_nothing_is_left_as_it_is(random):
    data, x = random.normal(0, 10, (48, 48)), torch.zeros(1, 1, 48, 48)
    *_, answer = recovered(run(x), problem(data, GaussianNoise(10.0)))
    assert answer.sources is None
    assert answer.note == "A note."
    assert torch.equal(answer.x, x)


@pytest.fixture
def method(tiny):
    return replace(tiny, iterations=3, stopping="held-out", postfilter=False)


def test_sources_are_given_in_grey_levels_and_can_be_switched_off(method, random):
    data = 5000 + 40 * random.normal(spots(900, [(12, 12), (30, 36)]), 10)
    task = Denoise(GaussianNoise(400.0))
    plain = restore(data, task, replace(method, recover_sources=False))
    assert plain.recovered_sources is None
    found = restore(data, task, method)
    assert found.recovered_sources.shape == data.shape
    assert found.recovered_sources.dtype == np.float32
    np.testing.assert_allclose(found.image - plain.image, found.recovered_sources, atol=0.1)
    assert found.recovered_sources[12, 12] > 1000
    assert "put back" in found.frames[0].note


def test_channels_and_frames_have_sources_of_their_own(method, random):
    data = random.normal(0, 10, (2, 48, 48))
    data[1] += spots(1500, [(20, 20)])
    for options in ({"axes": "CYX"}, {"axes": "TYX"}):
        found = restore(data, Denoise(GaussianNoise(10.0)), method, **options).recovered_sources
        assert found.shape == data.shape
        assert found[1, 20, 20] > 40


@pytest.mark.parametrize(
    ("noise", "changes"),
    [(LaplaceNoise(10.0), {}), (GaussianNoise(10.0), {"stopping": "max-iterations"})],
    ids=["outliers", "no held-out pixels"],
)
def test_it_is_not_used_where_it_can_not_tell_sources(noise, changes, method, random):
    data = random.normal(spots(1500, [(20, 20)]), 10)
    assert restore(data, Denoise(noise), replace(method, **changes)).recovered_sources is None
