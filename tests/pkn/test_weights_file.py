import json
import os
import pickle
import subprocess
import sys
from importlib.resources import files

import pytest
import torch
from safetensors.torch import load_file, save_file

from napari_dip.errors import FileError
from napari_dip.pkn import weights_file
from napari_dip.pkn.kernels.gaussian import Anisotropic, Isotropic
from napari_dip.pkn.kernels.registry import kernel_of
from napari_dip.pkn.kernels.upsample import Upsample
from napari_dip.pkn.network import ParameterNetwork, TrainedNetwork
from napari_dip.pkn.weights_file import bundled, load, save

NAMES = ["isotropic", "anisotropic", "bilateral", "nlm", "reblur", "anisotropic-reblur"]
BUNDLED = [*map(kernel_of, NAMES), *map(Upsample, (2, 3, 4))]


def trained(kernel, seed=0):
    generator = torch.Generator().manual_seed(seed)
    network = ParameterNetwork(kernel)
    network.initialise(generator)
    torch.nn.init.normal_(network.last.weight, generator=generator)
    return TrainedNetwork(network, kernel.default(), {"images": "none", "local": 1.25, "seed": seed})


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "network.safetensors"
    save(trained(Anisotropic()), path)
    return path


def changed(path, header=None, **values):
    """Write a file again with other weights, or another header."""
    from safetensors import safe_open

    with safe_open(path, "pt") as opened:
        old = opened.metadata()
    save_file({**load_file(path), **values}, path, {**old, **(header or {})})


@pytest.mark.parametrize("kernel", [Anisotropic(), kernel_of("reblur"), Upsample(4)], ids=lambda k: k.name)
def test_a_saved_network_is_loaded_again(kernel, tmp_path):
    before = trained(kernel)
    save(before, tmp_path / "a")
    after = load(tmp_path / "a", kernel)
    for name, value in before.network.state_dict().items():
        assert torch.equal(after.network.state_dict()[name], value), name
    assert torch.equal(after.setting, before.setting)
    assert after.metadata.items() >= before.metadata.items()
    assert not after.network.training


def test_the_network_of_another_kernel_is_refused(file):
    with pytest.raises(FileError, match="another kernel: anisotropic, factor 1; expected isotropic"):
        load(file, Isotropic())


def test_the_network_of_another_factor_is_refused(tmp_path):
    save(trained(Upsample(3)), tmp_path / "a")
    with pytest.raises(FileError, match="upsample, factor 3; expected upsample, factor 2"):
        load(tmp_path / "a", Upsample(2))


@pytest.mark.parametrize("size", [0, 4, 100, 2000, -1])
def test_a_truncated_file_is_refused(size, file):
    file.write_bytes(file.read_bytes()[:size])
    with pytest.raises(FileError, match="not a safetensors file, or a broken one"):
        load(file, Anisotropic())


def test_a_text_file_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("not a network\n" * 100)
    with pytest.raises(FileError, match="not a safetensors file"):
        load(tmp_path / "notes.txt", Anisotropic())


def test_the_weights_of_another_model_are_refused(tmp_path):
    save_file({"weight": torch.zeros(3)}, tmp_path / "a", {"format": "pt"})
    save_file({"weight": torch.zeros(3)}, tmp_path / "b")
    for name in "ab":
        with pytest.raises(FileError, match="holds no procedural kernel network"):
            load(tmp_path / name, Anisotropic())


@pytest.mark.parametrize(
    "wrong",
    [
        {"last.bias": torch.zeros(4)},
        {"rest.7.weight": torch.zeros(1)},
        {"setting": torch.zeros(2)},
    ],
    ids=list,
)
def test_weights_of_another_shape_or_name_are_refused(wrong, file):
    changed(file, **wrong)
    with pytest.raises(FileError, match="weights are not those of a network for anisotropic"):
        load(file, Anisotropic())


@pytest.mark.parametrize(
    ("name", "value"),
    [("last.weight", float("nan")), ("first.bias", float("inf")), ("setting", float("nan"))],
)
def test_weights_that_are_not_finite_are_refused(name, value, file):
    values = load_file(file)[name].clone()
    values.view(-1)[-1] = value
    changed(file, **{name: values})
    with pytest.raises(FileError, match="contains NaN or infinite weights"):
        load(file, Anisotropic())


@pytest.mark.parametrize("value", [1e300, -1e300])
def test_weights_beyond_all_use_are_refused(value, file):
    values = load_file(file)["first.bias"].double()
    values[0] = value
    changed(file, **{"first.bias": values})
    with pytest.raises(FileError, match="or some that float32 can't hold"):
        load(file, Anisotropic())


