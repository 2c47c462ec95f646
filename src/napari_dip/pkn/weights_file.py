"""Trained networks as files that hold numbers and plain text, and nothing that can run."""

import copy
from dataclasses import replace
from functools import cache
from importlib.resources import files
from pathlib import Path

from napari_dip.errors import FileError
from napari_dip.io import refuse_no_file
from napari_dip.io.tensors import checked_weights, read_tensors, write_tensors
from napari_dip.pkn.kernels.base import ProceduralKernel
from napari_dip.pkn.kernels.registry import kernel_of
from napari_dip.pkn.network import ParameterNetwork, TrainedNetwork

_FORMAT = "napari-dip procedural kernel network 1"
_SETTING = "setting"
_LONGEST_NAME = 100
_ROUNDING = 1e-6  # of float32, as a share of a parameter's range


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
    name, factor = header.get("kernel"), header.get("factor")
    if not isinstance(name, str) or len(name) > _LONGEST_NAME or type(factor) is not int:
        raise FileError(f"{path} is broken: its header does not name a kernel and its factor")
    if (name, factor) != (kernel.name, kernel.factor):
        wanted = f"{kernel.name}, factor {kernel.factor}" if kernel.factor > 1 else kernel.name
        raise FileError(
            f"{path} holds the network of another kernel: {name}, factor {factor}; expected {wanted}"
        )
    network = ParameterNetwork(kernel)
    expected = {name: value.shape for name, value in network.state_dict().items()}
    found = {name: value.shape for name, value in values.items() if name != _SETTING}
    setting = values.get(_SETTING)
    if found != expected or setting is None or setting.shape != (len(kernel.parameters),):
        raise FileError(f"{path} is broken: its weights are not those of a network for {kernel.name}")
    if not all(value.is_floating_point() for value in values.values()):
        raise FileError(f"{path} is broken: its weights are not floating-point numbers")
    values = checked_weights(values, path)
    setting = values[_SETTING]
    for value, parameter in zip(setting.tolist(), kernel.parameters, strict=True):
        rounding = _ROUNDING * (parameter.high - parameter.low)
        if not parameter.low - rounding <= value <= parameter.high + rounding:
            raise FileError(
                f"{path} is broken: its setting of {parameter.name} must lie between {parameter.low:g} and "
                f"{parameter.high:g}, got {value:g}"
            )
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
