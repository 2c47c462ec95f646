import json
import os
import pickle
import sys
import zipfile

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from napari_dip.errors import FileError
from napari_dip.pretrained import files
from napari_dip.pretrained import state_dicts as states
from napari_dip.pretrained.architectures import EDSR, RRDB, VDSR, Compact, DnCNN
from napari_dip.pretrained.files import load, save
from napari_dip.pretrained.model import Pretrained

from .conftest import randomised

X = torch.rand(1, 3, 9, 8, generator=torch.Generator().manual_seed(1))


def pretrained(network, **facts):
    return Pretrained(
        randomised(network),
        network.title,
        facts.pop("factor", network.factor),
        network.channels,
        "made",
        pre_upsampled=network.pre_upsampled,
        **facts,
    )


MADE = [
    pretrained(Compact(1, 4, 5, 2), record={"images": "none"}),
    pretrained(VDSR(1, 5, 3), factor=3),
    pretrained(DnCNN.plain(1, 5, 3), sigma=25.0),
    pretrained(EDSR(3, 5, 1, [2])),
    pretrained(RRDB(3, 5, 4, 1, 2)),
]


@pytest.fixture
def weights():
    return randomised(Compact(1, 2, 5, 2)).state_dict()


def facts(one):
    return {name: value for name, value in vars(one).items() if name not in ("network", "record", "source")}


@pytest.mark.parametrize("before", MADE, ids=lambda one: one.architecture)
def test_what_was_written_is_read(before, tmp_path):
    save(before, tmp_path / "a.safetensors")
    after = load(tmp_path / "a.safetensors")
    assert facts(after) == facts(before)
    assert after.record.items() >= before.record.items()
    assert after.source == "a.safetensors"
    x = X[:, : before.channels]
    assert torch.equal(after.network(x), before.network(x))


def test_a_file_is_the_same_each_time(tmp_path):
    for name in "ab":
        save(MADE[2], tmp_path / f"{name}.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def test_writing_into_no_folder_says_so(tmp_path):
    with pytest.raises(FileError, match="can't write"):
        save(MADE[0], tmp_path / "none" / "a.safetensors")


ENVELOPES = {
    "bare": lambda w: w,
    "params": lambda w: {"params": w},
    "averaged": lambda w: {"params": {name: 0 * value for name, value in w.items()}, "params_ema": w},
    "checkpoint": lambda w: {"epoch": 3, "optimizer": {"lr": 1e-3}, "state_dict": w},
    "nested": lambda w: {"model": {"state_dict": w}},
    "parallel": lambda w: {f"module.{name}": value for name, value in w.items()},
    "both": lambda w: {"state_dict": {f"model.module.{name}": value for name, value in w.items()}},
    "half": lambda w: {name: value.half() for name, value in w.items()},
    "parameters": lambda w: {name: nn.Parameter(value) for name, value in w.items()},
}


@pytest.mark.parametrize("ending", ["pth", "pt", "ckpt", "PTH"])
@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("envelope", ENVELOPES)
def test_a_state_dictionary_is_found_in_its_envelopes(envelope, zipped, ending, weights, tmp_path):
    path = tmp_path / f"a.{ending}"
    torch.save(ENVELOPES[envelope](weights), path, _use_new_zipfile_serialization=zipped)
    found = load(path)
    assert (found.architecture, found.factor, found.channels) == ("Compact", 2, 1)
    assert (found.sigma, found.record) == (None, {})
    for name, value in found.network.state_dict().items():
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, weights[name], rtol=1e-3, atol=1e-3)


def test_so_is_one_in_safetensors_that_others_wrote(weights, tmp_path):
    save_file(
        {f"module.{name}": value for name, value in weights.items()},
        tmp_path / "a.safetensors",
        {"format": "pt"},
    )
    assert load(tmp_path / "a.safetensors").architecture == "Compact"


def test_names_that_all_begin_alike_are_kept_where_they_are_right(tmp_path):
    network = randomised(DnCNN.plain(1, 5, 3))
    torch.save(network.state_dict(), tmp_path / "a.pth")
    assert load(tmp_path / "a.pth").architecture == "DnCNN"


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def legacy(thing, path):
    torch.save(thing, path, _use_new_zipfile_serialization=False)


