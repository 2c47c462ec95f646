import pytest
import torch

from napari_dip.noise.models import GaussianNoise, PoissonGaussianNoise, PoissonNoise, UnknownNoise
from napari_dip.operators import Blur, Identity, Resample
from napari_dip.problem import Problem, rolled


@pytest.fixture
def problem(generator):
    data = torch.randn(1, 3, 20, 30, generator=generator)
    weights = (torch.rand(1, 1, 20, 30, generator=generator) < 0.7).float()
    return Problem(data, Identity(), GaussianNoise(1.0), weights)


def test_split_divides_the_observed_pixels(problem, generator):
    fitted, held_out = problem.split(0.1, generator)
    assert torch.equal(fitted.weights + held_out.weights, problem.weights)
    assert not (fitted.weights * held_out.weights).any()
    assert int(held_out.weights.sum()) == round(0.1 * int(problem.weights.sum()))


def test_split_holds_out_at_least_one_pixel(problem, generator):
    assert int(problem.split(1e-9, generator)[1].weights.sum()) == 1


def test_split_depends_on_the_generator_alone(problem):
    first, second = (problem.split(0.1, torch.Generator().manual_seed(3))[1] for _ in range(2))
    assert torch.equal(first.weights, second.weights)


def test_the_energy_of_the_data_themselves_is_zero(problem):
    assert float(problem(problem.data)) == 0


def test_the_score_of_held_out_pixels_ignores_the_fitted_ones(problem, generator):
    _, held_out = problem.split(0.1, generator)
    x = problem.data.clone()
    before = held_out.score(x)
    x[(held_out.weights == 0).expand_as(x)] += 100
    assert held_out.score(x) == before


def test_a_pixel_is_observed_where_any_channel_is():
    weights = torch.zeros(1, 2, 2, 2)
    weights[0, 1, 0, 0] = 1
    problem = Problem(torch.zeros(1, 2, 2, 2), Identity(), UnknownNoise(), weights)
    assert problem.observed.sum() == 1
    assert problem.grid.shape == (2, 2)


@pytest.mark.parametrize(
    "noise",
    [GaussianNoise(5.0), PoissonNoise(gain=3.0, offset=10.0), PoissonGaussianNoise(gain=2.0, read_noise=6.0)],
    ids=lambda noise: type(noise).__name__,
)
def test_the_discrepancy_of_the_truth_is_one(noise, generator):
    truth = 50 + 200 * torch.rand(1, 1, 200, 200, generator=generator)
    data = noise.sample(truth, generator)
    data[..., :50, :] = 1e6
    weights = torch.ones(1, 1, 200, 200)
    weights[..., :50, :] = 0
    problem = Problem(data, Identity(), noise, weights)
    measured = torch.full((1, 1, 1, 1), 25.0)  # the noise model knows better
    assert float(problem.discrepancy(truth, measured)) == pytest.approx(1, abs=0.05)
    assert float(problem.discrepancy(truth + 20, measured)) > 1.2


def test_each_channel_has_its_own_variance_to_reach(generator):
    sigma = torch.tensor([1.0, 100.0]).view(1, 2, 1, 1)
    data = sigma * torch.randn(1, 2, 100, 100, generator=generator)
    problem = Problem(data, Identity(), UnknownNoise(), torch.ones(1, 1, 100, 100))
    assert float(problem.discrepancy(torch.zeros_like(data), sigma**2)) == pytest.approx(1, abs=0.05)


def test_the_gain_is_one_unless_the_operator_sums_light(random):
    psf = torch.from_numpy(random.random((3, 5)))
    for operator, gain in [
        (Identity(), 1),
        (Resample((2, 3)), 1),
        (Blur(psf / psf.sum()), 1),
        (Blur(psf), psf.sum()),
    ]:
        problem = Problem(torch.zeros(1, 2, 8, 9), operator, UnknownNoise(), torch.ones(1, 1, 8, 9))
        assert problem.gain == pytest.approx(float(gain), rel=1e-5)


def test_a_rolled_problem_has_its_pixels_shifted(problem):
    moved = problem.rolled((2, -3))
    assert torch.equal(moved.data[..., 2:, :-3], problem.data[..., :-2, 3:])
    assert torch.equal(moved.weights[..., 2:, :-3], problem.weights[..., :-2, 3:])
    assert torch.equal(moved.data[..., :2, :-3], problem.data[..., -2:, 3:])
    back = moved.rolled((-2, 3))
    assert torch.equal(back.data, problem.data)
    assert torch.equal(rolled(moved.data, (-2, 3)), problem.data)


def test_without_a_shift_nothing_is_copied(problem):
    assert problem.rolled((0, 0)) is problem
    assert problem.rolled(()) is problem
    assert rolled(problem.data, (0, 0)) is problem.data


def test_a_volume_is_rolled_along_each_axis(generator):
    volume = torch.rand(1, 2, 4, 5, 6, generator=generator)
    moved = rolled(volume, (1, 0, -2))
    assert torch.equal(moved[:, :, 1:, :, :-2], volume[:, :, :-1, :, 2:])


def test_complete_data_have_the_mean_of_their_channel_at_missing_pixels(problem):
    seen = (problem.weights > 0).expand_as(problem.data)
    complete = problem.complete_data
    assert torch.equal(complete[seen], problem.data[seen])
    for channel, values, known in zip(complete[0], problem.data[0], seen[0], strict=True):
        torch.testing.assert_close(channel[~known], values[known].mean().expand(int((~known).sum())))


def test_a_channel_without_observed_pixels_is_completed_with_zeros():
    problem = Problem(torch.ones(1, 1, 2, 2), Identity(), UnknownNoise(), torch.zeros(1, 1, 2, 2))
    assert torch.equal(problem.complete_data, torch.zeros(1, 1, 2, 2))
