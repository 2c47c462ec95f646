"""The run of a kernel network yields between its steps, so that it can be stopped there."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from napari_dip.methods import PKN
from napari_dip.noise.models import GaussianNoise, UnknownNoise
from napari_dip.operators import Blur, Identity, Resample
from napari_dip.optim.iterate import Outcome
from napari_dip.optim.stopping import StoppingRule
from napari_dip.pkn import run as runs
from napari_dip.pkn.kernels import base as tiles
from napari_dip.pkn.network import ParameterNetwork
from napari_dip.problem import Problem
from napari_dip.psf.models import GaussianPSF

SIZE, TILES = (24, 30), 6
CONSTANT = PKN(kernel="isotropic", predictor="constant", recover_sources=False)


@dataclass(frozen=True)
class StopAt(StoppingRule):
    """Stops when it is shown its n-th iterate, counted from 0."""

    n: int

    def start(self):
        shown = iter(range(1000))
        return lambda _: Outcome.STOPPED if next(shown) == self.n else None


def denoising(random, noise=GaussianNoise(20.0), operator=None, missing=None):  # noqa: B008  it is frozen
    data = torch.from_numpy(100 + random.normal(0, 20, (1, 1, *SIZE))).float()
    weights = torch.ones_like(data)
    if missing is not None:
        weights[:, :, *missing] = 0
    return Problem(data, operator or Identity(), noise, weights)


@pytest.fixture
def in_steps(monkeypatch):
    """Take a small image for a large one, and filter it in six tiles."""
    monkeypatch.setattr(runs, "_AT_ONCE", 0)
    monkeypatch.setattr(runs, "_VIEWS", TILES)
    monkeypatch.setattr(tiles, "_TILE", 15 * 8)


@pytest.fixture
def whole(random, in_steps):
    """The problem of denoising an image, and the image denoised without a pause."""
    problem = denoising(random)
    return problem, CONSTANT.filtering(problem).image()[0]


def test_a_small_image_gives_nothing_but_the_answer(random):
    for noise in (GaussianNoise(20.0), UnknownNoise()):
        (answer,) = PKN().solve(denoising(random, noise))
        assert answer.outcome is Outcome.COMPUTED
        assert answer.index == 1
        assert not answer.note


def test_the_image_appears_tile_by_tile_and_ends_as_at_once(whole):
    problem, expected = whole
    *unfinished, answer = CONSTANT.solve(problem)
    assert torch.equal(answer.x, expected)
    assert answer.outcome is Outcome.COMPUTED
    assert {(one.index, one.outcome) for one in unfinished} == {(0, None)}
    filtered = [int((one.x == expected).sum()) for one in unfinished]
    assert filtered[0] == 0
    assert torch.equal(unfinished[0].x, problem.data)
    assert filtered[1 - TILES :] == [n * expected.numel() // TILES for n in range(1, TILES)]
    assert unfinished[-1].note == "Filtering: 83% of the image is done."


def test_iterates_are_not_modified_later(whole):
    run = CONSTANT.solve(whole[0])
    kept = [(one.x, one.x.clone()) for one in run]
    assert all(torch.equal(x, copy) for x, copy in kept)


def test_the_unfinished_image_is_copied_a_few_times_only(whole, monkeypatch):
    monkeypatch.setattr(runs, "_VIEWS", 2)
    *unfinished, _ = CONSTANT.solve(whole[0])
    assert len({one.x.data_ptr() for one in unfinished}) == 2


def test_a_stopped_run_says_what_is_missing(whole):
    problem, expected = whole
    count = len(list(CONSTANT.solve(problem)))
    *_, answer = CONSTANT.solve(problem, stopping_rule=StopAt(count - 3))
    assert answer.outcome is Outcome.STOPPED
    assert answer.index == 0
    assert answer.note == "Only 67% of the image was filtered; the rest is the image as it was measured."
    done = answer.x == expected
    assert int(done.sum()) == 4 * expected.numel() // TILES
    assert torch.equal(answer.x[~done], problem.data[~done])
    assert not answer.maps


def test_a_run_that_is_stopped_at_once_gives_the_data(whole):
    problem, _ = whole
    (answer,) = CONSTANT.solve(problem, stopping_rule=StopAt(0))
    assert answer.outcome is Outcome.STOPPED
    assert answer.note == "Nothing was filtered: this is the image as it was measured."
    assert torch.equal(answer.x, problem.data)


def test_a_stop_after_the_last_tile_keeps_the_finished_image(whole):
    """It tells a series to go no further."""
    problem, expected = whole
    count = len(list(CONSTANT.solve(problem)))
    *_, answer = CONSTANT.solve(problem, stopping_rule=StopAt(count - 1))
    assert answer.outcome is Outcome.STOPPED
    assert answer.index == 1
    assert torch.equal(answer.x, expected)


def test_a_stop_during_the_search_for_sources_keeps_the_filtered_image(random, in_steps):
    problem, method = denoising(random), replace(CONSTANT, recover_sources=True)
    steps = [one.note for one in method.solve(problem)]
    searching = steps.index("Looking for faint sources.")
    *_, answer = method.solve(problem, stopping_rule=StopAt(searching + 1))
    assert answer.outcome is Outcome.STOPPED
    assert answer.index == 1
    assert torch.equal(answer.x, CONSTANT.filtering(problem).image()[0])


def test_it_can_be_stopped_before_the_noise_is_measured(random, in_steps, monkeypatch):
    measured = []
    monkeypatch.setattr("napari_dip.pkn.observe.estimating", lambda *_, **__: measured.append(1))
    run = CONSTANT.solve(denoising(random, UnknownNoise()))
    assert next(run).note == "Measuring the noise."
    run.close()
    assert not measured


def test_it_can_be_stopped_between_strips_of_the_network(random, in_steps, monkeypatch):
    strips = [torch.zeros(1, 3, 2, 8)] * 3
    monkeypatch.setattr(ParameterNetwork, "strips", lambda *_: iter(strips))
    notes = [one.note for one in PKN().solve(denoising(random))]
    assert notes.count("Predicting the parameters.") == 1 + 3


def test_what_the_user_does_between_two_iterates_has_gradients(whole):
    for _ in CONSTANT.solve(whole[0]):
        assert torch.is_grad_enabled()


@pytest.mark.parametrize(
    ("operator", "method"),
    [
        (
            Blur(torch.from_numpy(GaussianPSF(1.5).kernel(2)).float()),
            PKN(kernel="reblur", predictor="constant"),
        ),
        (Resample((2, 2)), PKN(predictor="constant")),
    ],
    ids=["deconvolution", "super-resolution"],
)
def test_unfinished_images_have_the_shape_of_the_restored_one(operator, method, random, in_steps):
    iterates = list(method.solve(denoising(random, operator=operator)))
    assert len(iterates) > TILES
    assert len({one.x.shape for one in iterates}) == 1


def test_unfinished_images_are_finite_where_nothing_is_in_reach(random, in_steps):
    """A hole that is larger than the window, whose middle is filled when the last tile is done."""
    problem = denoising(random, missing=np.s_[4:20, 4:22])
    maps = {"width": torch.full(SIZE, 4.0)}
    with pytest.warns(UserWarning, match="have no observed pixel within reach"):
        iterates = list(PKN(kernel="isotropic").solve(problem, parameter_maps=maps))
    assert len(iterates) > TILES
    assert all(one.x.isfinite().all() for one in iterates)
