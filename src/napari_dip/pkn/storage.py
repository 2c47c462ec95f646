"""Trained networks as files: numbers and plain text, nothing that can run."""

import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from napari_dip.errors import FileError
from napari_dip.pkn.kernel import ProceduralKernel
from napari_dip.pkn.network import ParameterNetwork
from napari_dip.pkn.training import Trained

_FORMAT = "napari-dip procedural kernel network 1"
_SETTING = "setting"


def save(trained: Trained, path: Path) -> None:
    """Write a trained network as a safetensors file, whose header says what it is.

    Raises
    ------
    FileError
        The folder can't be written to.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    from napari_dip import __version__

    network = trained.network
    weights = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    header = {
        "kernel": network.kernel.name,
        "factor": network.kernel.factor,
        "version": __version__,
        "record": trained.record,
    }
    try:
        # One entry: safetensors writes several in an order that changes from run to run.
        save_file({**weights, _SETTING: trained.setting}, path, {_FORMAT: json.dumps(header)})
    except (OSError, SafetensorError) as error:
        raise FileError(f"can't write {path}: {error}") from error


def load(path: Path, kernel: ProceduralKernel) -> Trained:
    """Read the trained network of a kernel.

    Raises
    ------
    FileError
        The file is absent or broken, holds something else, or the network of another kernel.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise FileError(f"no such file: {path}")
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            values = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  it is no mapping
    except (SafetensorError, OSError, ValueError) as error:
        raise FileError(f"can't read {path}: no safetensors file, or a broken one ({error})") from error
    header = _read(metadata)
    if header is None:
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


def _read(metadata: Mapping[str, str]) -> dict[str, Any] | None:
    """Return what a file says of its network; None where it says nothing that we wrote."""
    try:
        header = json.loads(metadata.get(_FORMAT, ""))
    except ValueError:
        return None
    return header if isinstance(header, dict) and isinstance(header.get("record", {}), dict) else None
