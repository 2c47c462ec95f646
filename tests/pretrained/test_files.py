import json
import os
import pickle
import sys
import zipfile
from itertools import product

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from napari_dip import FineTune
from napari_dip.errors import FileError
from napari_dip.pretrained import files
from napari_dip.pretrained.architectures import EDSR, RRDB, VDSR, Compact, DnCNN
from napari_dip.pretrained.files import load, load_shared, save
from napari_dip.pretrained.model import Pretrained
from napari_dip.pretrained.state_dicts import without_prefixes

from .conftest import randomised

X = torch.rand(1, 3, 9, 8, generator=torch.Generator().manual_seed(1))


def pretrained(network, **facts):
    return Pretrained(
        randomised(network),
        network.title,
        facts.pop("factor", network.factor),
        network.channels,
        "test",
        pre_upsampled=network.pre_upsampled,
        **facts,
    )


EXAMPLES = [
    pretrained(Compact(1, 4, 5, 2), metadata={"images": "none"}),
    pretrained(VDSR(1, 5, 3), factor=3),
    pretrained(DnCNN.plain(1, 5, 3), sigma=25.0),
    pretrained(EDSR(3, 5, 1, [2])),
    pretrained(RRDB(3, 5, 4, 1, 2)),
]


@pytest.fixture
def weights():
    return randomised(Compact(1, 2, 5, 2)).state_dict()


def facts(one):
    return {name: value for name, value in vars(one).items() if name not in ("network", "metadata", "source")}


@pytest.mark.parametrize("before", EXAMPLES, ids=lambda one: one.architecture)
def test_a_saved_network_is_loaded_again(before, tmp_path):
    save(before, tmp_path / "a.safetensors")
    after = load(tmp_path / "a.safetensors")
    assert facts(after) == facts(before)
    assert after.metadata.items() >= before.metadata.items()
    assert after.source == "a.safetensors"
    x = X[:, : before.channels]
    assert torch.equal(after.network(x), before.network(x))


def test_the_same_network_gives_the_same_file(tmp_path):
    for name in "ab":
        save(EXAMPLES[2], tmp_path / f"{name}.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(FileError, match="can't write"):
        save(EXAMPLES[0], tmp_path / "none" / "a.safetensors")


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


@pytest.mark.parametrize("envelope", ENVELOPES)
def test_a_state_dictionary_is_found_in_any_envelope(envelope, weights, tmp_path):
    torch.save(ENVELOPES[envelope](weights), tmp_path / "a.pth")
    found = load(tmp_path / "a.pth")
    assert (found.architecture, found.factor, found.channels) == ("Compact", 2, 1)
    assert (found.sigma, found.metadata) == (None, {})
    for name, value in found.network.state_dict().items():
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, weights[name], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("suffix", ["pt", "ckpt", "PTH"])
def test_all_files_of_torch_save_are_read(suffix, zipped, weights, tmp_path):
    torch.save(weights, tmp_path / f"a.{suffix}", _use_new_zipfile_serialization=zipped)
    assert load(tmp_path / f"a.{suffix}").architecture == "Compact"


def test_safetensors_of_other_programs_are_read(weights, tmp_path):
    save_file(
        {f"module.{name}": value for name, value in weights.items()},
        tmp_path / "a.safetensors",
        {"format": "pt"},
    )
    assert load(tmp_path / "a.safetensors").architecture == "Compact"


def test_a_prefix_that_belongs_to_the_names_is_kept(tmp_path):
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


@pytest.mark.parametrize(
    ("suffix", "write", "place"),
    [
        *product(["pth"], [torch.save, legacy, bare], ["alone", "within", "beside"]),
        *product(["pt", "ckpt", "safetensors"], [torch.save], ["within"]),
    ],
)
def test_no_code_in_a_file_is_run(suffix, write, place, weights, tmp_path):
    sprung = tmp_path / "sprung"
    bomb = Bomb(sprung)
    thing = {"alone": bomb, "within": {**weights, "z": bomb}, "beside": {"params": weights, "z": bomb}}
    write(thing[place], tmp_path / f"a.{suffix}")
    with pytest.raises(FileError) as caught:
        load(tmp_path / f"a.{suffix}")
    assert f"a.{suffix}" in str(caught.value)
    assert "weights_only" not in str(caught.value)  # torch's own message tells how to let it run
    if write is not bare and suffix != "safetensors":
        assert "would use posix.mkdir" in str(caught.value) or os.name == "nt"
    assert not sprung.exists()
    pickle.loads(pickle.dumps(bomb))  # the bomb works
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
    with pytest.raises(FileError, match=r"is a TorchScript file, a program .* pass the module to FineTune"):
        load(tmp_path / f"a.{ending}")


@pytest.mark.parametrize(
    "names",
    [["archive_format", "models/model.json", "data/weights/weight_0"], ["serialized_state_dict.json"]],
)
@pytest.mark.parametrize("ending", ["pt2", "pt"])
def test_files_of_torch_export_are_refused_unopened(ending, names, tmp_path, monkeypatch):
    path = tmp_path / f"a.{ending}"
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(f"a/{name}", "{}")
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("it was opened"))
    with pytest.raises(FileError, match=r"is a torch\.export file, a program"):
        load(path)


