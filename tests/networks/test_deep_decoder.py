import itertools

import pytest
import torch

from napari_dip.networks.build import build
from napari_dip.networks.settings import Decoder


def built(settings, channels_in=3, channels_out=1, shape=(32, 32), seed=0):
    network = build(settings, channels_in, channels_out, shape)
    network.initialise(torch.Generator().manual_seed(seed))
    return network.train()


@pytest.mark.parametrize(("width", "channels", "number"), [(128, 3, 100_224), (256, 4, 397_312)])
def test_the_decoder_has_the_published_number_of_weights(width, channels, number):
    """As the paper counts them, and as the released inpainting notebook prints them."""
    network = build(Decoder(width=width), width, channels, (512, 512))
    assert sum(weight.numel() for weight in network.parameters()) == number


def test_the_input_has_the_published_size():
    assert Decoder().input_shape((512, 512)) == (16, 16)


@pytest.mark.parametrize(
    "shape", [(8, 8), (1, 40), (33, 7), (64, 64), (101, 257), (5, 40, 1), (9, 17, 11), (20, 3, 3)], ids=str
)
@pytest.mark.parametrize("layers", [1, 6])
def test_any_size_passes_in_2d_and_3d(shape, layers):
    settings = Decoder(width=4, layers=layers)
    z = torch.rand(1, 3, *settings.input_shape(shape))
    output = built(settings, shape=shape)(z)
    assert output.shape == (1, 1, *shape)
    assert output.isfinite().all()


@pytest.mark.parametrize("shape", [(8, 9), (100, 37), (5, 40, 1)], ids=str)
def test_no_layer_more_than_doubles_the_size_nor_shrinks_it(shape):
    sizes = Decoder().sizes(shape)
    assert sizes[-2:] == [shape, shape]
    for before, after in itertools.pairwise(sizes):
        assert all(m <= n <= 2 * m for m, n in zip(before, after, strict=True))


def test_weights_come_from_the_generator_alone():
    state = torch.random.get_rng_state()
    first, second, other = built(Decoder()), built(Decoder()), built(Decoder(), seed=1)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not torch.equal(next(first.parameters()), next(other.parameters()))
    assert torch.equal(state, torch.random.get_rng_state())


def test_without_upsampling_each_pixel_sees_itself_alone(generator):
    """In evaluation mode the normalisation does not couple the pixels."""
    network = built(Decoder(width=8, layers=1)).eval()
    z = torch.randn(1, 3, 32, 32, generator=generator)
    order = torch.randperm(32, generator=generator)
    assert torch.allclose(network(z[..., order]), network(z)[..., order], atol=1e-6)


def test_bfloat16_stays_close_to_float32(generator):
    network = built(Decoder(width=16))
    z = torch.rand(1, 3, 2, 2, generator=generator)
    full, half = network(z).detach(), network(z.bfloat16()).detach()
    assert half.dtype == torch.bfloat16
    assert float((full - half.float()).std() / full.std()) < 0.1


def test_it_denoises_without_being_stopped(phantom, generator):
    """At most a third of the noise's power is left after 400 iterations, and after 400 more."""
    clean = torch.as_tensor(phantom)[None, None] / 240 - 0.5
    noisy = clean + 0.1 * torch.randn(clean.shape, generator=generator)
    settings = Decoder(width=16)
    network = built(settings, channels_in=16, shape=(64, 64))
    z = 0.1 * torch.rand(1, 16, *settings.input_shape((64, 64)), generator=generator)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    errors = []
    for _ in range(800):
        optimizer.zero_grad()
        output = network(z)
        (output - noisy).square().mean().backward()
        optimizer.step()
        errors.append(float((output.detach() - clean).square().mean()))
    early, late = errors[350:400], errors[750:]
    assert max(sum(early), sum(late)) / 50 < 0.1**2 / 3
