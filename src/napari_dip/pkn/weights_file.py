"""Trained networks as files that hold numbers and plain text, and nothing that can run."""

import copy
from dataclasses import replace
from functools import cache
from importlib.resources import files
from pathlib import Path

from napari_dip.errors import FileError
from napari_dip.io import refuse_no_file
from napari_dip.io.tensors import read_tensors, write_tensors
from napari_dip.pkn.kernels.base import ProceduralKernel
from napari_dip.pkn.kernels.registry import kernel_of
from napari_dip.pkn.network import ParameterNetwork, TrainedNetwork

_FORMAT = "napari-dip procedural kernel network 1"
_SETTING = "setting"


def save(trained: TrainedNetwork, path: Path, *, overwrite: bool = True) -> None:
    """Write a trained network to a safetensors file, with its metadata in the header.

    Raises
    ------
    FileError
        The file can't be written, or it exists and is not to be replaced.
    """
    from napari_dip._version import __version__

    network = trained.network
    header = {
        "kernel": network.kernel.name,
        "factor": network.kernel.factor,
        "version": __version__,
        "record": trained.metadata,
    }
    tensors = {**network.state_dict(), _SETTING: trained.setting}
    write_tensors(path, tensors, _FORMAT, header, overwrite=overwrite)


def load(path: Path, kernel: ProceduralKernel) -> TrainedNetwork:
    """Read the trained network of a kernel.

    Raises
    ------
    FileError
        The file is absent or broken, holds something else, or holds the network of another kernel.
    """
    refuse_no_file(path)
    values, header = read_tensors(path, _FORMAT)
    if not header or not isinstance(header.get("record", {}), dict):
        raise FileError(f"{path} holds no procedural kernel network: train one with `napari-dip train-pkn`")
    named = header.get("kernel"), header.get("factor")
    if named != (kernel.name, kernel.factor):
        wanted = f"{kernel.name}, factor {kernel.factor}" if kernel.factor > 1 else kernel.name
        raise FileError(
            f"{path} holds the network of another kernel: {named[0]}, factor {named[1]}; expected {wanted}"
        )
    network = ParameterNetwork(kernel)
    expected = {name: value.shape for name, value in network.state_dict().items()}
    found = {name: value.shape for name, value in values.items() if name != _SETTING}
    setting = values.get(_SETTING)
    if found != expected or setting is None or setting.shape != (len(kernel.parameters),):
        raise FileError(f"{path} is broken: its weights are not those of a network for {kernel.name}")
    if not all(bool(value.isfinite().all()) for value in values.values()):
        raise FileError(f"{path} is broken: it contains NaN or infinite weights")
    weights = {name: value for name, value in values.items() if name != _SETTING}
    network.load_state_dict(weights, assign=True)
    metadata = {"version": header.get("version"), **header.get("record", {})}
    return TrainedNetwork(network.eval(), setting, metadata)


def bundled(kernel: ProceduralKernel) -> TrainedNetwork:
    """Return a copy of the trained network of a kernel that comes with the package."""
    trained = _bundled(kernel.name, kernel.factor)
    return replace(trained, network=copy.deepcopy(trained.network))


@cache
def _bundled(name: str, factor: int) -> TrainedNetwork:
    """Read a bundled network, once: each frame of a series asks for it."""
    file = name if factor == 1 else f"{name}-{factor}"
    path = Path(str(files("napari_dip.pkn") / "weights" / f"{file}.safetensors"))
    return load(path, kernel_of(name, factor))
