import pytest
import torch

from napari_dip import Hourglass
from napari_dip.networks.blocks import Convolution
from napari_dip.networks.build import build
from napari_dip.networks.precision import compute_dtype


def built(settings, channels_in=3, channels_out=1, shape=(32, 32), seed=0):
    network = build(settings, channels_in, channels_out, shape)
    network.initialise(torch.Generator().manual_seed(seed))
    return network.train()


@pytest.mark.parametrize(
    "shape", [(8, 8), (1, 40), (33, 7), (64, 64), (5, 40, 1), (9, 16, 11), (20, 3, 3)], ids=str
)
@pytest.mark.parametrize(("padding", "downsampling"), [("zeros", "average"), ("reflect", "stride")])
def test_any_size_passes_in_2d_and_3d(shape, padding, downsampling):
    settings = Hourglass(widths=(4, 4, 4), skips=(2, 0, 2), padding=padding, downsampling=downsampling)
    z = torch.rand(1, 3, *shape)
    output = built(settings, shape=shape)(z)
    assert output.shape == (1, 1, *shape)
    assert output.isfinite().all()


def test_weights_come_from_the_generator_alone():
    state = torch.random.get_rng_state()
    first, second, other = built(Hourglass()), built(Hourglass()), built(Hourglass(), seed=1)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not torch.equal(next(first.parameters()), next(other.parameters()))
    assert torch.equal(state, torch.random.get_rng_state())


def test_weights_have_the_standard_deviation_of_torchs_default():
    ours = built(Hourglass(widths=(64,), skips=(0,)), channels_in=16).last.weight.detach()
    theirs = torch.nn.Conv2d(64, 1, 1).weight.detach()
    assert float(ours.std()) == pytest.approx(float(theirs.std()), rel=0.5)
    assert float(ours.abs().max()) <= 1 / 8


def test_bfloat16_stays_close_to_float32():
    network = built(Hourglass(widths=(8, 8), skips=(2, 2)))
    z = torch.rand(1, 3, 32, 32)
    full, half = network(z).detach(), network(z.bfloat16()).detach()
    assert half.dtype == torch.bfloat16
    assert float((full - half.float()).std() / full.std()) < 0.05


@pytest.mark.parametrize(
    "shape", [(1, 1), (2, 6), (1, 1, 1), (2, 3, 3), (2, 12, 12), (6, 2, 6), (3, 12, 12)], ids=str
)
@pytest.mark.parametrize("stride", [1, 2])
def test_gradients_in_bfloat16_stay_close_to_float32(shape, stride, generator):
    layer = Convolution(len(shape), 36, 32, 3, stride=stride, padding="zeros")
    layer.initialise(generator)
    x = torch.randn(1, 36, *shape, generator=generator)
    found = []
    for dtype in (torch.float32, torch.bfloat16):
        layer.zero_grad()
        layer(x.to(dtype)).float().square().sum().backward()
        found.append(layer.weight.grad.clone())
    exact, half = found
    assert float((half - exact).abs().max()) < 0.03 * float(exact.abs().max())


def test_contradictory_settings_are_refused():
    with pytest.raises(ValueError, match="2 widths, 1 skips"):
        Hourglass(widths=(4, 4), skips=(4,))
    with pytest.raises(ValueError, match="kernel_up must be odd, got 2"):
        Hourglass(kernel_up=2)


def test_the_precision_gives_the_number_format():
    cpu = torch.device("cpu")
    assert compute_dtype("float32", cpu) == torch.float32
    assert compute_dtype("bfloat16", cpu) == torch.bfloat16
    assert compute_dtype("auto", cpu) in (torch.float32, torch.bfloat16)
    assert compute_dtype("auto", torch.device("meta")) == torch.float32
