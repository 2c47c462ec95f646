from dataclasses import replace
from pathlib import Path
from runpy import run_path

import numpy as np
import pytest
import torch

from napari_dip import (
    GaussianNoise,
    GaussianPSF,
    LaplaceNoise,
    PoissonGaussianNoise,
    PoissonNoise,
    UnknownNoise,
)
from napari_dip.dip import initial_estimate as module
from napari_dip.dip.initial_estimate import plain_estimate
from napari_dip.operators import Blur, Identity, Resample
from napari_dip.problem import Problem

#: The example of the documentation: an operator whose data are no image.
Radon = run_path(str(Path(__file__).parents[2] / "docs" / "radon.py"))["Radon"]


def problem(data, operator=None, noise=None, weights=None):
    data = torch.from_numpy(np.asarray(data, np.float32).copy())[None]
    weights = torch.ones_like(data[:, :1]) if weights is None else torch.as_tensor(weights)[None].float()
    return Problem(data, operator or Identity(), noise or UnknownNoise(), weights)


def steps(problem):
    """Return what the estimate yields, and the estimate."""
    work, found = module.initial_estimate(problem), []
    while True:
        try:
            found.append(next(work))
        except StopIteration as end:
            return found, end.value


def initial_estimate(problem):
    return steps(problem)[1]


def psnr(image, truth):
    truth = np.asarray(truth)
    return float(10 * np.log10(np.ptp(truth) ** 2 / np.mean((np.asarray(image) - truth) ** 2)))


BLUR = Blur(torch.from_numpy(GaussianPSF(3.0).kernel(2)))


@pytest.mark.parametrize("operator", [Identity(), BLUR], ids=["identity", "blur"])
def test_pixels_without_weight_have_no_influence(operator, phantom, random):
    weights = random.random((1, 64, 64)) > 0.3
    weights[:, 10:20, 30:50] = False
    first, second = (
        initial_estimate(problem(np.where(weights, phantom, hidden), operator, weights=weights))
        for hidden in (0.0, 1e5)
    )
    assert torch.equal(first, second)


def test_each_channel_has_its_own_missing_pixels(phantom, random):
    weights = random.random((2, 64, 64)) > 0.3
    data = np.stack([phantom, phantom / 2])
    first, second = (
        initial_estimate(problem(np.where(weights, data, hidden), weights=weights)) for hidden in (0.0, 1e5)
    )
    assert torch.equal(first, second)
    assert psnr(first[0, 0], phantom) > 25


@pytest.mark.parametrize(
    "shape", [(1, 24, 40), (2, 5, 24, 20), (1, 1, 30), (1, 30, 1), (2, 30, 1), (1, 1, 1, 30), (2, 4, 1, 9)]
)
@pytest.mark.parametrize("noise", [UnknownNoise(), LaplaceNoise(10.0)], ids=["unknown", "outliers"])
def test_it_has_the_shape_of_the_data(shape, noise, random):
    estimate = initial_estimate(problem(random.normal(100, 20, shape), noise=noise))
    assert estimate.shape == (1, *shape)
    assert estimate.dtype == torch.float32
    assert estimate.isfinite().all()


def test_axes_are_not_swapped():
    """A ramp along one axis only, of each shape that is not square."""
    ramp = np.broadcast_to(np.linspace(0, 200, 40, dtype=np.float32), (24, 40))
    line = ramp[:1]
    shapes = (ramp[None], ramp.T[None], np.stack([ramp] * 3), np.stack([ramp] * 6)[None])
    for data in (*shapes, line[None], line.T[None], np.stack([line.T] * 3), line[None, None]):
        np.testing.assert_allclose(initial_estimate(problem(data))[0], data, atol=5)


@pytest.mark.parametrize(
    ("operator", "noise", "decibels"),
    [
        (Identity(), GaussianNoise(25.0), 6),
        (Identity(), UnknownNoise(), 6),
        (Identity(), PoissonNoise(gain=4.0), 5),
        (Identity(), PoissonGaussianNoise(gain=3.0, read_noise=10.0), 5),
        (Identity(), LaplaceNoise(25.0), 4),
    ],
    ids=lambda value: type(value).__name__,
)
def test_it_comes_closer_to_the_truth_than_the_data(operator, noise, decibels, phantom, generator):
    drawn = GaussianNoise(25.0) if isinstance(noise, UnknownNoise) else noise
    noisy = drawn.sample(torch.as_tensor(phantom), generator)
    estimate = initial_estimate(problem(noisy[None], operator, noise))[0, 0]
    assert psnr(estimate, phantom) > psnr(noisy, phantom) + decibels


def test_colours_come_closer_to_the_truth(phantom, random):
    truth = np.stack([phantom, phantom[::-1], phantom.T])
    noisy = truth + random.normal(0, 25, truth.shape)
    assert psnr(initial_estimate(problem(noisy))[0], truth) > psnr(noisy, truth) + 5


def test_volumes_come_closer_to_the_truth(phantom, random):
    truth = np.stack([phantom[:40, :40]] * 8)
    noisy = truth + random.normal(0, 25, truth.shape)
    assert psnr(initial_estimate(problem(noisy[None]))[0, 0], truth) > psnr(noisy, truth) + 5


