"""State dictionaries from files that others made, without running anything that is in them."""

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

#: Endings of files that torch.save writes.
PICKLED = (".pth", ".pt", ".ckpt")
#: Older releases of torch could be made to run code even so (CVE-2025-32434, and what was found after it).
_SAFE = "2.10"
#: What training programs call the entry that holds the weights; averaged ones are better than the last ones.
_ENVELOPES = ("params_ema", "params", "state_dict", "model_state_dict", "model", "net")
_BY_HAND = "load it yourself in Python if you trust it, and give the module to FineTune"


def read_pickled(path: Path) -> dict[str, Tensor]:
    """Return the weights that torch.save wrote, by name.

    Raises
    ------
    FileError
        The file is broken, is a program, or holds other things than tensors.
    """
    if TorchVersion(torch.__version__) < _SAFE:
        raise FileError(
            f"{path} is a pickle, which torch {torch.__version__} does not open safely: install torch "
            f"{_SAFE} or newer, or have the weights as a .safetensors file"
        )
    _refuse_programs(path)
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # torch's own words advise to let the file run.
        if asked := re.search(r"GLOBAL ([\w.]+)", str(error)):
            raise FileError(
                f"{path} is refused: it holds more than weights, and would use {asked[1]} when it is opened. "
                f"Ask for the state dictionary alone, or {_BY_HAND}"
            ) from error
        raise FileError(f"can't read {path}: it is broken, or no file of weights") from error
    except Exception as error:
        # A broken pickle may raise anything.
        raise FileError(f"can't read {path}: it is broken, or no file of weights") from error
    return _weights(found, path)


def nested(weights: Mapping[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """Yield weights by their names, then without what all of them begin with, such as ``module.``."""
    while weights:
        yield dict(weights)
        first = {name.partition(".")[0] for name in weights}
        if len(first) > 1 or any("." not in name for name in weights):
            return
        weights = {name.partition(".")[2]: value for name, value in weights.items()}


def _refuse_programs(path: Path) -> None:
    """Refuse what holds code, by the directory of the archive alone."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = {name.partition("/")[2] for name in archive.namelist()}
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return  # torch's older format, or broken
    if "constants.pkl" in names or any(name.startswith("code/") for name in names):
        kind = "TorchScript"
    elif "archive_format" in names or any(name.endswith(".json") for name in names):
        kind = "torch.export"
    else:
        return
    raise FileError(
        f"{path} is refused: it is a {kind} file, a program that may run code when it is loaded; {_BY_HAND}"
    )


def _weights(found: Any, path: Path) -> dict[str, Tensor]:
    while isinstance(found, Mapping):
        inner = next((found[name] for name in _ENVELOPES if isinstance(found.get(name), Mapping)), None)
        if inner is None:
            break
        found = inner
    if not isinstance(found, Mapping) or not all(isinstance(name, str) for name in found):
        raise FileError(f"{path} holds no state dictionary: names with their weights were wanted")
    tensors = {name: value for name, value in found.items() if isinstance(value, Tensor) and _plain(value)}
    if not tensors or len(tensors) < len(found):
        raise FileError(f"{path} holds other things than weights: save the network's state dictionary alone")
    return tensors


def _plain(value: Tensor) -> bool:
    return value.layout == torch.strided and value.device.type == "cpu" and not value.is_quantized
