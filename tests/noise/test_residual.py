import torch

from napari_dip.noise.residual import residual_sigma


def test_it_is_the_root_mean_square_of_observed_pixels(generator):
    residual = torch.randn(2, 30, 40, generator=generator) * torch.tensor([2.0, 9.0]).view(2, 1, 1)
    seen = torch.rand(2, 30, 40, generator=generator) < 0.7
    hot = residual.where(seen, 1e6)
    expected = [residual[c][seen[c]].square().mean().sqrt() for c in range(2)]
    torch.testing.assert_close(residual_sigma(hot, seen), torch.stack(expected).view(2, 1, 1))


def test_a_channel_without_observed_pixels_has_none(generator):
    residual = torch.randn(1, 4, 5, 6, generator=generator)
    assert residual_sigma(residual, torch.zeros_like(residual, dtype=torch.bool)).tolist() == [[[[0.0]]]]