def test_a_file_that_torch_export_writes_is_refused(tmp_path):
    pytest.importorskip("torch.export")
    torch.export.save(torch.export.export(Whole().eval(), (X[:, :1],)), tmp_path / "a.pt2")
    with pytest.raises(FileError, match=r"torch\.export"):
        load(tmp_path / "a.pt2")


@pytest.mark.parametrize("version", ["2.5.1", "2.9.0+cpu"])
def test_old_releases_of_torch_open_only_safetensors(version, weights, tmp_path, monkeypatch):
    torch.save(weights, tmp_path / "a.pth")
    save_file(weights, tmp_path / "a.safetensors")
    monkeypatch.setattr(torch, "__version__", version)
    with pytest.raises(FileError, match=r"install torch 2\.10 or newer, or get .* \.safetensors"):
        load(tmp_path / "a.pth")
    assert load(tmp_path / "a.safetensors").architecture == "Compact"


@pytest.mark.parametrize("size", [0, 100, -1])
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


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_a_file_of_text_is_refused(suffix, tmp_path):
    (tmp_path / f"a.{suffix}").write_text("This is no network.\n" * 100)
    with pytest.raises(FileError, match="can't read"):
        load(tmp_path / f"a.{suffix}")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileError, match="no such file"):
        load(tmp_path / "a.pth")


def test_a_file_of_another_format_is_refused(tmp_path):
    (tmp_path / "a.onnx").write_bytes(b"x")
    with pytest.raises(FileError, match=r"expected .* \.safetensors, \.pth, \.pt or \.ckpt"):
        load(tmp_path / "a.onnx")


@pytest.mark.parametrize(
    "thing",
    [[1, 2], {}, {"a": 3}, {"params": {}}, {1: torch.zeros(2)}, torch.zeros(3), {"w": [torch.ones(1)]}],
)
def test_a_file_without_a_state_dictionary_is_refused(thing, tmp_path):
    torch.save(thing, tmp_path / "a.pth")
    with pytest.raises(FileError, match="state dictionary"):
        load(tmp_path / "a.pth")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("ending", ["pth", "safetensors"])
def test_nan_and_infinite_weights_are_refused(ending, value, weights, tmp_path):
    weights["body.3.weight"][-1] = value
    (torch.save if ending == "pth" else save_file)(weights, tmp_path / f"a.{ending}")
    with pytest.raises(FileError, match="contains NaN or infinite weights"):
        load(tmp_path / f"a.{ending}")


@pytest.mark.parametrize(
    "header",
    [
        "{",
        "[1]",
        "null",
        "[" * 100_000,
        '{"record": 3}',
        *(
            f'{{"factor": {one}}}'
            for one in ('"x"', "0", "-2", "17", "1e9", "1.5", "true", "null", "[2]", "9" * 5000)
        ),
        *(
            f'{{"sigma": {one}}}'
            for one in ('"25"', "-1", "1e300", "Infinity", "NaN", "true", "{}", "9" * 400)
        ),
    ],
    ids=lambda header: header[:30],
)
def test_a_broken_header_is_refused(header, weights, tmp_path):
    save_file(weights, tmp_path / "a.safetensors", {files._FORMAT: header})
    with pytest.raises(FileError, match="header can't be used"):
        load(tmp_path / "a.safetensors")


def test_the_metadata_have_the_version(tmp_path):
    save(EXAMPLES[0], tmp_path / "a.safetensors")
    assert set(load(tmp_path / "a.safetensors").metadata) == {"images", "version"}


def test_prefixes_are_removed_one_by_one():
    found = list(without_prefixes({"module.net.a": torch.ones(1), "module.net.b": torch.ones(1)}))
    assert [sorted(names) for names in found] == [
        ["module.net.a", "module.net.b"],
        ["net.a", "net.b"],
        ["a", "b"],
    ]


def test_without_spandrel_the_error_tells_what_to_install(tmp_path, monkeypatch):
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
def test_with_another_torchvision_the_error_tells_which_to_install(error, tmp_path, monkeypatch):
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
    assert f"({first}): install the torchvision that was built for torch {torch.__version__}" in str(
        caught.value
    )


def test_a_header_is_json(tmp_path):
    save(EXAMPLES[2], tmp_path / "a.safetensors")
    from safetensors import safe_open

    with safe_open(tmp_path / "a.safetensors", "pt") as file:
        (header,) = file.metadata().values()
    assert json.loads(header)["sigma"] == 25
    assert set(load_file(tmp_path / "a.safetensors")) == set(EXAMPLES[2].network.state_dict())


def test_a_file_is_read_again_only_if_it_has_changed(weights, tmp_path):
    path = tmp_path / "a.safetensors"
    save_file(weights, path)
    first = load_shared(path)
    assert load_shared(path) is first
    save_file({name: 2 * value for name, value in weights.items()}, path)
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1_000_000))
    second = load_shared(path)
    assert torch.equal(second.network.state_dict()["body.0.bias"], 2 * weights["body.0.bias"])


