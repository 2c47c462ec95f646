from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from napari_dip import (
    PKN,
    Deconvolve,
    Denoise,
    GaussianNoise,
    GaussianPSF,
    Inpaint,
    LaplaceNoise,
    PoissonNoise,
    Wiener,
    restore,
)
from napari_dip.errors import InputError
from napari_dip.operators import Identity
from napari_dip.optim.iterate import Iterate, Outcome
from napari_dip.problem import Problem
from napari_dip.restoration.progress import ProgressTracker
from napari_dip.restoration.refits import with_uncertainty
from napari_dip.restoration.uncertainty import REFITS


@pytest.fixture(scope="module")
def blocks():
    """Return an image with flat places, edges and a slope, and data with noise of 10."""
    random = np.random.default_rng(7)
    truth = np.kron(random.uniform(50, 200, (6, 6)), np.ones((16, 16))) + np.linspace(0, 30, 96)
    return truth, random.normal(truth, 10)


@pytest.fixture(scope="module")
def restored(blocks):
    return restore(blocks[1], Denoise(GaussianNoise(10.0)), PKN(), uncertainty=True)


def test_intervals_hold_the_truth_about_as_often_as_they_say(restored, blocks):
    truth, _ = blocks
    low, high = restored.uncertainty.interval(0.95)
    held = (low < truth) & (truth < high)
    assert 0.9 < held.mean() < 0.995
    steep = np.hypot(*np.gradient(truth)) > 5
    assert held[steep].mean() > 0.8


def test_faint_sources_that_the_image_lacks_are_covered():
    random = np.random.default_rng(11)
    points = np.zeros((128, 128))
    points[16::24, 16::24] = 1.0
    spots = gaussian_filter(points, 1.5)
    truth = 100.0 + 22.0 / spots.max() * spots
    data = random.normal(truth, 10.0)
    method = PKN(recover_sources=False)
    restored = restore(data, Denoise(GaussianNoise(10.0)), method, uncertainty=True)
    there = truth - 100.0 > 5.0
    assert np.mean((truth - restored.image)[there]) > 3.0  # a third of their light is lost
    low, high = restored.uncertainty.interval(0.95)
    held = (low < truth) & (truth < high)
    assert held[there].mean() > 0.9
    assert 0.9 < held.mean() < 0.995
    assert restored.uncertainty.standard_error[~there].mean() < 2.5


def test_an_empty_field_has_the_errors_of_refits_alone(monkeypatch):
    data = np.random.default_rng(12).normal(100.0, 10.0, (128, 128))

    def mean_error():
        found = restore(data, Denoise(GaussianNoise(10.0)), PKN(), uncertainty=True).uncertainty
        return found.standard_error.mean()

    found = mean_error()
    monkeypatch.setattr("napari_dip.restoration.refits.lost_variance", nothing_lost)
    assert found == pytest.approx(mean_error(), rel=0.03)


def nothing_lost(x, *_):
    yield
    return np.zeros_like(x)


def test_intervals_for_measurements_hold_other_data_as_often_as_they_say(restored, blocks):
    truth, _ = blocks
    other = np.random.default_rng(8).normal(truth, 10)
    for level in (0.5, 0.95):
        low, high = restored.uncertainty.measurement_interval(level)
        assert ((low < other) & (other < high)).mean() == pytest.approx(level, abs=0.06)


def test_a_level_that_so_few_pixels_can_not_tell_is_refused(restored):
    with pytest.raises(InputError, match=r"must be at most 0\.99\d+ for \d+ unseen pixels, got 0\.9999"):
        restored.uncertainty.measurement_interval(0.9999)
    with pytest.raises(InputError, match="level must lie between 0 and 1, got 95"):
        restored.uncertainty.interval(95)


def test_errors_are_in_grey_levels(blocks):
    _, data = blocks
    one, other = (
        restore(scale * data + offset, Denoise(GaussianNoise(10.0 * scale)), PKN(), uncertainty=True)
        for scale, offset in ((1, 0), (0.5, 1000))
    )
    np.testing.assert_allclose(
        other.uncertainty.standard_error, 0.5 * one.uncertainty.standard_error, rtol=1e-3
    )
    np.testing.assert_allclose(other.uncertainty.noise_std, 5.0, rtol=1e-5)


def test_noise_that_is_not_told_is_measured(blocks):
    _, data = blocks
    found = restore(data, Denoise(), PKN(), uncertainty=True).uncertainty
    assert np.median(found.noise_std) == pytest.approx(10, rel=0.2)


def test_photon_noise_has_errors_that_grow_with_brightness(blocks, random):
    truth, _ = blocks
    found = restore(random.poisson(truth), Denoise(PoissonNoise()), PKN(), uncertainty=True).uncertainty
    np.testing.assert_allclose(found.noise_std, np.sqrt(truth), rtol=0.4)


def test_frames_and_channels_have_errors_of_their_own(blocks):
    truth, _ = blocks
    random = np.random.default_rng(9)
    sigmas = np.array([5.0, 20.0])
    data = np.stack([random.normal(truth, sigma) for sigma in sigmas])
    noise_std = np.broadcast_to(sigmas[:, None, None], data.shape)
    for options in ({"axes": "TYX"}, {"axes": "CYX"}, {"axes": "CYX", "channels": "separate"}):
        found = restore(data, Denoise(), PKN(), noise_std=noise_std, uncertainty=True, **options).uncertainty
        assert found.standard_error.shape == data.shape
        np.testing.assert_allclose(found.noise_std, noise_std, rtol=1e-5)
        assert found.standard_error[1].mean() > 1.5 * found.standard_error[0].mean()


