import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from napari_dip.errors import FileError
from napari_dip.pretrained.files import load, save
from napari_dip.pretrained.spandrel import Padded

from .conftest import randomised

# A warning about the architectures in spandrel.
pytestmark = pytest.mark.filterwarnings("ignore:torch.meshgrid")


@pytest.fixture
def swin(spandrel):
    from spandrel.architectures.SwinIR import SwinIR

    return randomised(
        SwinIR(
            in_chans=3,
            embed_dim=12,
            depths=[1],
            num_heads=[2],
            window_size=8,
            upscale=2,
            upsampler="pixelshuffledirect",
            mlp_ratio=2,
        )
    )


@pytest.fixture
def file(swin, tmp_path):
    path = tmp_path / "swin.pth"
    torch.save({"params_ema": swin.state_dict()}, path)
    return path


def test_an_architecture_of_spandrel_is_loaded(file, swin):
    found = load(file)
    assert (found.architecture, found.factor, found.channels) == ("SwinIR", 2, 3)
    assert (found.source, found.pre_upsampled) == ("swin.pth", False)
    x = torch.rand(2, 3, 16, 24)
    torch.testing.assert_close(found.network(x), swin(x))


def test_it_can_be_saved_and_loaded_again(file, tmp_path):
    before = load(file)
    save(before, tmp_path / "a.safetensors")
    after = load(tmp_path / "a.safetensors")
    x = torch.rand(1, 3, 16, 16)
    assert torch.equal(after.network(x), before.network(x))
    assert (after.architecture, after.factor) == ("SwinIR", 2)


def test_spandrel_opens_no_file(file, spandrel, monkeypatch):
    for name in ("load_from_file", "load_state_dict_from_file"):
        monkeypatch.setattr(spandrel.ModelLoader, name, lambda *_: pytest.fail("a file was opened"))
    load(file)


def test_its_weights_have_gradients(file):
    network = load(file).network.train()
    network(torch.rand(1, 3, 9, 9)).sum().backward()
    assert any(p.grad is not None and p.grad.any() for p in network.parameters())


def test_an_unknown_architecture_is_refused(spandrel, tmp_path):
    save_file({"x.weight": torch.ones(2)}, tmp_path / "a.safetensors")
    with pytest.raises(FileError, match=r"\(Compact, .*VDSR\); spandrel does not know it either"):
        load(tmp_path / "a.safetensors")


def test_weights_that_do_not_fit_together_are_refused(file):
    weights = torch.load(file)["params_ema"]
    name = next(name for name in weights if "mlp.fc1.weight" in name)
    weights[name] = weights[name][:-1]
    torch.save(weights, file)
    with pytest.raises(FileError, match="do not form a network"):
        load(file)


def test_a_network_that_needs_more_than_an_image_is_refused(spandrel, tmp_path):
    """The second channel of FDnCNN is a map of the noise."""
    layers = [nn.Conv2d(2, 4, 3, padding=1), nn.ReLU()]
    for _ in range(6):
        layers += [nn.Conv2d(4, 4, 3, padding=1), nn.ReLU()]
    network = nn.ModuleDict({"model": nn.Sequential(*layers, nn.Conv2d(4, 1, 3, padding=1))})
    torch.save(network.state_dict(), tmp_path / "a.pth")
    with pytest.raises(FileError, match="does not map one image to another"):
        load(tmp_path / "a.pth")


@pytest.mark.parametrize("purpose", ["FaceSR", "Inpainting"])
def test_a_network_for_another_purpose_is_refused(purpose, file, spandrel, monkeypatch):
    usual = spandrel.MAIN_REGISTRY.load

    def other(weights):
        found = usual(weights)
        found._purpose = purpose
        return found

    monkeypatch.setattr(spandrel.MAIN_REGISTRY, "load", other)
    with pytest.raises(FileError, match="a network for another purpose: SwinIR"):
        load(file)


class Strict(nn.Module):
    """Doubles an image whose sides are multiples of 8, and at least 16."""

    def forward(self, x):
        assert all(n % 8 == 0 and n >= 16 for n in x.shape[2:])
        return x.repeat_interleave(2, 2).repeat_interleave(2, 3)


@pytest.mark.parametrize("shape", [(16, 24), (17, 19), (5, 30), (3, 2), (1, 1)])
@pytest.mark.parametrize("square", [False, True])
def test_images_of_any_size_are_padded(square, shape, spandrel):
    requirements = spandrel.SizeRequirements(minimum=16, multiple_of=8, square=square)
    x = torch.rand(2, 1, *shape)
    expected = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert torch.equal(Padded(Strict(), requirements, 2)(x), expected)
