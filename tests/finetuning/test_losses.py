import pytest
import torch
from torch import nn

from napari_dip import Denoise, GaussianNoise, GaussianPSF, SuperResolve
from napari_dip.finetuning.intensity_mapping import IntensityMapping
from napari_dip.finetuning.losses import masked_loss, plain_loss, supervised_loss, sure_loss
from napari_dip.finetuning.restorer import Restorer
from napari_dip.finetuning.sampler import PatchSampler
from napari_dip.pretrained.model import Pretrained
from napari_dip.problem import Problem


def sampled(task, n=8, sigma=5.0, seed=0, missing=()):
    data = torch.rand((1, 1, n, n), generator=torch.Generator().manual_seed(seed)) * 255
    weights = torch.ones(1, 1, n, n)
    for at in missing:
        weights[(..., *at)] = 0
    problem = Problem(data, task.operator((n, n)), GaussianNoise(sigma), weights)
    return PatchSampler(problem, torch.tensor(sigma))


def evaluated(restorer, sample):
    inputs, energy = sample
    return energy(restorer(*inputs))


def test_the_plain_loss_is_the_misfit(upsampler, generator):
    sampler = sampled(SuperResolve(factor=2), 16)
    restorer = Restorer(upsampler(2), 2, IntensityMapping(0, 255))
    x = sampler.whole.x(restorer(sampler.whole.shown))
    expected = (sampler.problem.operator(x) - sampler.problem.data).square().mean()
    torch.testing.assert_close(evaluated(restorer, plain_loss(sampler.whole, generator)), expected)


@pytest.mark.parametrize(("task", "n"), [(Denoise(), 8), (SuperResolve(factor=2, downsampling="bicubic"), 6)])
def test_the_divergence_in_steins_estimate_is_that_of_the_whole_jacobian(task, n, upsampler):
    """The mean over many perturbations is the sum of derivatives that finite differences give."""
    sigma, sampler = 5.0, sampled(task, n)
    restorer = Restorer(upsampler(sampler.factor), sampler.factor, IntensityMapping(0, 255)).double()

    def predicted(data):
        problem = Problem(data, sampler.problem.operator, GaussianNoise(sigma), sampler.problem.weights)
        patch = PatchSampler(problem, torch.tensor(sigma)).whole
        return patch.predicted(restorer(patch.shown.double()))

    data = sampler.problem.data.double()
    with torch.no_grad():
        misfit = (predicted(data) - data).square().mean()
    derivatives = []
    for at in range(data.numel()):
        step = torch.zeros_like(data).flatten()
        step[at] = 1e-3
        with torch.no_grad():
            change = predicted(data + step.view_as(data)) - predicted(data - step.view_as(data))
        derivatives.append(change.flatten()[at] / 2e-3)
    divergence = torch.stack(derivatives).sum()
    expected = misfit - sigma**2 + 2 * sigma**2 * divergence / data.numel()
    restorer.float()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        values = [evaluated(restorer, sure_loss(sampler.whole, generator)) for _ in range(400)]
    mean, error = torch.stack(values).mean(), torch.stack(values).std() / 20
    assert abs(float(mean - expected)) < 4 * float(error) + 0.02 * float(expected.abs())


def test_steins_estimate_is_the_error_of_a_known_denoiser(generator):
    """The error of the identity is σ², and that of a constant its distance from the truth."""

    class Scaled(nn.Module):
        def __init__(self, share):
            super().__init__()
            self.share = share

        def forward(self, x):
            return self.share * x

    truth = torch.full((1, 1, 128, 128), 100.0)
    noisy = truth + 20 * torch.randn(truth.shape, generator=generator)
    problem = Problem(noisy, Denoise().operator((128, 128)), GaussianNoise(20.0), torch.ones_like(truth))
    sampler = PatchSampler(problem, torch.tensor(20.0))
    for share in (1.0, 0.7, 0.0):
        restorer = Restorer(Pretrained(Scaled(share), "x", 1, 1, "test"), 1, IntensityMapping(0, 255))
        error = (share * noisy - truth).square().mean()
        estimate = evaluated(restorer, sure_loss(sampler.whole, generator))
        assert float(estimate) == pytest.approx(float(error), rel=0.06)


@pytest.mark.parametrize("loss", [plain_loss, sure_loss, masked_loss])
def test_missing_pixels_have_no_influence(loss, upsampler):
    first, second = (sampled(SuperResolve(), 16, missing=[(4, 4), (9, 12)]) for _ in range(2))
    second.problem.data[..., 4, 4] = 1e5
    second = PatchSampler(second.problem, torch.tensor(5.0))
    restorer = Restorer(upsampler(2), 2, IntensityMapping(0, 255))
    values = [
        evaluated(restorer, loss(one.whole, torch.Generator().manual_seed(1))) for one in (first, second)
    ]
    torch.testing.assert_close(*values)


def test_edges_count_less_in_the_masked_loss(generator):
    """A misfit at the only edge hardly counts; elsewhere it counts as in the plain loss."""

    class Constant(nn.Module):
        def __init__(self, x):
            super().__init__()
            self.answer = x

        def forward(self, x):
            return self.answer

    step = torch.full((1, 1, 32, 32), 50.0)
    step[..., 16:] = 200
    task = SuperResolve(factor=2, downsampling="area")
    data = task.operator((16, 16))(step)
    losses = {}
    for column in (3, 8):
        wrong = data.clone()
        wrong[..., 4:12, column] += 30
        problem = Problem(wrong, task.operator((16, 16)), GaussianNoise(5.0), torch.ones_like(data))
        whole = PatchSampler(problem, torch.tensor(0.0)).whole
        restorer = Restorer(Pretrained(Constant(step), "x", 2, 1, "test"), 2, IntensityMapping(0, 1))
        losses[column] = float(evaluated(restorer, masked_loss(whole, generator)))
        assert losses[column] < float(evaluated(restorer, plain_loss(whole, generator)))
    assert losses[8] < 0.7 * losses[3]


def test_the_supervised_loss_compares_with_the_truth():
    (shown,), energy = supervised_loss(sampled(SuperResolve(), 4).whole, torch.full((1, 1, 8, 8), 3.0))
    assert float(energy(torch.zeros(1, 1, 8, 8))) == 9
    assert shown.shape == (1, 1, 4, 4)


def test_the_supervised_loss_ignores_the_mirrored_margin():
    whole = sampled(SuperResolve(psf=GaussianPSF(1.0)), 12).whole
    _, energy = supervised_loss(whole, truth := torch.zeros(1, 1, *whole.problem.grid.shape))
    outputs = torch.full((1, 1, *(2 * n for n in whole.shown.shape[2:])), 7.0)
    margin = (outputs.shape[2] - 24) // 2
    outputs[..., margin:-margin, margin:-margin] = 0
    assert float(energy(outputs)) == 0
    assert truth.shape[2] > 24
