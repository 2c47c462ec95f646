from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_dip.errors import RestorationError
from napari_dip.optim.iterate import Outcome
from napari_dip.pkn import trainer as training
from napari_dip.pkn.degradations import Noise, degradation
from napari_dip.pkn.kernels.bilateral import Bilateral
from napari_dip.pkn.kernels.gaussian import Anisotropic, Isotropic
from napari_dip.pkn.kernels.nonlocal_means import NonLocalMeans
from napari_dip.pkn.kernels.registry import kernel_of
from napari_dip.pkn.network import ParameterNetwork
from napari_dip.pkn.observation import Observation
from napari_dip.pkn.predictors import Constant, Filter
from napari_dip.pkn.trainer import Lessons, self_supervised, supervised, train
from napari_dip.synthetic.images import picture


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    """A training of milliseconds."""
    for name, value in {"_SETTING": 5, "_SIDE": 32, "_BATCH": 2, "_EVERY": 4}.items():
        monkeypatch.setattr(training, name, value)


@pytest.fixture
def images():
    return [torch.from_numpy(picture(0, at, 64)).float() for at in range(3)]


def drained(course):
    """Return the network's steps, without those of the single setting before it, and what was trained."""
    steps = []
    while True:
        try:
            steps.append(next(course))
        except StopIteration as end:
            return [step for step in steps if step.index >= 0], end.value


def score(lessons, kernel, predictor):
    with torch.no_grad():
        return lessons.score(Filter(kernel, predictor))


def noisy(truth, sigma, seed, **parts):
    generator = torch.Generator().manual_seed(seed)
    image = truth + sigma * torch.randn(truth.shape, generator=generator)
    return Observation(
        image, torch.as_tensor(sigma).reshape(1, 1, *(np.shape(sigma) or (1, 1))).float(), **parts
    )


@pytest.mark.parametrize("name", ["isotropic", "anisotropic", "reblur", "upsample"])
def test_updates_lower_the_loss(name, images):
    """Of the same example over and over: others would be easier or harder."""
    kernel = kernel_of(name)
    lessons = supervised(kernel, degradation(kernel), images, images)
    same = lessons.examples(torch.Generator().manual_seed(0))
    steps, trained = drained(train(kernel, replace(lessons, examples=lambda _: same), iterations=12))
    assert steps[-1].outcome is Outcome.MAX_ITERATIONS
    assert [step.index for step in steps] == [*range(12), 11]
    assert steps[-1].loss < 0.97 * steps[0].loss
    assert trained.record["iterations"] == 12


def test_the_single_setting_is_fitted_first_and_the_network_begins_there(images, monkeypatch):
    monkeypatch.setattr(training, "_SETTING", 40)
    kernel = Isotropic()
    lessons = supervised(kernel, Noise(50.0, 60.0), images, images)
    steps, trained = drained(train(kernel, lessons, iterations=1))
    assert float(trained.setting) > 1.3 * float(kernel.default())  # strong noise asks for wide filters
    assert steps[0].local == pytest.approx(steps[0].single)
    best = score(lessons, kernel, Constant(kernel, trained.setting))
    assert best > score(lessons, kernel, Constant(kernel))
    assert steps[-1].single == pytest.approx(best, abs=0.01)


def test_the_score_is_the_mean_psnr_of_validation_images(images):
    kernel = Isotropic()
    lessons = supervised(kernel, Noise(20.0, 20.0 + 1e-6), images, images)
    untouched = score(lessons, kernel, Constant(kernel, torch.tensor([0.2])))
    assert untouched == pytest.approx(20 * np.log10(255 / 20), abs=0.1)


def test_what_did_best_is_kept(images):
    """Not what came last: here every update makes it worse."""
    kernel = Anisotropic()
    lessons = supervised(kernel, Noise(), images, images)

    def worse(generator):
        inputs, energy = lessons.examples(generator)
        return inputs, lambda outputs: -energy(outputs)

    steps, trained = drained(train(kernel, replace(lessons, examples=worse), iterations=12))
    scores = [step.local for step in steps[:-1] if step.local is not None]
    assert len(scores) == 3
    assert scores[-1] < scores[0]
    assert steps[-1].local == max(scores)
    assert score(lessons, kernel, trained.network) == pytest.approx(max(scores), abs=1e-3)


def test_who_asks_for_the_end_keeps_what_was_learnt(images):
    kernel = Anisotropic()
    lessons = supervised(kernel, Noise(), images, images)
    same = lessons.examples(torch.Generator().manual_seed(0))
    always_better = iter(range(100))
    lessons = Lessons(lambda _: same, lambda _: float(next(always_better)))
    count, asked_at = iter(range(1000)), training._SETTING + 7  # asked after each update, of the setting too
    steps, trained = drained(train(kernel, lessons, iterations=1000, asked=lambda: next(count) == asked_at))
    assert steps[-1].outcome is Outcome.STOPPED
    assert len(steps) == 9
    assert trained.record["iterations"] == 7
    inputs, energy = same
    with torch.no_grad():
        assert float(energy(Filter(kernel, trained.network)(*inputs))) < steps[0].loss


