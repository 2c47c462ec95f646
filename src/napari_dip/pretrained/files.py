"""Pretrained networks as files: what is in them is checked, and nothing in them runs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from napari_dip.errors import FileError
from napari_dip.io.tensors import read_tensors, write_tensors
from napari_dip.pretrained.architectures import recognised
from napari_dip.pretrained.model import Pretrained
from napari_dip.pretrained.spandrel import from_spandrel
from napari_dip.pretrained.state_dicts import PICKLED, nested, read_pickled

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
    header: dict[str, Any] | None = {}
    if path.suffix.lower() == ".safetensors":
        weights, header = read_tensors(path, _FORMAT)
    elif path.suffix.lower() in (*PICKLED, ".pt2"):
        weights = read_pickled(path)
    else:
        raise FileError(
            f"{path} is of a kind that is not known: a state dictionary as .safetensors, "
            f"{', '.join(PICKLED[:-1])} or {PICKLED[-1]} was wanted"
        )
    if header is None:
        raise FileError(f"{path} is broken: its header can't be read")
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
    from napari_dip._version import __version__

    header = {
        "factor": pretrained.factor,
        "sigma": pretrained.sigma,
        "record": {"version": __version__, **pretrained.record},
    }
    write_tensors(path, pretrained.network.state_dict(), _FORMAT, header)


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
                factor if network.pre_upsampled else network.factor,
                network.channels,
                path.name,
                pre_upsampled=network.pre_upsampled,
                sigma=sigma,
                record=record,
            )
    return from_spandrel(candidates, path)
