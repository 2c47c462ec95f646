import numpy as np
import pytest
import torch

from napari_dip import Denoise, GaussianPSF, SuperResolve, UnknownNoise
from napari_dip.finetuning.back_projection import back_projected, plan_back_projection
from napari_dip.problem import Problem
from napari_dip.steps import finished
from napari_dip.synthetic.images import synthetic_image

TASK = SuperResolve(factor=2, downsampling="bicubic", psf=GaussianPSF(1.9))


def problem_and_truth(sigma, seed=0, side=64):
    """Return a synthetic image, blurred and coarse, with or without noise, and the truth on x's grid."""
    operator = TASK.operator((side, side))
    truth = torch.from_numpy(synthetic_image(3, 2, operator.grid((side, side)).shape[0])).float()[None, None]
    clean = operator(truth)
    noise = sigma * torch.randn(clean.shape, generator=torch.Generator().manual_seed(seed))
    return Problem(clean + noise, operator, UnknownNoise(), torch.ones_like(clean)), truth


def interpolated(problem):
    """Return what a network makes of such data if it knows of the pixels, but not of the blur."""
    fine = torch.nn.functional.interpolate(problem.data, scale_factor=2, mode="bicubic")
    margin = (problem.grid.shape[0] - fine.shape[2]) // 2
    return torch.nn.functional.pad(fine, (margin,) * 4, mode="reflect")


def planned(problem, x):
    return finished(plan_back_projection(problem, x))


def projected(problem, x):
    return finished(back_projected(problem, x, planned(problem, x).steps))


def test_data_without_noise_are_explained_completely():
    problem, truth = problem_and_truth(0.0)
    before, after = interpolated(problem), projected(problem, interpolated(problem))
    residuals = [float((problem.operator(x) - problem.data).square().mean().sqrt()) for x in (before, after)]
    assert residuals[1] < 0.1 * residuals[0]
    assert not planned(problem, before).noisy
    assert (after - truth).square().mean() < (before - truth).square().mean()


def test_noise_is_found_and_hardly_explained():
    problem, truth = problem_and_truth(8.0)
    before = interpolated(problem)
    plan = planned(problem, before)
    assert plan.noisy
    assert plan.steps < 6
    assert plan.error == pytest.approx(8, rel=0.5)
    after = projected(problem, before)
    assert (after - truth).square().mean() < 1.1 * (before - truth).square().mean()


def test_without_an_operator_the_data_are_the_result():
    data = torch.from_numpy(np.random.default_rng(0).normal(100, 9, (1, 1, 32, 32))).float()
    problem = Problem(data, Denoise().operator((32, 32)), UnknownNoise(), torch.ones_like(data))
    assert not planned(problem, torch.zeros_like(data)).noisy
    torch.testing.assert_close(projected(problem, torch.zeros_like(data)), data)


def test_missing_pixels_have_no_influence():
    problem, _ = problem_and_truth(0.0)
    weights = problem.weights.clone()
    weights[..., 10:20, 10:20] = 0
    results = []
    for value in (0.0, 1e5):
        data = problem.data.where(weights > 0, value)
        results.append(
            projected(Problem(data, problem.operator, UnknownNoise(), weights), interpolated(problem))
        )
    torch.testing.assert_close(*results)


def test_the_images_of_each_step_do_not_change_later():
    problem, _ = problem_and_truth(0.0)
    images = list(back_projected(problem, interpolated(problem), 4))
    copies = [image.clone() for image in back_projected(problem, interpolated(problem), 4)]
    assert len(images) == 4
    for image, copy in zip(images, copies, strict=True):
        torch.testing.assert_close(image, copy, rtol=0, atol=0)
