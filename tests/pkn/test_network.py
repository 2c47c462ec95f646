from dataclasses import replace

import pytest
import torch
from torch import nn

from napari_dip.pkn import network as networks
from napari_dip.pkn.kernels.registry import KERNELS, kernel_of
from napari_dip.pkn.network import ParameterNetwork
from napari_dip.pkn.observation import Observation

every_kernel = pytest.mark.parametrize("kernel", [kernel_of(name) for name in KERNELS], ids=list(KERNELS))


def made(kernel, seed=0, *, says_something=True):
    """Return a network whose last layer is not 0."""
    generator = torch.Generator().manual_seed(seed)
    network = ParameterNetwork(kernel)
    network.initialise(generator)
    if says_something:
        nn.init.normal_(network.last.weight, generator=generator)
    return network


def observed(kernel, size=(21, 30), channels=1, count=1):
    image = 100 + 20 * torch.randn(count, channels, *size, generator=torch.Generator().manual_seed(3))
    blur = torch.tensor([-0.5, 0.2, 0.1]).view(1, 3, 1, 1).expand(count, -1, -1, -1)
    sigma = torch.linspace(5, 9, count).view(-1, 1, 1, 1)
    return Observation(image, sigma, blur=blur if kernel.purpose == "deblur" else None)


@every_kernel
class TestNetworks:
    def test_it_has_fewer_than_20_000_weights(self, kernel):
        assert sum(one.numel() for one in ParameterNetwork(kernel).parameters()) < 20_000

    def test_it_begins_with_one_setting_everywhere(self, kernel):
        network = made(kernel, says_something=False)
        raw = network(observed(kernel))
        torch.testing.assert_close(kernel.decode(raw), kernel.default().view(1, -1, 1, 1).expand_as(raw))
        setting = torch.tensor([0.4 * one.low + 0.6 * one.high for one in kernel.parameters])
        network.begin_at(setting)
        raw = network(observed(kernel))
        torch.testing.assert_close(kernel.decode(raw), setting.view(1, -1, 1, 1).expand_as(raw))

    @pytest.mark.parametrize("size", [(24, 32), (21, 30), (23, 29), (7, 8)])
    def test_it_says_one_thing_for_each_coarse_pixel_begun(self, kernel, size):
        raw = made(kernel)(observed(kernel, size))
        coarse = [-(-n // kernel.coarse) for n in size]
        assert raw.shape == (1, len(kernel.parameters), *coarse)
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

    def test_the_strength_of_the_noise_does_matter(self, kernel):
        network, observation = made(kernel), observed(kernel)
        noisier = network(replace(observation, sigma=4 * observation.sigma))
        assert not torch.allclose(noisier, network(observation), atol=0.1)

    def test_channels_share_what_is_said_of_each_alone(self, kernel):
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
        network, side = made(kernel), kernel.coarse * 14
        observation = observed(kernel, (side, side))
        changed = observation.image.clone()
        changed[:, :, : kernel.coarse] += 500
        first, second = network(observation), network(replace(observation, image=changed))
        assert torch.equal(first[:, :, 1 + network.reach :], second[:, :, 1 + network.reach :])
        assert not torch.allclose(first[:, :, 0], second[:, :, 0])

    def test_strips_say_what_the_whole_does(self, kernel, monkeypatch):
        network, observation = made(kernel), observed(kernel, (kernel.coarse * 31, 14), channels=2)
        whole = network(observation)
        monkeypatch.setattr(networks, "_STRIP", 14 * kernel.coarse * 6)
        torch.testing.assert_close(network(observation), whole)

    def test_products_of_bfloat16_are_enough(self, kernel, monkeypatch):
        """They move parameters by a hundredth of what these vary from pixel to pixel."""
        network, observation = made(kernel), observed(kernel, (64, 60))
        exact = network(observation)
        monkeypatch.setattr(networks, "_quick", lambda z: True)
        assert torch.equal(network(observation), exact)  # for learning they are not
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

    def test_a_seed_gives_the_same_weights_again(self, kernel):
        first, again, other = (made(kernel, seed).state_dict() for seed in (1, 1, 2))
        assert all(torch.equal(first[name], again[name]) for name in first)
        assert not torch.equal(first["first.weight"], other["first.weight"])


def test_it_is_told_the_blur():
    kernel = kernel_of("reblur")
    network, observation = made(kernel), observed(kernel)
    other = network(replace(observation, blur=observation.blur + 1))
    assert not torch.allclose(other, network(observation), atol=0.05)
