"""State dictionaries from files that others wrote, read without running any code in them."""

import pickle
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.torch_version import TorchVersion

from napari_dip.errors import FileError

#: Suffixes of files that torch.save writes.
PICKLED = (".pth", ".pt", ".ckpt")
#: In older releases of torch even the restricted reader could be made to run code (CVE-2025-32434 and later
#: reports).
_SAFE = "2.10"
#: Names that training programs give to the entry with the weights. Averaged weights come first: they restore
#: better than the last ones.
_ENVELOPES = ("params_ema", "params", "state_dict", "model_state_dict", "model", "net")
_BY_HAND = "load it yourself in Python if you trust it, and pass the module to FineTune.of"


def read_pickled(path: Path) -> dict[str, Tensor]:
    """Return the weights in a file that torch.save wrote, by name.

    Raises
    ------
    FileError
        The file is broken, is a program, or holds anything but tensors.
    """
    if TorchVersion(torch.__version__) < _SAFE:
        raise FileError(
            f"{path} is a pickle, which torch {torch.__version__} can't open safely: install torch "
            f"{_SAFE} or newer, or get the weights as a .safetensors file"
        )
    _refuse_programs(path)
    try:
        contents = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # torch's own message explains how to let the file run, so it is not passed on.
        if wanted := re.search(r"GLOBAL ([\w.]+)", str(error)):
            raise FileError(
                f"{path} is refused: it holds more than weights, and would use {wanted[1]} when opened. "
                f"Ask for the state dictionary alone, or {_BY_HAND}"
            ) from error
        raise FileError(f"can't read {path}: it is broken, or not a file of weights") from error
    except Exception as error:
        # A broken pickle may raise anything.
        raise FileError(f"can't read {path}: it is broken, or not a file of weights") from error
    return _weights(contents, path)


def without_prefixes(weights: Mapping[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """Yield the weights by their names, then without each prefix that all names share, such as ``module.``"""
    while weights:
        yield dict(weights)
        first = {name.partition(".")[0] for name in weights}
        if len(first) > 1 or any("." not in name for name in weights):
            return
        weights = {name.partition(".")[2]: value for name, value in weights.items()}


def _refuse_programs(path: Path) -> None:
    """Refuse files that contain code. Only the directory of the archive is read."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = {name.partition("/")[2] for name in archive.namelist()}
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return  # torch's older format, or a broken file
    if "constants.pkl" in names or any(name.startswith("code/") for name in names):
        kind = "TorchScript"
    elif "archive_format" in names or any(name.endswith(".json") for name in names):
        kind = "torch.export"
    else:
        return
    raise FileError(
        f"{path} is refused: it is a {kind} file, a program that may run code when it is loaded; {_BY_HAND}"
    )


def _weights(contents: Any, path: Path) -> dict[str, Tensor]:
    """Return the tensors of a state dictionary, which may lie in an envelope."""
    while isinstance(contents, Mapping):
        inner = next((contents[name] for name in _ENVELOPES if isinstance(contents.get(name), Mapping)), None)
        if inner is None:
            break
        contents = inner
    if not isinstance(contents, Mapping) or not all(isinstance(name, str) for name in contents):
        raise FileError(f"{path} does not hold a state dictionary, that is, weights by name")
    tensors = {name: value for name, value in contents.items() if isinstance(value, Tensor) and _plain(value)}
    if not tensors or len(tensors) < len(contents):
        raise FileError(f"{path} holds more than weights: save the network's state dictionary alone")
    return tensors


def _plain(value: Tensor) -> bool:
    return value.layout == torch.strided and value.device.type == "cpu" and not value.is_quantized
