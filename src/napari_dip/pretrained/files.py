"""Files of pretrained networks. Their contents are checked, and no code in them is run."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from torch import Tensor

from napari_dip.errors import FileError
from napari_dip.io import refuse_no_file
from napari_dip.io.tensors import checked_weights, read_tensors, write_tensors
from napari_dip.pretrained.architectures import recognised
from napari_dip.pretrained.model import Pretrained, check_facts
from napari_dip.pretrained.spandrel import from_spandrel
from napari_dip.pretrained.state_dicts import PICKLED, read_pickled, without_prefixes

_FORMAT = "napari-dip network 1"
#: Digits of the number of a layer, and numbers that a small network may have as well.
_DIGITS, _LAYERS = 6, 100
#: Files whose networks stay in memory.
_KEPT = 2


def load(path: Path) -> Pretrained:
    """Read a network from a file that `save` wrote, or from a state dictionary of a known architecture.

    Parameters
    ----------
    path : Path
        A .safetensors file, or a .pth, .pt or .ckpt file, of which only the tensors are read.

    Raises
    ------
    FileError
        The file is missing or broken, contains code, or holds an unknown architecture.
    """
    refuse_no_file(path)
    header: dict[str, Any] | None = {}
    if path.suffix.lower() == ".safetensors":
        weights, header = read_tensors(path, _FORMAT)
    elif path.suffix.lower() in (*PICKLED, ".pt2"):
        weights = read_pickled(path)
    else:
        raise FileError(
            f"{path} is not a file of network weights: expected a state dictionary as .safetensors, "
            f"{', '.join(PICKLED[:-1])} or {PICKLED[-1]}"
        )
    if header is None:
        raise FileError(f"{path} is broken: its header can't be used")
    return _built(checked_weights(weights, path), header, path)


def load_shared(path: Path) -> Pretrained:
    """Return what `load` returns, but read the file only if it has changed since the last time.

    All callers share one network: copy it before you change it.
    """
    try:
        status = path.stat()
    except OSError:
        return load(path)  # raises an error that tells what is wrong
    return _load_version(path.absolute(), status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=_KEPT)
def _load_version(path: Path, _modified: int, _size: int) -> Pretrained:
    return load(path)


def save(pretrained: Pretrained, path: Path, *, overwrite: bool = True) -> None:
    """Write a network to a safetensors file whose header describes it.

    Raises
    ------
    FileError
        The file can't be written, or it exists and is not to be replaced.
    """
    from napari_dip._version import __version__

    header = {
        "factor": pretrained.factor,
        "sigma": pretrained.sigma,
        "record": {"version": __version__, **pretrained.metadata},
    }
    write_tensors(path, pretrained.network.state_dict(), _FORMAT, header, overwrite=overwrite)


def _built(weights: Mapping[str, Tensor], header: Mapping[str, Any], path: Path) -> Pretrained:
    """Return the network that has these weights."""
    factor, sigma = header.get("factor", 1), header.get("sigma")
    metadata = header.get("record", {})
    if not isinstance(metadata, dict):
        raise FileError(f"{path} is broken: its header can't be used")
    try:
        check_facts(factor=factor, sigma=sigma)
    except ValueError as error:
        raise FileError(f"{path} is broken: its header can't be used: {error}") from error
    if any(_too_high(name, len(weights)) for name in weights):
        raise FileError(f"{path} is broken: the numbers of its layers have gaps")
    candidates = list(without_prefixes(weights))
    for candidate in candidates:
        if (network := recognised(candidate)) is not None:
            try:
                return Pretrained(
                    network,
                    network.title,
                    factor if network.pre_upsampled else network.factor,
                    network.channels,
                    path.name,
                    pre_upsampled=network.pre_upsampled,
                    sigma=sigma,
                    metadata=metadata,
                )
            except ValueError as error:
                raise FileError(f"{path} is refused: {error}") from error
    return from_spandrel(candidates, path)


def _too_high(name: str, count: int) -> bool:
    """Return whether a name numbers a layer beyond what so many weights can have.

    Networks are made from the numbers in the names, and layers without weights are few between two with.
    """
    numbers = [part for part in name.split(".") if part.isdecimal()]
    return any(len(part) > _DIGITS or int(part) >= _LAYERS + 4 * count for part in numbers)