def bare(thing, path):
    path.write_bytes(pickle.dumps(thing))


@pytest.mark.parametrize("write", [torch.save, legacy, bare])
@pytest.mark.parametrize("ending", ["pth", "pt", "ckpt", "safetensors"])
@pytest.mark.parametrize("place", ["alone", "within", "beside"])
def test_nothing_in_a_file_can_run(place, ending, write, weights, tmp_path):
    sprung = tmp_path / "sprung"
    bomb = Bomb(sprung)
    thing = {"alone": bomb, "within": {**weights, "z": bomb}, "beside": {"params": weights, "z": bomb}}
    write(thing[place], tmp_path / f"a.{ending}")
    with pytest.raises(FileError) as caught:
        load(tmp_path / f"a.{ending}")
    assert f"a.{ending}" in str(caught.value)
    assert "weights_only" not in str(caught.value)  # torch's own words tell how to let it run
    if write is not bare and ending != "safetensors":
        assert "would use posix.mkdir" in str(caught.value) or os.name == "nt"
    assert not sprung.exists()
    pickle.loads(pickle.dumps(bomb))  # it does go off
    assert sprung.exists()


class Whole(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(1, 1, 3, padding=1)

    def forward(self, x):
        return self.layer(x)


def test_a_whole_module_is_refused(tmp_path):
    torch.save(Whole(), tmp_path / "a.pth")
    with pytest.raises(FileError, match=r"holds more than weights, and would use \S*Whole .* FineTune"):
        load(tmp_path / "a.pth")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("ending", ["pt", "pth"])
def test_torchscript_is_refused_unopened(ending, tmp_path, monkeypatch):
    torch.jit.script(Whole()).save(str(tmp_path / f"a.{ending}"))
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("it was opened"))
    monkeypatch.setattr(torch.jit, "load", lambda *_, **__: pytest.fail("it was opened"))
    with pytest.raises(FileError, match=r"is a TorchScript file, a program .* give the module to FineTune"):
        load(tmp_path / f"a.{ending}")


@pytest.mark.parametrize(
    "names",
    [["archive_format", "models/model.json", "data/weights/weight_0"], ["serialized_state_dict.json"]],
)
@pytest.mark.parametrize("ending", ["pt2", "pt"])
def test_so_are_programs_of_torch_export(ending, names, tmp_path, monkeypatch):
    path = tmp_path / f"a.{ending}"
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(f"a/{name}", "{}")
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("it was opened"))
    with pytest.raises(FileError, match=r"is a torch\.export file, a program"):
        load(path)


def test_torch_writes_its_programs_as_they_are_recognised(tmp_path):
    pytest.importorskip("torch.export")
    torch.export.save(torch.export.export(Whole().eval(), (X[:, :1],)), tmp_path / "a.pt2")
    with pytest.raises(FileError, match=r"torch\.export"):
        load(tmp_path / "a.pt2")


@pytest.mark.parametrize("version", ["2.5.1", "2.9.0+cpu"])
def test_old_releases_of_torch_open_safetensors_alone(version, weights, tmp_path, monkeypatch):
    torch.save(weights, tmp_path / "a.pth")
    save_file(weights, tmp_path / "a.safetensors")
    monkeypatch.setattr(torch, "__version__", version)
    with pytest.raises(FileError, match=r"install torch 2\.10 or newer, or have .* \.safetensors"):
        load(tmp_path / "a.pth")
    assert load(tmp_path / "a.safetensors").architecture == "Compact"


@pytest.mark.parametrize("size", [0, 3, 100, 1500, -1])
@pytest.mark.parametrize("kind", ["safetensors", "pth", "legacy.pth"])
def test_a_truncated_file_is_refused(kind, size, weights, tmp_path):
    path = tmp_path / f"a.{kind}"
    if kind == "safetensors":
        save_file(weights, path)
    else:
        torch.save(weights, path, _use_new_zipfile_serialization=kind == "pth")
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(FileError, match=r"can't read .*a\."):
        load(path)


