import pytest
import torch
from torch import nn

from napari_dip import Denoise, GaussianNoise, GaussianPSF, SuperResolve
from napari_dip.finetuning.losses import consistency, masked, pair, risk
from napari_dip.finetuning.patches import PatchSampler
from napari_dip.finetuning.restorer import IntensityMapping, Restorer
from napari_dip.pretrained.model import Pretrained
from napari_dip.problem import Problem


def view(task, n=8, sigma=5.0, seed=0, missing=()):
    data = torch.rand((1, 1, n, n), generator=torch.Generator().manual_seed(seed)) * 255
    weights = torch.ones(1, 1, n, n)
    for at in missing:
        weights[(..., *at)] = 0
    return PatchSampler(
        Problem(data, task.operator((n, n)), GaussianNoise(sigma), weights), torch.tensor(sigma)
    )


def evaluated(restorer, sample):
    inputs, energy = sample
    return energy(restorer(*inputs))


def test_consistency_is_the_misfit_of_what_is_explained(made, generator):
    seen = view(SuperResolve(factor=2), 16)
    restorer = Restorer(made(2), 2, IntensityMapping(0, 255))
    x = seen.whole.x(restorer(seen.whole.shown))
    expected = (seen.problem.operator(x) - seen.problem.data).square().mean()
    torch.testing.assert_close(evaluated(restorer, consistency(seen.whole, generator)), expected)


@pytest.mark.parametrize(("task", "n"), [(Denoise(), 8), (SuperResolve(factor=2, downsampling="bicubic"), 6)])
def test_steins_estimate_has_the_derivatives_of_the_whole_jacobian(task, n, made):
    """The mean over probes is the sum of derivatives that automatic differentiation finds."""
    sigma, seen = 5.0, view(task, n)
    restorer = Restorer(made(seen.factor), seen.factor, IntensityMapping(0, 255)).double()

    def explained(data):
        moved = PatchSampler(
            Problem(data, seen.problem.operator, GaussianNoise(sigma), seen.problem.weights),
            torch.tensor(5.0),
        )
        part = moved.whole
        return part.explained(restorer(part.shown.double()))

    data = seen.problem.data.double()
    with torch.no_grad():
        rest = (explained(data) - data).square().mean()
    columns = []
    for at in range(data.numel()):
        step = torch.zeros_like(data).flatten()
        step[at] = 1e-3
        with torch.no_grad():
            change = explained(data + step.view_as(data)) - explained(data - step.view_as(data))
        columns.append(change.flatten()[at] / 2e-3)
    divergence = torch.stack(columns).sum()
    expected = rest - sigma**2 + 2 * sigma**2 * divergence / data.numel()
    restorer.float()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        values = [evaluated(restorer, risk(seen.whole, generator)) for _ in range(400)]
    mean, error = torch.stack(values).mean(), torch.stack(values).std() / 20
    assert abs(float(mean - expected)) < 4 * float(error) + 0.02 * float(expected.abs())


def test_steins_estimate_is_the_error_of_a_known_denoiser(generator):
    """Of the identity it is σ², of a constant the distance to the truth."""

    class Scaled(nn.Module):
        def __init__(self, share):
            super().__init__()
            self.share = share

        def forward(self, x):
            return self.share * x

    truth = torch.full((1, 1, 128, 128), 100.0)
    noisy = truth + 20 * torch.randn(truth.shape, generator=generator)
    problem = Problem(noisy, Denoise().operator((128, 128)), GaussianNoise(20.0), torch.ones_like(truth))
    seen = PatchSampler(problem, torch.tensor(20.0))
    for share in (1.0, 0.7, 0.0):
        restorer = Restorer(Pretrained(Scaled(share), "x", 1, 1, "test"), 1, IntensityMapping(0, 255))
        error = (share * noisy - truth).square().mean()
        found = evaluated(restorer, risk(seen.whole, generator))
        assert float(found) == pytest.approx(float(error), rel=0.06)


@pytest.mark.parametrize("loss", [consistency, risk, masked])
def test_missing_pixels_have_no_influence(loss, made):
    first, second = (view(SuperResolve(), 16, missing=[(4, 4), (9, 12)]) for _ in range(2))
    second.problem.data[..., 4, 4] = 1e5
    second = PatchSampler(second.problem, torch.tensor(5.0))
    restorer = Restorer(made(2), 2, IntensityMapping(0, 255))
    values = [
        evaluated(restorer, loss(one.whole, torch.Generator().manual_seed(1))) for one in (first, second)
    ]
    torch.testing.assert_close(*values)


def test_edges_count_less_in_the_masked_loss(generator):
    """A misfit at the only edge is as good as none, elsewhere it counts as ever."""

    class Whatever(nn.Module):
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
        restorer = Restorer(Pretrained(Whatever(step), "x", 2, 1, "test"), 2, IntensityMapping(0, 1))
        losses[column] = float(evaluated(restorer, masked(whole, generator)))
        assert losses[column] < float(evaluated(restorer, consistency(whole, generator)))
    assert losses[8] < 0.7 * losses[3]


def test_a_pair_is_judged_by_what_it_was_before():
    (shown,), energy = pair(view(SuperResolve(), 4).whole, torch.full((1, 1, 8, 8), 3.0))
    assert float(energy(torch.zeros(1, 1, 8, 8))) == 9
    assert shown.shape == (1, 1, 4, 4)


def test_a_pair_is_not_judged_beyond_its_data(made):
    """What lies beyond is mirrored: nobody can know what was there."""
    whole = view(SuperResolve(psf=GaussianPSF(1.0)), 12).whole
    _, energy = pair(whole, truth := torch.zeros(1, 1, *whole.problem.grid.shape))
    outputs = torch.full((1, 1, *(2 * n for n in whole.shown.shape[2:])), 7.0)
    margin = (outputs.shape[2] - 24) // 2
    outputs[..., margin:-margin, margin:-margin] = 0
    assert float(energy(outputs)) == 0
    assert truth.shape[2] > 24
