from itertools import islice, repeat

import pytest
import torch
from torch import nn

from napari_dip.optim.fit import cosine_decay, fit, noisy_inputs


@pytest.fixture
def line():
    network = nn.Linear(1, 1)
    nn.init.zeros_(network.weight)
    nn.init.zeros_(network.bias)
    return network


def test_the_first_iterate_is_the_network_as_given(line):
    z = torch.ones(1, 1)
    first = next(fit(line, repeat(((z,), torch.square)), learning_rate=0.1))
    assert first.index == 0
    assert torch.equal(first.x, line(z).detach())


def test_it_minimises_the_energy(line):
    z = torch.tensor([[2.0]])
    iterates = fit(line, repeat(((z,), lambda x: (x - 3).square().mean())), learning_rate=0.1)
    *_, last = islice(iterates, 300)
    assert float(last.x) == pytest.approx(3, abs=1e-3)
    assert last.index == 299


def test_it_ends_with_its_samples_and_never_changes_an_iterate_later(line):
    z = torch.ones(1, 1)
    iterates = list(fit(line, [((z,), lambda x: (x - 1).square().mean())] * 3, learning_rate=0.1))
    assert [iterate.index for iterate in iterates] == [0, 1, 2]
    assert float(iterates[0].x) == 0
    assert not any(iterate.x.requires_grad for iterate in iterates)


def test_each_sample_has_its_own_energy(line):
    targets = (torch.tensor([[t]]) for t in (1.0, 5.0))
    samples = [((torch.ones(1, 1),), lambda x, t=t: (x - t).square().mean()) for t in targets]
    assert [float(iterate.loss) for iterate in fit(line, samples, learning_rate=1e-9)] == pytest.approx(
        [1, 25]
    )


def test_input_noise_has_the_given_standard_deviation_and_comes_from_the_generator():
    z = torch.full((1, 2, 50, 50), 5.0)
    first, second = (noisy_inputs(z, 0.3, torch.square, torch.Generator().manual_seed(1)) for _ in range(2))
    (one,), energy = next(first)
    assert float((one - z).std()) == pytest.approx(0.3, rel=0.05)
    assert energy is torch.square
    assert torch.equal(one, next(second)[0][0])
    assert not torch.equal(one, next(first)[0][0])
    assert torch.equal(z, torch.full_like(z, 5.0))


def test_without_input_noise_the_input_is_z_itself():
    z = torch.ones(1, 1, 4, 4)
    assert next(noisy_inputs(z, 0.0, torch.square, torch.Generator()))[0][0] is z


def test_it_learns_whatever_the_callers_gradient_mode(line):
    with torch.no_grad():
        iterates = fit(
            line, repeat(((torch.ones(1, 1),), lambda x: (x - 3).square().mean())), learning_rate=0.1
        )
        *_, last = islice(iterates, 20)
        assert not torch.is_grad_enabled()
    assert float(last.x) > 1


def test_a_cosine_decay_falls_from_the_rate_to_zero():
    rate = cosine_decay(0.4, 10)
    assert [rate(index) for index in (0, 5, 10)] == pytest.approx([0.4, 0.2, 0])
