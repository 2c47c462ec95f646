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
from napari_dip.pkn import weights_file as storage
from napari_dip.pkn.kernels.gaussian import Anisotropic, Isotropic
from napari_dip.pkn.kernels.registry import KERNELS, kernel_of
from napari_dip.pkn.kernels.upsample import Upsample
from napari_dip.pkn.network import ParameterNetwork
from napari_dip.pkn.trainer import Trained
from napari_dip.pkn.weights_file import load, save, shipped

SHIPPED = [
    kernel
    for name in KERNELS
    for kernel in ([kernel_of(name, f) for f in (2, 3, 4)] if name == "upsample" else [kernel_of(name)])
    if (
        files("napari_dip.pkn")
        / "weights"
        / f"{name}{f'-{kernel.factor}' if kernel.factor > 1 else ''}.safetensors"
    ).is_file()
]


def trained(kernel, seed=0):
    generator = torch.Generator().manual_seed(seed)
    network = ParameterNetwork(kernel)
    network.initialise(generator)
    torch.nn.init.normal_(network.last.weight, generator=generator)
    return Trained(network, kernel.default(), {"images": "none", "local": 1.25, "seed": seed})


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


@pytest.mark.parametrize(
    "kernel", [*map(kernel_of, KERNELS), Upsample(4)], ids=lambda k: f"{k.name} {k.factor}"
)
def test_what_was_written_is_read(kernel, tmp_path):
    before = trained(kernel)
    save(before, tmp_path / "a")
    after = load(tmp_path / "a", kernel)
    for name, value in before.network.state_dict().items():
        assert torch.equal(after.network.state_dict()[name], value), name
    assert torch.equal(after.setting, before.setting)
    assert after.record.items() >= before.record.items()
    assert not after.network.training


def test_a_file_with_another_kernels_network_says_whose_it_is(file):
    with pytest.raises(FileError, match=r"another kernel: anisotropic, factor 1; isotropic was wanted"):
        load(file, Isotropic())


def test_so_does_one_of_another_factor(tmp_path):
    save(trained(Upsample(3)), tmp_path / "a")
    with pytest.raises(FileError, match=r"upsample, factor 3; upsample with factor 2 was wanted"):
        load(tmp_path / "a", Upsample(2))


@pytest.mark.parametrize("size", [0, 4, 100, 2000, -1])
def test_a_truncated_file_is_refused(size, file):
    file.write_bytes(file.read_bytes()[:size])
    with pytest.raises(FileError, match="not a safetensors file, or a broken one"):
        load(file, Anisotropic())


def test_so_is_a_file_of_text(tmp_path):
    (tmp_path / "notes.txt").write_text("a network, they said\n" * 100)
    with pytest.raises(FileError, match="not a safetensors file"):
        load(tmp_path / "notes.txt", Anisotropic())


def test_so_are_the_weights_of_something_else(tmp_path):
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


@pytest.mark.parametrize("name", ["last.weight", "first.bias", "setting"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(name, value, file):
    values = load_file(file)[name].clone()
    values.view(-1)[-1] = value
    changed(file, **{name: values})
    with pytest.raises(FileError, match="some of its weights are no numbers"):
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


@pytest.mark.parametrize("header", ["{", "[1]", "null", "", '{"record": 3}'])
def test_a_header_that_says_nothing_is_of_no_network(header, file):
    changed(file, {storage._FORMAT: header})
    with pytest.raises(FileError, match="no procedural kernel network"):
        load(file, Anisotropic())


def test_a_network_is_written_in_the_same_bytes_each_time(file, tmp_path):
    """In another process too, where what has no order has another one."""
    code = (
        "import sys; from pathlib import Path; from napari_dip.pkn.kernels.gaussian import Anisotropic; "
        "from napari_dip.pkn.weights_file import load, save; "
        "save(load(Path(sys.argv[1]), Anisotropic()), Path(sys.argv[2]))"
    )
    copies = [tmp_path / f"{n}.safetensors" for n in range(2)]
    for copy in copies:
        subprocess.run([sys.executable, "-c", code, file, copy], check=True)
    assert copies[0].read_bytes() == copies[1].read_bytes()


def test_a_file_that_is_not_there_and_a_folder_are_named(tmp_path):
    for path in (tmp_path / "none.safetensors", tmp_path):
        with pytest.raises(FileError, match=f"no such file: {path}"):
            load(path, Anisotropic())


def test_a_folder_that_is_not_there_can_not_be_written_to(tmp_path):
    with pytest.raises(FileError, match="can't write"):
        save(trained(Anisotropic()), tmp_path / "none" / "a.safetensors")


@pytest.mark.parametrize("kernel", SHIPPED, ids=lambda kernel: f"{kernel.name} {kernel.factor}")
class TestShipped:
    def test_it_is_small_and_says_what_it_was_trained_on(self, kernel):
        name = kernel.name if kernel.factor == 1 else f"{kernel.name}-{kernel.factor}"
        path = files("napari_dip.pkn") / "weights" / f"{name}.safetensors"
        assert len(path.read_bytes()) < 100_000
        assert json.dumps(shipped(kernel).record)

    def test_it_did_better_than_the_best_single_setting(self, kernel):
        record = shipped(kernel).record
        assert record["local"] > record["single"]

    def test_its_single_setting_lies_within_the_limits(self, kernel):
        for value, parameter in zip(shipped(kernel).setting, kernel.parameters, strict=True):
            assert parameter.low <= float(value) <= parameter.high
