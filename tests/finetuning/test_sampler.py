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
from napari_dip.finetuning.intensity_mapping import IntensityMapping
from napari_dip.finetuning.restorer import Restorer
from napari_dip.finetuning.sampler import PatchSampler
from napari_dip.problem import Problem

TASKS = [
    Denoise(),
    Deconvolve(psf=GaussianPSF(2.0)),
    SuperResolve(factor=3, downsampling="bicubic", psf=GaussianPSF(1.2)),
]


def problem(task, shape=(1, 1, 40, 44), seed=0):
    data = torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 255
    return Problem(data, task.operator(shape[2:]), GaussianNoise(5.0), torch.ones(1, 1, *shape[2:]))


def sampled(task, shape=(1, 1, 40, 44)):
    return PatchSampler(problem(task, shape), torch.tensor(5.0))


@pytest.mark.parametrize("task", TASKS, ids=str)
def test_the_whole_patch_predicts_what_the_operator_gives(task, upsampler):
    sampler = sampled(task)
    restorer = Restorer(upsampler(sampler.factor), sampler.factor, IntensityMapping(0, 255))
    with torch.no_grad():
        outputs = restorer(sampler.whole.shown)
    x = sampler.whole.x(outputs)
    assert tuple(x.shape[2:]) == sampler.problem.grid.shape
    torch.testing.assert_close(sampler.whole.predicted(outputs), sampler.problem.operator(x))


@pytest.mark.parametrize("task", TASKS, ids=str)
def test_patches_predict_the_same_as_the_whole(task, upsampler, generator):
    """This holds inside the image, for a network with a small receptive field."""
    sampler = sampled(task, (1, 1, 240, 250))
    restorer = Restorer(upsampler(sampler.factor), sampler.factor, IntensityMapping(0, 255))
    assert not sampler.small
    patches = sampler.patches(generator)
    with torch.no_grad():
        predicted = patches.predicted(restorer(patches.shown))
        whole = sampler.whole.predicted(restorer(sampler.whole.shown))
    assert predicted.shape == patches.data.shape
    compared = 0
    for data, own in zip(patches.data, predicted, strict=True):
        side = data.shape[-1]
        windows = sampler.problem.data[0].unfold(1, side, 1).unfold(2, side, 1)
        row, column = ((windows - data[:, None, None]).abs().amax((0, 3, 4)) == 0).nonzero()[0].tolist()
        if min(row, column) < 8 or row + side > 232 or column + side > 242:
            continue  # at the border the whole image is mirrored, and a patch is not
        expected = whole[0, :, row : row + side, column : column + side]
        torch.testing.assert_close(own, expected, atol=1e-2, rtol=0)
        compared += 1
    assert compared


def test_an_iteration_takes_as_long_for_any_image(generator):
    sizes = [sampled(SuperResolve(), (1, 1, n, n)).patches(generator).shown.shape for n in (200, 500)]
    assert sizes[0] == sizes[1]


def test_missing_pixels_are_filled_and_have_no_weight():
    one = problem(Denoise())
    one.data[..., 5, 5] = 1e6
    one.weights[..., 5, 5] = 0
    sampler = PatchSampler(one, torch.tensor(5.0))
    assert sampler.data.max() <= 255
    assert sampler.whole.weights[0, 0, 5, 5] == 0


def test_the_operator_takes_the_data_to_their_coarser_version(generator):
    task = SuperResolve(factor=2, downsampling="area")
    unknown = replace(problem(task), noise=UnknownNoise())
    patch, truth = PatchSampler(unknown, torch.tensor(0.0)).coarser_pair(generator)
    assert truth.shape[2] == 2 * patch.data.shape[2]
    torch.testing.assert_close(task.operator(tuple(patch.data.shape[2:]))(truth), patch.data)