def test_a_missing_file_is_named_in_the_same_way(tmp_path):
    with pytest.raises(FileError, match="no such file"):
        load_shared(tmp_path / "a.pth")


@pytest.mark.parametrize("ending", ["pth", "safetensors"])
@pytest.mark.parametrize(
    ("value", "words"),
    [(1e300, "or some that float32 can't hold"), (-1e300, "infinite"), (1e30, r"weights larger than 1e\+15")],
)
def test_weights_beyond_all_use_are_refused(value, words, ending, weights, tmp_path):
    weights = {name: one.double() for name, one in weights.items()}
    weights["body.0.bias"][0] = value
    (torch.save if ending == "pth" else save_file)(weights, tmp_path / f"a.{ending}")
    with pytest.raises(FileError, match=rf"a\.{ending} is .*{words}"):
        load(tmp_path / f"a.{ending}")


@pytest.mark.parametrize("format", ["float64", "bfloat16", "float16", "float8_e4m3fn", "float8_e5m2"])
def test_weights_of_other_formats_become_float32(format, weights, tmp_path):
    kind = getattr(torch, format)
    save_file({name: value.to(kind) for name, value in weights.items()}, tmp_path / "a.safetensors")
    found = load(tmp_path / "a.safetensors").network.state_dict()
    for name, value in found.items():
        assert value.dtype == torch.float32
        assert torch.equal(value, weights[name].to(kind).float())


@pytest.mark.parametrize("kind", [torch.complex64, torch.int64, torch.bool, torch.uint16])
def test_weights_that_are_no_real_numbers_are_refused(kind, weights, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "spandrel", None)
    save_file({name: value.to(kind) for name, value in weights.items()}, tmp_path / "a.safetensors")
    with pytest.raises(FileError, match=r"a\.safetensors holds weights of an architecture other than"):
        load(tmp_path / "a.safetensors")


def test_a_weight_without_values_is_refused(weights, tmp_path):
    """Its shape could claim any size without a byte in the file."""
    for shape in ((10**8, 1, 0, 3), (0,)):
        save_file({**weights, "body.0.weight": torch.zeros(shape)}, tmp_path / "a.safetensors")
        with pytest.raises(FileError, match=r"a\.safetensors is broken: one of its weights has no values"):
            load(tmp_path / "a.safetensors")


@pytest.mark.parametrize("number", ["999999999", "999999", "1000", "9" * 5000, "٩٩٩٩٩"])
@pytest.mark.parametrize(
    "name", ["body.{}.weight", "model.{}.weight", "layers.{}.bias", "a.body.{}.conv1.weight"]
)
def test_a_layer_of_a_number_that_no_network_has_is_refused(name, number, weights, tmp_path):
    save_file({**weights, name.format(number): torch.ones(1)}, tmp_path / "a.safetensors")
    with pytest.raises(FileError, match=r"a\.safetensors is broken: the numbers of its layers have gaps"):
        load(tmp_path / "a.safetensors")


def test_more_weights_than_any_network_has_are_refused(tmp_path):
    save_file({f"x{n}": torch.ones(1) for n in range(10_001)}, tmp_path / "a.safetensors")
    with pytest.raises(FileError, match="it holds 10001 weights, the limit is 10000"):
        load(tmp_path / "a.safetensors")


@pytest.mark.parametrize("ending", ["pth", "safetensors"])
def test_a_file_larger_than_any_network_is_refused_unread(ending, tmp_path):
    path = tmp_path / f"a.{ending}"
    with path.open("wb") as file:
        file.truncate(2**32 + 1)  # a hole, which takes no space
    with pytest.raises(FileError, match=rf"a\.{ending} is refused: it is larger than 4 GiB"):
        load(path)


def test_a_factor_beyond_the_limit_is_refused(tmp_path):
    save_file(Compact(1, 17, 2, 1).state_dict(), tmp_path / "a.safetensors")
    with pytest.raises(FileError, match="the factor must be a whole number from 1 to 16, got 17"):
        load(tmp_path / "a.safetensors")


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"factor": 10**9}, "the factor must be a whole number from 1 to 16, got 1000000000"),
        ({"factor": 1.5}, "the factor must be a whole number"),
        ({"channels": 0}, "the number of channels must be a whole number from 1 to 1024, got 0"),
        ({"sigma": float("inf")}, "sigma must be a number from 0 to 255, got inf"),
        ({"sigma": float("nan")}, "sigma must be a number from 0 to 255, got nan"),
        ({"sigma": "25"}, "sigma must be a number from 0 to 255, got '25'"),
    ],
)
def test_what_no_file_may_say_no_caller_may_say(facts, words):
    with pytest.raises(ValueError, match=words):
        FineTune.of(nn.Identity(), **facts)


def test_a_name_of_many_prefixes_is_not_followed_to_its_end(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "spandrel", None)
    save_file({"a." * 300_000 + "weight": torch.ones(1)}, tmp_path / "a.safetensors")
    with pytest.raises(FileError, match=r"a\.safetensors holds weights of an architecture other than"):
        load(tmp_path / "a.safetensors")
    assert len(list(without_prefixes({"a." * 100 + "weight": torch.ones(1)}))) == 9