@pytest.mark.parametrize(
    ("task", "method", "shape", "reason"),
    [
        (Denoise(LaplaceNoise(10.0)), None, (48, 48), "not available for Laplace noise"),
        (Deconvolve(GaussianNoise(10.0), psf=GaussianPSF(2.0)), Wiener(), (96, 96), "for denoising only"),
        (Denoise(GaussianNoise(10.0)), PKN(), (32, 32), "at least 2000 observed pixels are needed"),
    ],
    ids=["outliers", "blur", "small"],
)
def test_what_has_no_uncertainty_says_why(task, method, shape, reason, blocks, tiny):
    method = method or tiny
    part = blocks[1][tuple(slice(n) for n in shape)]
    result = restore(part, task, method, uncertainty=True)
    assert result.uncertainty is None
    assert "No uncertainty can be given: " in result.frames[0].note
    assert reason in result.frames[0].note
    np.testing.assert_array_equal(result.image, restore(part, task, method).image)


def test_an_inpainted_image_says_that_it_has_none(blocks, random, tiny):
    part = blocks[1][:48, :48]
    missing = random.random(part.shape) < 0.1
    result = restore(part, Inpaint(), tiny, missing=missing, uncertainty=True)
    assert result.uncertainty is None
    assert "No uncertainty can be given" in result.frames[0].note


def problem(data):
    data = torch.as_tensor(np.asarray(data, np.float32))[None, None]
    return Problem(data, Identity(), GaussianNoise(10.0), torch.ones_like(data))


class Solver:
    """Answers with the mean of what it sees, and keeps what it was asked."""

    def __init__(self, outcomes=()):
        self.problems, self.seeds, self.outcomes = [], [], list(outcomes)

    def __call__(self, problem, *, seed, initial_state):
        self.problems.append(problem)
        self.seeds.append(seed)
        outcome = self.outcomes.pop(0) if self.outcomes else Outcome.COMPUTED
        x = torch.full_like(problem.data, float((problem.data * problem.weights).mean()))
        yield Iterate(0, x, torch.tensor(0.0))
        yield Iterate(1, x, torch.tensor(0.0), outcome=outcome, note="A note.")
        return {"weights": torch.tensor(seed)}


def run(solver, data):
    steps, iterates = with_uncertainty(solver, problem(data), seed=3, initial_state=None), []
    try:
        while True:
            iterates.append(next(steps))
    except StopIteration as end:
        return iterates, end.value


def test_no_run_sees_the_pixels_that_calibrate(random):
    solver = Solver()
    (*before, answer), state = run(solver, random.normal(100, 10, (64, 64)))
    assert len(solver.problems) == 1 + REFITS
    assert len({float(one.weights.sum()) for one in solver.problems}) == 1
    hidden = answer.unseen.pixels
    assert 0.04 < float(hidden.float().mean()) < 0.06
    assert all(float(one.weights[hidden].sum()) == 0 for one in solver.problems)
    assert len(answer.errors.scores) == int(hidden.sum())
    assert all(one.outcome is None for one in before)
    assert solver.seeds == [3, 4, 5]
    assert state == {"weights": torch.tensor(3)}


def test_it_says_what_it_does_meanwhile_and_its_index_counts_on(random):
    (*before, answer), _ = run(Solver(), random.normal(100, 10, (64, 64)))
    assert [one.index for one in before] == [0, 1, 2, 2, 3]
    assert [one.note for one in before[1:]] == [
        f"The uncertainty is being measured on simulated data ({at} of 2)." for at in (1, 1, 2, 2)
    ]
    assert all(bool(one.loss.isnan()) for one in before[1:])
    assert (answer.index, answer.note) == (1, "A note.")
    tracker = ProgressTracker(SimpleNamespace(max_iterations=1, time_limit=None), uncertainty=True)
    assert [tracker.at(one).completed for one in (*before, answer)] == [0, 1, 2, 2, 3, 3]
    assert tracker.total == 3


def test_refits_are_made_of_simulated_data_of_the_answer(random):
    solver = Solver()
    data = random.normal(100, 10, (64, 64))
    (*_, answer), _ = run(solver, data)
    for simulated in solver.problems[1:]:
        noise = (simulated.data - answer.x).numpy()
        assert noise.std() == pytest.approx(10, rel=0.1)
        assert abs(np.corrcoef(noise.ravel(), data.ravel())[0, 1]) < 0.06


@pytest.mark.parametrize("outcomes", [[Outcome.STOPPED], [Outcome.COMPUTED, Outcome.STOPPED]])
def test_a_run_that_is_stopped_keeps_its_answer_and_says_that_it_has_no_uncertainty(outcomes, random):
    solver = Solver(outcomes)
    (*_, answer), _ = run(solver, random.normal(100, 10, (64, 64)))
    assert answer.outcome is outcomes[0]
    assert answer.errors is None
    assert answer.note.startswith("A note. No uncertainty can be given: the run ")
    assert len(solver.problems) == len(outcomes)


def test_the_provenance_repeats_it(restored):
    from napari_dip import Recipe

    assert restored.provenance["uncertainty"] is True
    assert "uncertainty=True" in Recipe.of(restored.provenance).python("image")
