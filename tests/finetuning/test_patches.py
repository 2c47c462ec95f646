from dataclasses import replace

import pytest
import torch

from napari_dip import (
    Deconvolve,
    Denoise,
    GaussianNoise,
    GaussianPSF,
    PoissonNoise,
    SuperResolve,
    UnknownNoise,
)
from napari_dip.finetuning.patches import PatchSampler
from napari_dip.finetuning.restorer import IntensityMapping, Restorer
from napari_dip.problem import Problem

TASKS = [
    Denoise(),
    Deconvolve(psf=GaussianPSF(2.0)),
    SuperResolve(factor=2),
    SuperResolve(factor=3, downsampling="bicubic", psf=GaussianPSF(1.2)),
    SuperResolve(factor=4, psf=GaussianPSF(0.8)),
]


def problem(task, shape=(1, 1, 40, 44), seed=0):
    data = torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 255
    return Problem(data, task.operator(shape[2:]), GaussianNoise(5.0), torch.ones(1, 1, *shape[2:]))


def view(task, shape=(1, 1, 40, 44)):
    return PatchSampler(problem(task, shape), torch.tensor(5.0))


@pytest.mark.parametrize("task", TASKS, ids=str)
def test_the_whole_is_compared_as_the_problem_says(task, made):
    seen = view(task)
    restorer = Restorer(made(seen.factor), seen.factor, IntensityMapping(0, 255))
    with torch.no_grad():
        outputs = restorer(seen.whole.shown)
    x = seen.whole.x(outputs)
    assert tuple(x.shape[2:]) == seen.problem.grid.shape
    torch.testing.assert_close(seen.whole.explained(outputs), seen.problem.operator(x))


@pytest.mark.parametrize("task", TASKS, ids=str)
def test_parts_say_of_the_inside_what_the_whole_does(task, made, generator):
    """What a network of little reach makes of a part explains as much as what it makes of all."""
    seen = view(task, (1, 1, 240, 250))
    restorer = Restorer(made(seen.factor), seen.factor, IntensityMapping(0, 255))
    assert not seen.small
    part = seen.parts(generator)
    with torch.no_grad():
        explained = part.explained(restorer(part.shown))
        whole = seen.whole.explained(restorer(seen.whole.shown))
    assert explained.shape == part.data.shape
    found = 0
    for data, own in zip(part.data, explained, strict=True):
        side = data.shape[-1]
        windows = seen.problem.data[0].unfold(1, side, 1).unfold(2, side, 1)
        row, column = ((windows - data[:, None, None]).abs().amax((0, 3, 4)) == 0).nonzero()[0].tolist()
        if min(row, column) < 8 or row + side > 232 or column + side > 242:
            continue  # beyond the border the image is mirrored for one, and unknown to the other
        expected = whole[0, :, row : row + side, column : column + side]
        torch.testing.assert_close(own, expected, atol=1e-2, rtol=0)
        found += 1
    assert found


def test_an_update_costs_the_same_whatever_the_image(generator):
    sizes = [view(SuperResolve(), (1, 1, n, n)).parts(generator).shown.shape for n in (200, 500)]
    assert sizes[0] == sizes[1]


def test_missing_pixels_are_filled_and_have_no_weight():
    one = problem(Denoise())
    one.data[..., 5, 5] = 1e6
    one.weights[..., 5, 5] = 0
    seen = PatchSampler(one, torch.tensor(5.0))
    assert seen.data.max() <= 255
    assert seen.whole.weights[0, 0, 5, 5] == 0


def test_data_are_a_pair_with_themselves_made_coarser(generator):
    task = SuperResolve(factor=2, downsampling="area")
    unknown = replace(problem(task), noise=UnknownNoise())
    part, truth = PatchSampler(unknown, torch.tensor(0.0)).pair(generator)
    assert truth.shape[2] == 2 * part.data.shape[2]
    torch.testing.assert_close(task.operator(tuple(part.data.shape[2:]))(truth), part.data)