@pytest.mark.parametrize("ending", ["pth", "safetensors"])
def test_so_is_a_file_of_text(ending, tmp_path):
    (tmp_path / f"a.{ending}").write_text("a network, they said\n" * 100)
    with pytest.raises(FileError, match="can't read"):
        load(tmp_path / f"a.{ending}")


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(FileError, match="no such file"):
        load(tmp_path / "a.pth")


def test_a_kind_that_is_not_known_is_refused(tmp_path):
    (tmp_path / "a.onnx").write_bytes(b"x")
    with pytest.raises(FileError, match=r"safetensors, \.pth, \.pt or \.ckpt was wanted"):
        load(tmp_path / "a.onnx")


@pytest.mark.parametrize(
    "thing",
    [[1, 2], {}, {"a": 3}, {"params": {}}, {1: torch.zeros(2)}, torch.zeros(3), {"w": [torch.ones(1)]}],
)
def test_a_file_without_a_state_dictionary_says_what_was_wanted(thing, tmp_path):
    torch.save(thing, tmp_path / "a.pth")
    with pytest.raises(FileError, match="state dictionary"):
        load(tmp_path / "a.pth")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("ending", ["pth", "safetensors"])
def test_weights_that_are_no_numbers_are_refused(ending, value, weights, tmp_path):
    weights["body.3.weight"][-1] = value
    (torch.save if ending == "pth" else save_file)(weights, tmp_path / f"a.{ending}")
    with pytest.raises(FileError, match="some of its weights are no numbers"):
        load(tmp_path / f"a.{ending}")


@pytest.mark.parametrize(
    "header", ["{", "[1]", "null", '{"factor": "x"}', '{"record": 3}', '{"sigma": "25"}', '{"factor": 0}']
)
def test_a_broken_header_is_refused(header, weights, tmp_path):
    save_file(weights, tmp_path / "a.safetensors", {files._FORMAT: header})
    with pytest.raises(FileError, match="header can't be read"):
        load(tmp_path / "a.safetensors")


def test_the_header_tells_where_it_came_from(tmp_path):
    save(MADE[0], tmp_path / "a.safetensors")
    assert set(load(tmp_path / "a.safetensors").record) == {"images", "version"}


def test_what_names_begin_with_alike_is_taken_away_step_by_step():
    found = list(states.nested({"module.net.a": torch.ones(1), "module.net.b": torch.ones(1)}))
    assert [sorted(names) for names in found] == [
        ["module.net.a", "module.net.b"],
        ["net.a", "net.b"],
        ["a", "b"],
    ]


def test_an_unknown_architecture_without_spandrel_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "spandrel", None)
    save_file({"x.weight": torch.ones(2)}, tmp_path / "a.safetensors")
    with pytest.raises(FileError, match=r"Compact, DnCNN, .*`pip install \"napari-dip\[models\]\"`"):
        load(tmp_path / "a.safetensors")


@pytest.mark.parametrize(
    "error",
    [
        ModuleNotFoundError("No module named 'torchvision'", name="torchvision"),
        RuntimeError("operator torchvision::nms does not exist\nand more"),
        ImportError("undefined symbol"),
        AttributeError("partially initialized module 'torchvision'"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_torchvision_that_does_not_fit_says_which_would(error, tmp_path, monkeypatch):
    class Broken:
        def find_spec(self, name, *_):
            if name == "spandrel":
                raise error

    for name in [name for name in sys.modules if name.partition(".")[0] == "spandrel"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    save_file({"x.weight": torch.ones(2)}, tmp_path / "a.safetensors")
    first = str(error).splitlines()[0]
    with pytest.raises(FileError) as caught:
        load(tmp_path / "a.safetensors")
    assert f"({first}): install the torchvision that was made for torch {torch.__version__}" in str(
        caught.value
    )


def test_a_header_is_json(tmp_path):
    save(MADE[2], tmp_path / "a.safetensors")
    from safetensors import safe_open

    with safe_open(tmp_path / "a.safetensors", "pt") as file:
        (header,) = file.metadata().values()
    assert json.loads(header)["sigma"] == 25
    assert set(load_file(tmp_path / "a.safetensors")) == set(MADE[2].network.state_dict())
