import numpy as np
import pytest
import torch

from napari_dip import Denoise, GaussianPSF, SuperResolve, UnknownNoise
from napari_dip.finetuning.back_projection import Projection, projected
from napari_dip.problem import Problem
from napari_dip.synthetic.images import synthetic_image

TASK = SuperResolve(factor=2, downsampling="bicubic", psf=GaussianPSF(1.9))


def problem(sigma, seed=0, side=64):
    """A made picture, blurred and coarse, with or without noise; beside it the truth on x's grid."""
    operator = TASK.operator((side, side))
    truth = torch.from_numpy(synthetic_image(3, 2, operator.grid((side, side)).shape[0])).float()[None, None]
    clean = operator(truth)
    noise = sigma * torch.randn(clean.shape, generator=torch.Generator().manual_seed(seed))
    return Problem(clean + noise, operator, UnknownNoise(), torch.ones_like(clean)), truth


def begun(one):
    """What a network makes of such data that knows of the pixels, and nothing of the blur."""
    fine = torch.nn.functional.interpolate(one.data, scale_factor=2, mode="bicubic")
    beyond = (one.grid.shape[0] - fine.shape[2]) // 2
    return torch.nn.functional.pad(fine, (beyond,) * 4, mode="reflect")


def test_data_without_noise_are_explained_to_the_end():
    one, truth = problem(0.0)
    x = projected(one, begun(one))
    rest = [float((one.operator(image) - one.data).square().mean().sqrt()) for image in (begun(one), x)]
    assert rest[1] < 0.1 * rest[0]
    assert not Projection.of(one, begun(one)).noisy
    assert (x - truth).square().mean() < (begun(one) - truth).square().mean()


def test_noise_is_noticed_and_hardly_explained():
    one, truth = problem(8.0)
    first = begun(one)
    plan = Projection.of(one, first)
    assert plan.noisy
    assert plan.steps < 6
    assert plan.error == pytest.approx(8, rel=0.5)
    error, without = (float((x - truth).square().mean()) for x in (projected(one, first), first))
    assert error < 1.1 * without


def test_denoising_leaves_nothing_to_be_asked():
    data = torch.from_numpy(np.random.default_rng(0).normal(100, 9, (1, 1, 32, 32))).float()
    one = Problem(data, Denoise().operator((32, 32)), UnknownNoise(), torch.ones_like(data))
    assert not Projection.of(one, torch.zeros_like(data)).noisy
    torch.testing.assert_close(projected(one, torch.zeros_like(data)), data)


def test_missing_pixels_judge_nothing(generator):
    one, _ = problem(0.0)
    weights = one.weights.clone()
    weights[..., 10:20, 10:20] = 0
    spoilt = [
        Problem(one.data.where(weights > 0, value), one.operator, UnknownNoise(), weights)
        for value in (0.0, 1e5)
    ]
    torch.testing.assert_close(*(projected(each, begun(one)) for each in spoilt))
