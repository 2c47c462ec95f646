from dataclasses import replace

import pytest
import torch
from torch import nn

from napari_dip.pkn import network as networks
from napari_dip.pkn import strips
from napari_dip.pkn.kernels.registry import KERNELS, kernel_of
from napari_dip.pkn.network import ParameterNetwork
from napari_dip.pkn.observation import Observation

#: Strides of 4, 2 and 1 pixels; "reblur" also needs the blur.
STRIDES = "anisotropic", "reblur", "upsample"
every_stride = pytest.mark.parametrize("kernel", [kernel_of(name) for name in STRIDES], ids=STRIDES)


def made(kernel, seed=0, *, random_last_layer=True):
    """Return a network with random weights."""
    generator = torch.Generator().manual_seed(seed)
    network = ParameterNetwork(kernel)
    network.initialise(generator)
    if random_last_layer:
        nn.init.normal_(network.last.weight, generator=generator)
    return network


def observed(kernel, size=(21, 30), channels=1, count=1):
    image = 100 + 20 * torch.randn(count, channels, *size, generator=torch.Generator().manual_seed(3))
    blur = torch.tensor([-0.5, 0.2, 0.1]).view(1, 3, 1, 1).expand(count, -1, -1, -1)
    sigma = torch.linspace(5, 9, count).view(-1, 1, 1, 1)
    return Observation(image, sigma, blur=blur if kernel.purpose == "deblur" else None)


def test_networks_have_fewer_than_20_000_weights():
    for name in KERNELS:
        assert sum(one.numel() for one in ParameterNetwork(kernel_of(name)).parameters()) < 20_000


@every_stride
class TestNetworks:
    def test_an_untrained_network_predicts_one_setting_everywhere(self, kernel):
        network = made(kernel, random_last_layer=False)
        raw = network(observed(kernel))
        torch.testing.assert_close(kernel.decode(raw), kernel.default().view(1, -1, 1, 1).expand_as(raw))
        setting = torch.tensor([0.4 * one.low + 0.6 * one.high for one in kernel.parameters])
        network.begin_at(setting)
        raw = network(observed(kernel))
        torch.testing.assert_close(kernel.decode(raw), setting.view(1, -1, 1, 1).expand_as(raw))

    def test_it_predicts_once_per_stride_begun(self, kernel):
        for size in ((24, 32), (21, 30), (7, 8)):
            raw = made(kernel)(observed(kernel, size))
            predictions = [-(-n // kernel.stride) for n in size]
            assert raw.shape == (1, len(kernel.parameters), *predictions)
            assert raw.isfinite().all()

    def test_neither_units_nor_an_offset_matter(self, kernel):
        network, observation = made(kernel), observed(kernel)
        raw = network(observation)
        assert raw.std() > 0.1
        image, sigma = observation.image, observation.sigma
        for other in (
            replace(observation, image=1000 * image, sigma=1000 * sigma),
            replace(observation, image=image - 300),
        ):
            torch.testing.assert_close(network(other), raw, rtol=1e-3, atol=1e-3)

    def test_the_noise_level_matters(self, kernel):
        network, observation = made(kernel), observed(kernel)
        noisier = network(replace(observation, sigma=4 * observation.sigma))
        assert not torch.allclose(noisier, network(observation), atol=0.1)

    def test_the_prediction_is_the_mean_over_channels(self, kernel):
        network, colours = made(kernel), observed(kernel, channels=3)
        each = [network(replace(colours, image=one)) for one in colours.image.split(1, 1)]
        torch.testing.assert_close(network(colours), torch.stack(each).mean(0))

    def test_images_of_a_batch_do_not_mix(self, kernel):
        network, both = made(kernel), observed(kernel, count=2)
        second = Observation(
            both.image[1:], both.sigma[1:], blur=None if both.blur is None else both.blur[1:]
        )
        torch.testing.assert_close(network(both)[1:], network(second))

    def test_pixels_out_of_reach_have_no_influence(self, kernel):
        network, side = made(kernel), kernel.stride * 14
        observation = observed(kernel, (side, side))
        changed = observation.image.clone()
        changed[:, :, : kernel.stride] += 500
        first, second = network(observation), network(replace(observation, image=changed))
        assert torch.equal(first[:, :, 1 + network.reach :], second[:, :, 1 + network.reach :])
        assert not torch.allclose(first[:, :, 0], second[:, :, 0])

    def test_strips_equal_the_whole(self, kernel, monkeypatch):
        network, observation = made(kernel), observed(kernel, (kernel.stride * 31, 14), channels=2)
        whole = network(observation)
        monkeypatch.setattr(strips, "_STRIP", 0)
        assert len(list(network.strips(observation))) == 2
        torch.testing.assert_close(network(observation), whole)

    def test_bfloat16_is_precise_enough_for_prediction(self, kernel, monkeypatch):
        """Its error is a hundredth of the variation of parameters from pixel to pixel."""
        network, observation = made(kernel), observed(kernel, (64, 60))
        exact = network(observation)
        monkeypatch.setattr(networks, "_bfloat16_is_fast", lambda z: True)
        assert torch.equal(network(observation), exact)  # training is exact
        near = network.eval()(observation)
        assert near.dtype == torch.float32
        assert 0 < (near - exact).std() < 0.01 * exact.std()

    def test_missing_pixels_have_no_influence(self, kernel):
        observation = observed(kernel)
        seen = (torch.rand(1, 1, 21, 30, generator=torch.Generator().manual_seed(1)) > 0.3).float()
        first, second = (
            made(kernel)(replace(observation, image=observation.image.where(seen > 0, hidden), seen=seen))
            for hidden in (0.0, 1e5)
        )
        assert torch.equal(first, second)

    def test_a_seed_reproduces_the_weights(self, kernel):
        first, again, other = (made(kernel, seed).state_dict() for seed in (1, 1, 2))
        assert all(torch.equal(first[name], again[name]) for name in first)
        assert not torch.equal(first["first.weight"], other["first.weight"])


def test_the_prediction_depends_on_the_blur():
    kernel = kernel_of("reblur")
    network, observation = made(kernel), observed(kernel)
    other = network(replace(observation, blur=observation.blur + 1))
    assert not torch.allclose(other, network(observation), atol=0.05)