@pytest.mark.parametrize("kind", [torch.int32, torch.bool, torch.complex64])
@pytest.mark.parametrize("name", ["first.bias", "setting"])
def test_weights_that_are_no_real_numbers_are_refused(name, kind, file):
    changed(file, **{name: load_file(file)[name].to(kind)})
    with pytest.raises(FileError, match="its weights are not floating-point numbers"):
        load(file, Anisotropic())


@pytest.mark.parametrize("value", [1e6, -1e6])
def test_a_setting_beyond_the_limits_of_its_parameter_is_refused(value, file):
    setting = load_file(file)["setting"].clone()
    setting[0] = value
    changed(file, setting=setting)
    with pytest.raises(FileError, match=r"its setting of \w+ must lie between \S+ and \S+, got -?1e\+06"):
        load(file, Anisotropic())


@pytest.mark.parametrize(
    "header",
    [
        {"kernel": ["anisotropic"], "factor": 1},
        {"kernel": "a" * 1000, "factor": 1},
        {"kernel": "anisotropic", "factor": True},
        {"kernel": "anisotropic", "factor": 1.0},
        {"kernel": "anisotropic"},
    ],
    ids=range(5),
)
def test_a_header_without_kernel_or_factor_is_refused(header, file):
    changed(file, {weights_file._FORMAT: json.dumps(header)})
    with pytest.raises(FileError, match="its header does not name a kernel and its factor"):
        load(file, Anisotropic())


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("write", [torch.save, lambda thing, path: path.write_bytes(pickle.dumps(thing))])
def test_nothing_in_a_file_can_run(write, tmp_path):
    sprung = tmp_path / "sprung"
    write({"weights": Bomb(sprung)}, tmp_path / "a.safetensors")
    with pytest.raises(FileError, match="not a safetensors file"):
        load(tmp_path / "a.safetensors", Anisotropic())
    assert not sprung.exists()


@pytest.mark.parametrize("header", ["{", "[1]", "null", "", '{"record": 3}', "[" * 100_000])
def test_a_header_without_metadata_is_refused(header, file):
    changed(file, {weights_file._FORMAT: header})
    with pytest.raises(FileError, match="no procedural kernel network"):
        load(file, Anisotropic())


def test_a_network_is_always_written_as_the_same_bytes(file, tmp_path):
    """Other processes have another order of what has none, such as sets."""
    code = (
        "import sys; from pathlib import Path; from napari_dip.pkn.kernels.gaussian import Anisotropic; "
        "from napari_dip.pkn.weights_file import load, save; "
        "save(load(Path(sys.argv[1]), Anisotropic()), Path(sys.argv[2]))"
    )
    copies = [tmp_path / f"{n}.safetensors" for n in range(2)]
    for copy in copies:
        subprocess.run([sys.executable, "-c", code, file, copy], check=True)
    assert copies[0].read_bytes() == copies[1].read_bytes()


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(FileError, match=f"no such file: {tmp_path / 'none.safetensors'}"):
        load(tmp_path / "none.safetensors", Anisotropic())
    with pytest.raises(FileError, match=f"{tmp_path} is a folder"):
        load(tmp_path, Anisotropic())


def test_a_file_in_a_missing_folder_can_not_be_written(tmp_path):
    with pytest.raises(FileError, match="can't write"):
        save(trained(Anisotropic()), tmp_path / "none" / "a.safetensors")


@pytest.mark.parametrize("kernel", BUNDLED, ids=lambda kernel: f"{kernel.name} {kernel.factor}")
def test_a_bundled_network_is_small_and_better_than_the_best_constant_setting(kernel):
    name = kernel.name if kernel.factor == 1 else f"{kernel.name}-{kernel.factor}"
    path = files("napari_dip.pkn") / "weights" / f"{name}.safetensors"
    assert len(path.read_bytes()) < 100_000
    trained = bundled(kernel)
    assert json.dumps(trained.metadata)
    assert trained.metadata["local"] > trained.metadata["single"]
    for value, parameter in zip(trained.setting, kernel.parameters, strict=True):
        assert parameter.low <= float(value) <= parameter.high


def test_a_bundled_network_is_read_once_and_copied_each_time(monkeypatch):
    reads = []
    monkeypatch.setattr(weights_file, "load", lambda *args: reads.append(args) or load(*args))
    weights_file._bundled.cache_clear()
    first, second = (bundled(Anisotropic()) for _ in range(2))
    assert len(reads) == 1
    torch.nn.init.zeros_(first.network.last.weight)
    assert second.network.last.weight.any()
    assert bundled(Anisotropic()).network.last.weight.any()