def test_a_seed_gives_the_same_network_again(images):
    kernel = Isotropic()
    lessons = supervised(kernel, Noise(), images, images)
    first, again, other = (drained(train(kernel, lessons, iterations=3, seed=seed))[1] for seed in (1, 1, 2))
    for name, value in first.network.state_dict().items():
        assert torch.equal(value, again.network.state_dict()[name])
    assert not torch.equal(first.network.first.weight, other.network.first.weight)


def test_a_network_that_was_trained_before_learns_on_and_is_left_as_it_is(images):
    kernel = Isotropic()
    lessons = supervised(kernel, Noise(), images, images)
    start = ParameterNetwork(kernel)
    start.initialise(torch.Generator().manual_seed(5))
    start.begin_at(torch.tensor([3.5]))
    before = {name: value.clone() for name, value in start.state_dict().items()}
    steps, trained = drained(train(kernel, lessons, iterations=2, initial_state=start))
    assert all(torch.equal(value, before[name]) for name, value in start.state_dict().items())
    assert steps[0].local == pytest.approx(score(lessons, kernel, start))
    assert torch.allclose(trained.network.first.weight, start.first.weight, atol=0.01)


def test_a_loss_that_is_no_number_ends_it(images):
    images = [torch.full((64, 64), torch.nan), *images]
    kernel = Isotropic()
    with pytest.raises(RestorationError, match="no longer a finite number"):
        drained(train(kernel, supervised(kernel, Noise(), images[:1], images[1:]), iterations=3))


@pytest.mark.parametrize("kernel", [Anisotropic(), Bilateral(), NonLocalMeans()], ids=lambda one: one.name)
@pytest.mark.parametrize("case", ["plain", "map of sigma", "missing pixels"])
def test_steins_estimate_is_the_error_on_average(kernel, case, monkeypatch):
    """Without the truth, over draws of the noise."""
    monkeypatch.setattr(training, "_CHECKED", 0.4)
    monkeypatch.setattr(training, "_BATCH", 1)
    truth = torch.from_numpy(picture(2, 0, 40)).float()[None, None]
    rows = torch.linspace(8, 25, 40)[:, None].expand(40, 40)
    sigma = rows if case == "map of sigma" else 15.0
    seen = None
    if case == "missing pixels":
        seen = (torch.rand(1, 1, 40, 40, generator=torch.Generator().manual_seed(0)) > 0.15).float()
        seen[:, :, 4:20, 4:20] = 0  # nothing in reach, in the middle
    tried = Filter(kernel, Constant(kernel))
    guessed, true = [], []
    for seed in range(40):
        observation = noisy(truth, sigma, seed, seen=seen)
        # All that is learnt from, in one part.
        generator = torch.Generator().manual_seed(seed)
        monkeypatch.setattr(training, "_SIDE", 24)
        (twice,), energy = self_supervised(observation).examples(generator)
        with torch.no_grad():
            outputs = tried(twice)
            guessed.append(float(energy(outputs)))
        clean = [
            truth[:, :, :24, left : left + 24]
            for left in range(17)
            if torch.equal(
                twice.image[:1] * (1 if seen is None else twice.seen[:1]),
                (observation.image * (1 if seen is None else seen))[:, :, :24, left : left + 24],
            )
        ]
        counts = torch.ones(1, 1, 24, 24) if seen is None else twice.seen[:1]
        error = ((outputs[:1] - clean[0]) / twice.sigma[:1]).square().where(counts > 0, 0)
        true.append(float(error.sum() / counts.sum()))
    assert np.mean(guessed) == pytest.approx(np.mean(true), abs=0.06)
    assert 0.03 < np.mean(true) < 0.7


def test_without_a_truth_it_learns_too():
    truth = torch.from_numpy(picture(2, 0, 96)).float()[None, None]
    observation = noisy(truth, 20.0, 0)
    kernel = Isotropic()
    lessons = self_supervised(observation)
    scores = [score(lessons, kernel, Constant(kernel, torch.tensor([width]))) for width in (0.2, 4.0, 1.0)]
    assert scores[0] == pytest.approx(0, abs=0.5)  # decibels by which the noise is weaker
    assert scores[2] > max(scores[:2]) + 1
    _, trained = drained(train(kernel, lessons, iterations=20))
    assert trained.record["local"] > scores[2] - 1


def test_a_hole_larger_than_the_filter_does_not_end_a_training():
    truth = torch.from_numpy(picture(2, 0, 64)).float()[None, None]
    seen = torch.ones(1, 1, 64, 64)
    seen[:, :, 5:30, 5:30] = 0
    for kernel in (Anisotropic(), Bilateral()):
        lessons = self_supervised(noisy(truth, 20.0, 0, seen=seen))
        steps, trained = drained(train(kernel, lessons, iterations=6))
        assert np.isfinite([step.loss for step in steps]).all()
        assert all(value.isfinite().all() for value in trained.network.state_dict().values())


def test_what_missing_pixels_hold_is_not_learnt_from():
    truth = torch.from_numpy(picture(2, 0, 64)).float()[None, None]
    seen = (torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(0)) > 0.2).float()
    results = []
    for hidden in (0.0, 1e4):
        observation = noisy(truth, 20.0, 0, seen=seen)
        observation = replace(observation, image=observation.image.where(seen > 0, hidden))
        steps, _ = drained(train(Bilateral(), self_supervised(observation), iterations=3))
        results.append([step.loss for step in steps])
    assert results[0] == results[1]