@pytest.mark.parametrize("task", TASKS, ids=str)
@pytest.mark.parametrize("sigma", [0.0, 12.0])
def test_made_pictures_are_degraded_as_the_data_were(task, sigma, generator):
    unknown = replace(problem(task), noise=UnknownNoise())
    seen = PatchSampler(unknown, torch.tensor(sigma))
    pictures = [100 + torch.zeros(160, 160), torch.full((160, 160), 100.0)]
    part, truth = seen.made(pictures, generator)
    assert truth.shape[2:] == part.problem.grid.shape
    noise = part.data - part.problem.operator(truth)
    assert float(noise.std()) == pytest.approx(sigma, rel=0.1, abs=1e-3)


def test_made_pictures_have_the_noise_that_is_known(generator):
    """Photon noise is stronger where there is more light."""
    seen = PatchSampler(replace(problem(Denoise()), noise=PoissonNoise(4.0)), torch.tensor(20.0))
    spread = [
        float((part.data - truth).std())
        for part, truth in (seen.made([torch.full((160, 160), light)], generator) for light in (10.0, 160.0))
    ]
    assert spread[1] == pytest.approx(4 * spread[0], rel=0.1)


def test_what_is_held_for_judging_is_not_learnt_from(generator):
    data = torch.arange(160.0)[:, None].expand(1, 1, 160, 160).contiguous()  # each row has its own grey level
    task = SuperResolve(factor=2, downsampling="area")
    one = Problem(data, task.operator((160, 160)), UnknownNoise(), torch.ones_like(data))
    seen = PatchSampler(one, torch.tensor(0.0))
    learnt = max(float(seen.pair(generator)[1].max()) for _ in range(20))
    held = min(float(seen.pair(generator, held=True)[1].min()) for _ in range(20))
    assert learnt < held


def test_there_is_no_pair_where_nothing_is_made_coarser_or_too_little_is_left(generator):
    assert view(Denoise()).pair(generator) is None
    assert view(SuperResolve(factor=4), (1, 1, 24, 24)).pair(generator) is None


def cut_off_at_the_left(sigma=10.0):
    """Half of the data lie at the darkest grey level but for their noise, which is cut off there."""
    data = 100 + sigma * torch.randn((1, 1, 96, 96), generator=torch.Generator().manual_seed(1))
    data[..., :48] -= 100
    data = data.clamp_min(0)
    return Problem(data, Denoise().operator((96, 96)), GaussianNoise(sigma), torch.ones_like(data))


def test_where_noise_is_cut_off_data_have_no_weight():
    one = cut_off_at_the_left()
    weights = PatchSampler(one, torch.tensor(10.0)).whole.weights
    assert weights[..., :40].max() == 0
    assert weights[..., 56:].min() == 1
    assert PatchSampler(one, torch.tensor(0.0)).whole.weights.min() == 1  # there is no noise to be cut off


def test_pixels_without_a_photon_are_no_sign_of_noise_that_is_cut_off():
    counts = torch.poisson(torch.full((1, 1, 96, 96), 0.5), generator=torch.Generator().manual_seed(1))
    one = Problem(counts, Denoise().operator((96, 96)), PoissonNoise(1.0), torch.ones_like(counts))
    seen = PatchSampler(one, torch.tensor(0.7))
    assert seen.fair
    assert seen.whole.weights.min() == 1


def test_made_pictures_are_cut_off_as_the_data_are(generator):
    seen = PatchSampler(cut_off_at_the_left(), torch.tensor(10.0))
    part, truth = seen.made([torch.zeros(160, 160)], generator)
    assert truth.max() == 0
    assert part.data.min() == 0
    assert float((part.data == 0).float().mean()) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("n", [160, 400])  # all of it at once, and in parts
def test_rows_that_judge_noise_are_not_learnt_from(n, generator):
    data = torch.arange(float(n))[:, None].expand(1, 1, n, n).contiguous()  # each row has its own grey level
    seen = PatchSampler(
        Problem(data, Denoise().operator((n, n)), GaussianNoise(0.1), torch.ones_like(data)),
        torch.tensor(0.1),
    )

    def rows(**which):
        parts = [seen.parts(generator, **which) for _ in range(10)]
        return torch.cat([part.data[part.weights > 0] for part in parts])

    assert rows().max() < rows(held=True).min()
