"""Trained networks as files: numbers and plain text, nothing that can run."""

from importlib.resources import files
from pathlib import Path

from napari_dip.errors import FileError
from napari_dip.io.tensors import read_tensors, write_tensors
from napari_dip.pkn.kernels.base import ProceduralKernel
from napari_dip.pkn.network import ParameterNetwork
from napari_dip.pkn.trainer import Trained

_FORMAT = "napari-dip procedural kernel network 1"
_SETTING = "setting"


def save(trained: Trained, path: Path) -> None:
    """Write a trained network as a safetensors file, whose header says what it is.

    Raises
    ------
    FileError
        The folder can't be written to.
    """
    from napari_dip._version import __version__

    network = trained.network
    header = {
        "kernel": network.kernel.name,
        "factor": network.kernel.factor,
        "version": __version__,
        "record": trained.record,
    }
    write_tensors(path, {**network.state_dict(), _SETTING: trained.setting}, _FORMAT, header)


def load(path: Path, kernel: ProceduralKernel) -> Trained:
    """Read the trained network of a kernel.

    Raises
    ------
    FileError
        The file is absent or broken, holds something else, or the network of another kernel.
    """
    if not path.is_file():
        raise FileError(f"no such file: {path}")
    values, header = read_tensors(path, _FORMAT)
    if not header or not isinstance(header.get("record", {}), dict):
        raise FileError(f"{path} holds no procedural kernel network: train one with `napari-dip train-pkn`")
    named = header.get("kernel"), header.get("factor")
    if named != (kernel.name, kernel.factor):
        of = f"{kernel.name} with factor {kernel.factor}" if kernel.factor > 1 else kernel.name
        raise FileError(
            f"{path} holds the network of another kernel: {named[0]}, factor {named[1]}; {of} was wanted"
        )
    network = ParameterNetwork(kernel)
    wanted = {name: value.shape for name, value in network.state_dict().items()}
    found = {name: value.shape for name, value in values.items() if name != _SETTING}
    setting = values.get(_SETTING)
    if found != wanted or setting is None or setting.shape != (len(kernel.parameters),):
        raise FileError(f"{path} is broken: its weights are not those of a network for {kernel.name}")
    if not all(bool(value.isfinite().all()) for value in values.values()):
        raise FileError(f"{path} is broken: some of its weights are no numbers")
    network.load_state_dict({name: value for name, value in values.items() if name != _SETTING})
    return Trained(network.eval(), setting, {"version": header.get("version"), **header.get("record", {})})


def shipped(kernel: ProceduralKernel) -> Trained:
    """Return the network of a kernel that comes with the package."""
    name = kernel.name if kernel.factor == 1 else f"{kernel.name}-{kernel.factor}"
    return load(Path(str(files("napari_dip.pkn") / "weights" / f"{name}.safetensors")), kernel)