@pytest.mark.parametrize("task", TASKS, ids=str)
@pytest.mark.parametrize("sigma", [0.0, 12.0])
def test_synthetic_images_are_degraded_like_the_data(task, sigma, generator):
    unknown = replace(problem(task), noise=UnknownNoise())
    sampler = PatchSampler(unknown, torch.tensor(sigma))
    images = [100 + torch.zeros(160, 160), torch.full((160, 160), 100.0)]
    patch, truth = sampler.synthetic_pair(images, generator)
    assert truth.shape[2:] == patch.problem.grid.shape
    noise = patch.data - patch.problem.operator(truth)
    assert float(noise.std()) == pytest.approx(sigma, rel=0.1, abs=1e-3)


def test_synthetic_images_have_the_noise_of_the_model(generator):
    """Photon noise is stronger where there is more light."""
    sampler = PatchSampler(replace(problem(Denoise()), noise=PoissonNoise(4.0)), torch.tensor(20.0))
    spread = []
    for light in (10.0, 160.0):
        patch, truth = sampler.synthetic_pair([torch.full((160, 160), light)], generator)
        spread.append(float((patch.data - truth).std()))
    assert spread[1] == pytest.approx(4 * spread[0], rel=0.1)


def rows_as_grey_levels(n, task, noise, sigma):
    """Return a sampler of an image whose grey level is the number of the row."""
    data = torch.arange(float(n))[:, None].expand(1, 1, n, n).contiguous()
    one = Problem(data, task.operator((n, n)), noise, torch.ones_like(data))
    return PatchSampler(one, torch.tensor(sigma))


def test_coarser_pairs_for_validation_are_held_out(generator):
    sampler = rows_as_grey_levels(160, SuperResolve(factor=2, downsampling="area"), UnknownNoise(), 0.0)
    learnt = max(float(sampler.coarser_pair(generator)[1].max()) for _ in range(20))
    held_out = min(float(sampler.coarser_pair(generator, held_out=True)[1].min()) for _ in range(20))
    assert learnt < held_out


@pytest.mark.parametrize("n", [160, 400])  # all of it at once, and in patches
def test_patches_for_validation_are_held_out(n, generator):
    sampler = rows_as_grey_levels(n, Denoise(), GaussianNoise(0.1), 0.1)

    def rows(**which):
        patches = [sampler.patches(generator, **which) for _ in range(10)]
        return torch.cat([patch.data[patch.weights > 0] for patch in patches])

    assert rows().max() < rows(held_out=True).min()


@pytest.mark.parametrize(("task", "n"), [(Denoise(), 44), (SuperResolve(factor=4), 24)])
def test_there_is_no_coarser_pair_without_an_operator_or_enough_pixels(task, n, generator):
    assert sampled(task, (1, 1, n, n)).coarser_pair(generator) is None


def clipped_at_the_left(sigma=10.0):
    """Return data whose left half has no light, so that its noise is clipped at 0."""
    data = 100 + sigma * torch.randn((1, 1, 96, 96), generator=torch.Generator().manual_seed(1))
    data[..., :48] -= 100
    data = data.clamp_min(0)
    return Problem(data, Denoise().operator((96, 96)), GaussianNoise(sigma), torch.ones_like(data))


def test_pixels_with_clipped_noise_have_no_weight():
    one = clipped_at_the_left()
    weights = PatchSampler(one, torch.tensor(10.0)).whole.weights
    assert weights[..., :40].max() == 0
    assert weights[..., 56:].min() == 1
    without_noise = PatchSampler(one, torch.tensor(0.0))
    assert without_noise.whole.weights.min() == 1


def test_pixels_without_a_photon_are_not_taken_for_clipped():
    counts = torch.poisson(torch.full((1, 1, 96, 96), 0.5), generator=torch.Generator().manual_seed(1))
    one = Problem(counts, Denoise().operator((96, 96)), PoissonNoise(1.0), torch.ones_like(counts))
    sampler = PatchSampler(one, torch.tensor(0.7))
    assert sampler.sure_applies
    assert sampler.whole.weights.min() == 1


def test_synthetic_images_are_clipped_like_the_data(generator):
    sampler = PatchSampler(clipped_at_the_left(), torch.tensor(10.0))
    patch, truth = sampler.synthetic_pair([torch.zeros(160, 160)], generator)
    assert truth.max() == 0
    assert patch.data.min() == 0
    assert float((patch.data == 0).float().mean()) == pytest.approx(0.5, abs=0.05)
