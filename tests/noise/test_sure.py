import pytest
import torch
import torch.nn.functional as F

from napari_dip.noise.sure import perturbation, sure


def test_it_is_the_error_on_average_for_a_filter(generator):
    """The filter is nonlinear, and the noise is stronger at one side."""
    rows, columns = torch.meshgrid(torch.arange(400.0), torch.arange(400.0), indexing="ij")
    clean = 100 + 40 * torch.sin(rows / 15) + 20 * torch.cos(columns / 9)
    sigma = 5 + 10 * columns / 400
    data = clean + sigma * torch.randn(400, 400, generator=generator)

    def restored(y):
        smooth = F.avg_pool2d(y[None, None], 5, 1, 2, count_include_pad=False)[0, 0]
        return smooth + 5 * torch.tanh((y - smooth) / 20)

    moved = perturbation(sigma, data, generator)
    estimate = sure(restored(data), restored(data + moved), data, sigma, moved)
    assert float(estimate.mean()) == pytest.approx(float((restored(data) - clean).square().mean()), rel=0.05)


def test_the_perturbation_has_random_signs_and_a_tenth_of_the_noise(generator):
    sigma = torch.tensor([1.0, 20.0]).view(2, 1)
    moved = perturbation(sigma, torch.zeros(2, 1000), generator)
    torch.testing.assert_close(moved.abs(), (0.1 * sigma).expand(2, 1000))
    assert moved.sign().mean(1).abs().max() < 0.1
