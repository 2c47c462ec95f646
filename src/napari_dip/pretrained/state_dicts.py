"""State dictionaries from files that others wrote, read without running any code in them."""

import zipfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.torch_version import TorchVersion

from napari_dip.errors import FileError
from napari_dip.pretrained.inspection import inspect
from napari_dip.pretrained.pickles import NotAllowedError, TooLargeError

#: Suffixes of files that torch.save writes.
PICKLED = (".pth", ".pt", ".ckpt")
#: In older releases of torch even the restricted reader could be made to run code (CVE-2025-32434 and later
#: reports).
_SAFE = "2.10"
#: Names that training programs give to the entry with the weights. Averaged weights come first: they restore
#: better than the last ones.
_ENVELOPES = ("params_ema", "params", "state_dict", "model_state_dict", "model", "net")
_MOST_ENVELOPES, _MOST_PREFIXES = 4, 8
_BY_HAND = "load it yourself in Python if you trust it, and pass the module to FineTune.of"

#: What torch may make is the same for all threads.
_OPENING = Lock()


def read_pickled(path: Path) -> dict[str, Tensor]:
    """Return the weights in a file that torch.save wrote, by name.

    Plain values beside them, such as the number of an epoch, are left out.

    Raises
    ------
    FileError
        The file is broken, is a program, is larger than `inspection` allows, or holds more than weights and
        plain values.
    """
    if TorchVersion(torch.__version__) < _SAFE:
        raise FileError(
            f"{path} is a pickle, which torch {torch.__version__} can't open safely: install torch "
            f"{_SAFE} or newer, or get the weights as a .safetensors file"
        )
    _refuse_programs(path)
    try:
        with _allowed(inspect(path)):
            contents = torch.load(path, map_location="cpu", weights_only=True)
    except TooLargeError as error:
        raise FileError(f"{path} is refused: {error}") from error
    except NotAllowedError as error:
        raise FileError(
            f"{path} is refused: it holds more than weights, and would use {error} when opened. "
            f"Ask for the state dictionary alone, or {_BY_HAND}"
        ) from error
    except Exception as error:
        # A broken pickle may raise anything. torch's own messages explain how to let a file run, so they are
        # not passed on.
        raise FileError(f"can't read {path}: it is broken, or not a file of weights") from error
    return _weights(contents, path)


@contextmanager
def _allowed(names: Collection[str]) -> Iterator[None]:
    """Let torch make bytes, and numbers and arrays of NumPy, if these names need it, for one file."""
    if not any(name.startswith(("numpy.", "builtins.bytes")) for name in names):
        yield
        return
    known = torch.serialization.get_safe_globals()
    wanted = [one for one in _plain_values() if one not in known]  # what the user allows stays allowed
    with _OPENING, torch.serialization.safe_globals(wanted):
        yield


@cache
def _plain_values() -> list[Any]:
    """Return what bytes, and numbers and arrays of all versions of NumPy, are made with."""
    scalar, reconstruct = (one.__reduce__()[0] for one in (np.float64(), np.empty(0)))
    kinds = {type(np.dtype(code)) for code in "?bhilqBHILQefdFD"}
    return [
        (bytes, "builtins.bytes"),
        (np.dtype, "numpy.dtype"),
        (np.ndarray, "numpy.ndarray"),
        *((kind, f"numpy.dtypes.{kind.__name__}") for kind in kinds),
        *((scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
        *((reconstruct, f"numpy.{core}.multiarray._reconstruct") for core in ("core", "_core")),
    ]


def without_prefixes(weights: Mapping[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """Yield the weights by their names, then without prefixes that all names share, such as ``module.``"""
    for _ in range(_MOST_PREFIXES + 1 if weights else 0):
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
    """Return the tensors of a state dictionary, which may lie in envelopes within each other."""
    for _ in range(_MOST_ENVELOPES):
        if not isinstance(contents, Mapping):
            break
        inner = next((contents[name] for name in _ENVELOPES if isinstance(contents.get(name), Mapping)), None)
        if inner is None:
            break
        contents = inner
    if not isinstance(contents, Mapping) or not all(isinstance(name, str) for name in contents):
        raise FileError(f"{path} does not hold a state dictionary, that is, weights by name")
    tensors = {name: value for name, value in contents.items() if isinstance(value, Tensor)}
    others = [value for value in contents.values() if not isinstance(value, Tensor)]
    if not tensors or _hold_tensors(others):
        raise FileError(f"{path} holds more than weights: save the network's state dictionary alone")
    return tensors


def _hold_tensors(values: list[Any]) -> bool:
    """Return whether a tensor lies somewhere in these values, which may hold each other in circles."""
    waiting, seen = list(values), set[int]()
    while waiting:
        value = waiting.pop()
        if isinstance(value, Tensor):
            return True
        if isinstance(value, Mapping | list | tuple | set) and id(value) not in seen:
            seen.add(id(value))
            waiting += value.values() if isinstance(value, Mapping) else value
    return False