@pytest.mark.parametrize(
    "noise", [PoissonNoise(), PoissonNoise(gain=2.0, offset=50.0), PoissonGaussianNoise(read_noise=3.0)]
)
def test_few_photons_and_levels_below_the_offset_stay_finite(noise, random):
    data = random.poisson(0.3, (1, 24, 30)) + random.normal(0, 3, (1, 24, 30))
    assert initial_estimate(problem(data, noise=noise)).isfinite().all()


def test_pixels_far_from_any_observed_one_are_filled(phantom):
    weights = np.zeros((1, 64, 64))
    weights[0, :3, :3] = 1
    estimate = initial_estimate(problem(phantom[None], weights=weights))
    assert estimate.isfinite().all()
    assert (
        phantom[:3, :3].min() - 1
        <= float(estimate.min())
        <= float(estimate.max())
        <= phantom[:3, :3].max() + 1
    )


@pytest.mark.parametrize("channels", [1, 3])
def test_behind_a_blur_it_lies_on_the_wider_grid_of_x(channels, random):
    estimate = initial_estimate(problem(random.normal(100, 20, (channels, 30, 20)), BLUR))
    grid = tuple(n + k - 1 for n, k in zip((30, 20), BLUR.psf.shape, strict=True))
    assert estimate.shape == (1, channels, *grid)
    assert estimate.isfinite().all()


def test_it_undoes_some_of_the_blur(phantom):
    data = BLUR(torch.as_tensor(phantom)[None, None])[0]
    m = BLUR.psf.shape[0] // 2  # beyond the data little is known
    truth = phantom[m:-m, m:-m]
    estimate = initial_estimate(problem(data, BLUR))[0, 0, m:-m, m:-m]
    assert psnr(estimate, truth) > psnr(data[0], truth) + 1


def test_the_unit_of_the_grey_levels_does_not_matter(phantom, random):
    noisy = phantom[None] + random.normal(0, 25, (1, 64, 64))
    plain, scaled = (initial_estimate(problem(unit * noisy)) / unit for unit in (1, 1e4))
    torch.testing.assert_close(scaled, plain, rtol=1e-3, atol=0.1)


def test_the_problem_is_not_modified(phantom):
    made = problem(phantom[None], BLUR)
    before = made.data.clone(), made.weights.clone()
    initial_estimate(replace(made))
    assert torch.equal(made.data, before[0])
    assert torch.equal(made.weights, before[1])


def test_a_channel_without_any_pixel_does_no_harm(phantom):
    weights = np.ones((2, 64, 64))
    weights[1] = 0
    estimate = initial_estimate(problem(np.stack([phantom, phantom]), weights=weights))
    assert estimate.isfinite().all()
    assert psnr(estimate[0, 0], phantom) > 30


def test_first_the_smoothed_data_are_known_and_then_the_estimate(phantom, random):
    noisy = phantom + random.normal(0, 25, phantom.shape)
    found, estimate = steps(problem(noisy[None]))
    assert found[0] is None
    smoothed = [one for one in found if one is not None]
    assert len(smoothed) == 1
    assert psnr(smoothed[0][0, 0], phantom) > psnr(noisy, phantom) + 4
    assert not torch.equal(smoothed[0], estimate)


def test_it_can_be_stopped_between_two_batches_of_patches(phantom):
    work = module.initial_estimate(problem(phantom[None]))
    found = [next(work) for _ in range(3)]
    work.close()
    assert found == [None, None, None]


# Complete data on the grid of x.


def test_a_plain_estimate_is_the_data_where_x_has_their_pixels(phantom):
    for operator in (Identity(), BLUR):
        made = problem(phantom[None], operator)
        estimate = plain_estimate(made, made.data)
        margins = [(n - 64) // 2 for n in made.grid.shape]
        inside = tuple(slice(m, m + 64) for m in margins)
        assert estimate.shape[2:] == made.grid.shape
        assert torch.equal(estimate[(..., *inside)], made.data)


@pytest.mark.parametrize("operator", [Resample((2, 2)), Radon(range(0, 180, 4))], ids=["resample", "radon"])
def test_a_plain_estimate_explains_the_data_where_x_has_other_pixels(operator, phantom):
    data = operator(torch.as_tensor(phantom)[None, None])
    made = problem(data[0], operator)
    estimate = plain_estimate(made, made.data)
    assert estimate.shape == (1, 1, 64, 64)
    left = (operator(estimate) - data).square().mean().sqrt()
    assert left < 0.1 * data.std()


def test_a_bright_star_does_not_change_the_estimate_of_its_sky(random):
    sky = random.normal(100, 10, (1, 64, 64))
    sky[:, 10:24, 10:24] += 25
    with_star = sky.copy()
    with_star[:, 50:52, 50:52] += 60_000
    one, other = (np.asarray(initial_estimate(problem(image)))[0, :, :36, :36] for image in (sky, with_star))
    assert np.sqrt(np.mean((one - other) ** 2)) < 3
