import pytest
import torch

from napari_dip import GaussianNoise, SuperResolve
from napari_dip.finetuning import tuner as module
from napari_dip.finetuning.restorer import Restorer
from napari_dip.finetuning.sampler import PatchSampler
from napari_dip.finetuning.tuner import Tuner
from napari_dip.optim.iterate import Outcome
from napari_dip.problem import Problem
from napari_dip.steps import finished


@pytest.fixture
def tuner(upsampler):
    task = SuperResolve(factor=2)
    data = torch.rand((1, 1, 24, 24), generator=torch.Generator().manual_seed(0)) * 255
    problem = Problem(data, task.operator((24, 24)), GaussianNoise(5.0), torch.ones_like(data))
    sampler = PatchSampler(problem, torch.tensor(5.0))
    restorer = Restorer(upsampler(2), 2, sampler.mapping)
    made = Tuner(restorer, sampler, "plain", torch.Generator().manual_seed(0))
    finished(made.prepare())
    return made


def weights_of(tuner):
    return tuner._restorer.weights


def same(first, second):
    return all(torch.equal(value, second[name]) for name, value in first.items())


@pytest.mark.parametrize("pieces", [1, 12, None])
def test_the_choice_of_a_step_size_changes_no_weight(tuner, pieces):
    before, choice = weights_of(tuner), tuner.choose_rate()
    if pieces is None:
        assert finished(choice) in module.RATES
    else:
        for _ in range(pieces):
            next(choice)
        choice.close()
    assert same(weights_of(tuner), before)


@pytest.mark.parametrize("end", [None, 8])
def test_the_weights_with_the_lowest_score_are_kept(tuner, end):
    """This holds too if fine-tuning is closed before its end."""
    seen, updates = {}, tuner.iterate(11, 1e-4)
    for update in updates:
        if update is not None:
            seen[update.index] = weights_of(tuner), update.score
            if update.index == end:
                break
    updates.close()
    assert tuner.outcome is (Outcome.MAX_ITERATIONS if end is None else None)
    scores = {index: score for index, (_, score) in seen.items() if score is not None}
    assert list(scores) == [0, 5, 10][: 3 if end is None else 2]
    if tuner.best in scores:
        assert min(scores, key=scores.get) == tuner.best
        assert same(weights_of(tuner), seen[tuner.best][0])
    else:
        assert tuner.best == 11
        assert tuner.score < min(scores.values())


def test_without_progress_fine_tuning_ends(tuner, monkeypatch):
    monkeypatch.setattr(module, "_PATIENCE", 7)
    before = weights_of(tuner)
    indices = [update.index for update in tuner.iterate(50, 1.0) if update is not None]
    assert (tuner.best, tuner.outcome) == (0, Outcome.RISK)
    assert indices == list(range(7))
    assert same(weights_of(tuner), before)


def test_a_loss_that_is_not_finite_ends_fine_tuning(tuner):
    before = weights_of(tuner)
    tuner._objectives = [lambda _: ((tuner._sampler.whole.shown,), lambda x: (x * torch.nan).mean())]
    assert [update for update in tuner.iterate(50, 1e-4) if update is not None] == []
    assert tuner.outcome is Outcome.DIVERGED
    assert same(weights_of(tuner), before)
