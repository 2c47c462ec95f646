import pytest
import torch

from napari_dip.noise import Gaussian, Unknown
from napari_dip.operators import Identity
from napari_dip.problem import Problem


@pytest.fixture
def problem(generator):
    data = torch.randn(1, 3, 20, 30, generator=generator)
    weights = (torch.rand(1, 1, 20, 30, generator=generator) < 0.7).float()
    return Problem(data, Identity(), Gaussian(1.0), weights)


def test_split_deals_out_the_observed_pixels(problem, generator):
    fitted, held_out = problem.split(0.1, generator)
    assert torch.equal(fitted.weights + held_out.weights, problem.weights)
    assert not (fitted.weights * held_out.weights).any()
    assert int(held_out.weights.sum()) == round(0.1 * int(problem.weights.sum()))


def test_split_holds_out_at_least_one_pixel(problem, generator):
    assert int(problem.split(1e-9, generator)[1].weights.sum()) == 1


def test_split_depends_on_the_generator_alone(problem):
    first, second = (problem.split(0.1, torch.Generator().manual_seed(3))[1] for _ in range(2))
    assert torch.equal(first.weights, second.weights)


def test_energy_of_the_data_themselves_is_zero(problem):
    assert float(problem(problem.data)) == 0


def test_held_out_pixels_do_not_see_the_fitted_ones(problem, generator):
    _, held_out = problem.split(0.1, generator)
    x = problem.data.clone()
    before = held_out.score(x)
    x[(held_out.weights == 0).expand_as(x)] += 100
    assert held_out.score(x) == before


def test_a_pixel_is_observed_where_any_channel_is():
    weights = torch.zeros(1, 2, 2, 2)
    weights[0, 1, 0, 0] = 1
    problem = Problem(torch.zeros(1, 2, 2, 2), Identity(), Unknown(), weights)
    assert problem.observed.sum() == 1
    assert problem.grid.shape == (2, 2)
