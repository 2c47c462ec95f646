"""Pretrained networks as files: what is in them is checked, and nothing in them runs."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from napari_dip.errors import FileError
from napari_dip.pretrained.architectures import recognised
from napari_dip.pretrained.network import Pretrained
from napari_dip.pretrained.spandrels import from_spandrel
from napari_dip.pretrained.states import PICKLED, nested, read_pickled

_FORMAT = "napari-dip network 1"


def load(path: Path) -> Pretrained:
    """Read a network: one that `save` wrote, or a state dictionary of a known architecture.

    Parameters
    ----------
    path : Path
        A .safetensors file; or .pth, .pt or .ckpt, of which only tensors are read.

    Raises
    ------
    FileError
        The file is absent or broken, would run code, or holds another architecture.
    """
    if not path.is_file():
        raise FileError(f"no such file: {path}")
    header: dict[str, Any] = {}
    if path.suffix.lower() == ".safetensors":
        weights, header = _read(path)
    elif path.suffix.lower() in (*PICKLED, ".pt2"):
        weights = read_pickled(path)
    else:
        raise FileError(
            f"{path} is of a kind that is not known: a state dictionary as .safetensors, "
            f"{', '.join(PICKLED[:-1])} or {PICKLED[-1]} was wanted"
        )
    if not all(bool(value.isfinite().all()) for value in weights.values()):
        raise FileError(f"{path} is broken: some of its weights are no numbers")
    weights = {name: value.float() if value.is_floating_point() else value for name, value in weights.items()}
    return _described(weights, header, path)


def save(pretrained: Pretrained, path: Path) -> None:
    """Write a network as a safetensors file, whose header says what it is.

    Raises
    ------
    FileError
        The folder can't be written to.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    from napari_dip import __version__

    state = pretrained.network.state_dict()
    # Copies: tensors that share their memory can't be written.
    weights = {name: value.detach().cpu().contiguous().clone() for name, value in state.items()}
    header = {
        "factor": pretrained.factor,
        "sigma": pretrained.sigma,
        "record": {"version": __version__, **pretrained.record},
    }
    try:
        # One entry: safetensors writes several in an order that changes from run to run.
        save_file(weights, path, {_FORMAT: json.dumps(header)})
    except (OSError, SafetensorError) as error:
        raise FileError(f"can't write {path}: {error}") from error


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the weights of a safetensors file, and what it says of them, if we wrote it."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  it is no mapping
    except (SafetensorError, OSError, ValueError) as error:
        raise FileError(f"can't read {path}: no safetensors file, or a broken one ({error})") from error
    try:
        header = json.loads(metadata.get(_FORMAT, "{}"))
    except ValueError:
        header = None
    if not isinstance(header, dict):
        raise FileError(f"{path} is broken: its header can't be read")
    return weights, header


def _described(weights: Mapping[str, Tensor], header: Mapping[str, Any], path: Path) -> Pretrained:
    factor, sigma = header.get("factor", 1), header.get("sigma")
    record = header.get("record", {})
    if not (
        isinstance(factor, int)
        and factor >= 1
        and isinstance(sigma, float | int | None)
        and isinstance(record, dict)
    ):
        raise FileError(f"{path} is broken: its header can't be read")
    candidates = list(nested(weights))
    for candidate in candidates:
        if (network := recognised(candidate)) is not None:
            return Pretrained(
                network,
                network.title,
                factor if network.enlarged else network.factor,
                network.channels,
                path.name,
                enlarged=network.enlarged,
                sigma=sigma,
                record=record,
            )
    return from_spandrel(candidates, path)
