import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_dip.errors import RestorationError
from napari_dip.optim.iterate import Outcome
from napari_dip.pkn import objectives, trainer
from napari_dip.pkn.degradations import Noisy, degradation
from napari_dip.pkn.filter import Filter
from napari_dip.pkn.kernels.bilateral import Bilateral
from napari_dip.pkn.kernels.gaussian import Anisotropic, Isotropic
from napari_dip.pkn.kernels.registry import kernel_of
from napari_dip.pkn.network import ParameterNetwork
from napari_dip.pkn.objectives import Objective, self_supervised, supervised
from napari_dip.pkn.observation import Observation
from napari_dip.pkn.predictors import Constant
from napari_dip.pkn.trainer import train
from napari_dip.synthetic.images import synthetic_image


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    """Make a training last milliseconds."""
    for name, value in {"_SETTING_ITERATIONS": 5, "_EVERY": 4}.items():
        monkeypatch.setattr(trainer, name, value)
    for name, value in {"_SIDE": 32, "_BATCH": 2, "_VALIDATION": 4}.items():
        monkeypatch.setattr(objectives, name, value)


@pytest.fixture
def images():
    return [torch.from_numpy(synthetic_image(0, at, 64)).float() for at in range(3)]


def finished(training):
    """Return the steps with updates of the network, and the trained network."""
    steps = []
    while True:
        try:
            steps.append(next(training))
        except StopIteration as end:
            return [step for step in steps if step.index >= 0], end.value


def score(objective, kernel, predictor):
    tried = Filter(kernel, predictor)
    with torch.no_grad():
        return np.mean([one(tried(observation)) for observation, one in objective.validation])


def with_one_sample(objective):
    """Return an objective that always draws the same examples: others would be easier or harder."""
    same = objective.sample(torch.Generator().manual_seed(0))
    return same, replace(objective, sample=lambda _: same)


@pytest.mark.parametrize("name", ["anisotropic", "reblur", "upsample"])
def test_updates_lower_the_loss(name, images):
    kernel = kernel_of(name)
    _, objective = with_one_sample(supervised(degradation(kernel), images, images))
    steps, trained = finished(train(kernel, objective, iterations=12))
    assert steps[-1].outcome is Outcome.MAX_ITERATIONS
    assert [step.index for step in steps] == [*range(12), 11]
    assert steps[-1].loss < 0.97 * steps[0].loss
    assert trained.metadata["iterations"] == 12


def test_the_network_starts_from_the_best_constant_setting(images, monkeypatch):
    monkeypatch.setattr(trainer, "_SETTING_ITERATIONS", 40)
    kernel = Isotropic()
    objective = supervised(Noisy(50.0, 60.0), images, images)
    steps, trained = finished(train(kernel, objective, iterations=1))
    assert float(trained.setting) > 1.3 * float(kernel.default())  # strong noise needs a wide filter
    assert steps[0].local == pytest.approx(steps[0].single)
    best = score(objective, kernel, Constant(kernel, trained.setting))
    assert best > score(objective, kernel, Constant(kernel))
    assert steps[-1].single == pytest.approx(best, abs=0.01)


def test_the_best_weights_are_kept(images):
    """Here each update makes the network worse."""
    kernel = Anisotropic()
    objective = supervised(Noisy(), images, images)

    def worse(generator):
        inputs, loss = objective.sample(generator)
        return inputs, lambda outputs: -loss(outputs)

    steps, trained = finished(train(kernel, replace(objective, sample=worse), iterations=12))
    scores = [step.local for step in steps[:-1] if step.local is not None]
    assert len(scores) == 3
    assert scores[-1] < scores[0]
    assert steps[-1].local == max(scores)
    assert score(objective, kernel, trained.network) == pytest.approx(max(scores), abs=1e-3)


def test_a_stopped_training_keeps_what_was_learnt(images):
    kernel = Anisotropic()
    ((data,), loss), objective = with_one_sample(supervised(Noisy(), images, images))
    better = iter(range(100))
    objective = Objective(objective.sample, [(data, lambda _: float(next(better)))])
    # It is asked after each update, of the constant setting too.
    calls, last = iter(range(1000)), trainer._SETTING_ITERATIONS + 7
    steps, trained = finished(train(kernel, objective, iterations=1000, asked=lambda: next(calls) == last))
    assert steps[-1].outcome is Outcome.STOPPED
    assert len(steps) == 9
    assert trained.metadata["iterations"] == 7
    with torch.no_grad():
        assert float(loss(Filter(kernel, trained.network)(data))) < steps[0].loss


def test_it_pauses_after_each_update_of_the_setting_and_each_piece_of_a_validation(images):
    """A training can be stopped or cancelled there."""
    kernel, scored = Isotropic(), []
    objective = supervised(Noisy(), images, images)
    (observation, _), *_ = objective.validation
    pieces = [(observation, lambda _, at=at: scored.append(at) or 1.0) for at in range(3)]
    training = train(kernel, Objective(objective.sample, pieces), iterations=1)
    assert [next(training).index for _ in range(5)] == [-5, -4, -3, -2, -1]
    assert not scored
    for count in (1, 2, 3):
        step = next(training)
        assert len(scored) == count
        assert step.index < 0
        assert math.isnan(step.loss)
    training.close()


def test_a_seed_reproduces_the_network(images):
    kernel = Isotropic()
    objective = supervised(Noisy(), images, images)
    first, again, other = (
        finished(train(kernel, objective, iterations=3, seed=seed))[1] for seed in (1, 1, 2)
    )
    for name, value in first.network.state_dict().items():
        assert torch.equal(value, again.network.state_dict()[name])
    assert not torch.equal(first.network.first.weight, other.network.first.weight)


def test_the_initial_network_is_trained_further_and_not_modified(images):
    kernel = Isotropic()
    objective = supervised(Noisy(), images, images)
    initial = ParameterNetwork(kernel)
    initial.initialise(torch.Generator().manual_seed(5))
    initial.begin_at(torch.tensor([3.5]))
    before = {name: value.clone() for name, value in initial.state_dict().items()}
    steps, trained = finished(train(kernel, objective, iterations=2, initial_network=initial))
    assert all(torch.equal(value, before[name]) for name, value in initial.state_dict().items())
    assert steps[0].local == pytest.approx(score(objective, kernel, initial))
    assert torch.allclose(trained.network.first.weight, initial.first.weight, atol=0.01)


def test_a_loss_that_is_not_finite_is_an_error(images):
    broken = [torch.full((64, 64), torch.nan)]
    with pytest.raises(RestorationError, match="infinite or NaN"):
        finished(train(Isotropic(), supervised(Noisy(), broken, images), iterations=3))


def test_a_network_is_trained_on_a_noisy_image_with_a_hole_larger_than_its_window():
    truth = torch.from_numpy(synthetic_image(2, 0, 64)).float()[None, None]
    noise = torch.randn(truth.shape, generator=torch.Generator().manual_seed(0))
    seen = torch.ones(1, 1, 64, 64)
    seen[:, :, 5:30, 5:30] = 0
    observation = Observation(truth + 20 * noise, torch.full((1, 1, 1, 1), 20.0), seen)
    for kernel in (Anisotropic(), Bilateral()):
        steps, trained = finished(train(kernel, self_supervised(observation), iterations=6))
        assert np.isfinite([step.loss for step in steps]).all()
        assert all(value.isfinite().all() for value in trained.network.state_dict().values())
