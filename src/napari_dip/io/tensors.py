"""Tensors and plain values in safetensors files, which contain no code that could run."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_dip.errors import FileError
from napari_dip.io.atomic import new_file, trial_file

if TYPE_CHECKING:
    from torch import Tensor

#: Bytes of a file of weights, and number of weights: networks that restore images have far less.
LARGEST, _MOST = 2**32, 10_000
#: Largest absolute value of a weight. float32 can still square it.
_HIGHEST = 1e15


def write_tensors(
    path: Path,
    tensors: Mapping[str, "Tensor"],
    kind: str,
    header: Mapping[str, Any],
    *,
    overwrite: bool = True,
) -> None:
    """Write tensors with a header, whole or not at all.

    Parameters
    ----------
    path : Path
        File to write.
    tensors : mapping of str to Tensor
        Tensors by name.
    kind : str
        Kind of file and its version, under which the header is stored.
    header : mapping of str
        A description of the tensors, as plain JSON values.
    overwrite : bool
        Replace an existing file.

    Raises
    ------
    FileError
        The file can't be written, or it exists and is not to be replaced.
    """
    from safetensors.torch import save

    # Tensors that share memory can't be written, so copy them.
    copies = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    # A single entry: safetensors writes several in an order that changes from run to run.
    stored = save(copies, {kind: json.dumps(header)})
    with new_file(path, overwrite=overwrite) as file:
        file.write(stored)


@contextmanager
def reserved_tensors(path: Path, tensors: Mapping[str, "Tensor"]) -> Iterator[None]:
    """Hold the space of tensors on their disk, to check before a run if they can be written.

    Raises
    ------
    FileError
        The message says why not.
    """
    with trial_file(path) as file:
        for value in tensors.values():
            file.write(bytes(value.numel() * value.element_size()))
        file.flush()
        yield


def read_tensors(path: Path, kind: str) -> tuple[dict[str, "Tensor"], dict[str, Any] | None]:
    """Return the tensors of a file and its header.

    Parameters
    ----------
    path : Path
        An existing file.
    kind : str
        Kind of file, as in `write_tensors`.

    Returns
    -------
    (dict of str to Tensor, dict or None)
        The header is empty in files of other kinds, and None if it can't be decoded.

    Raises
    ------
    FileError
        The file is not a safetensors file, a broken one, or larger than `LARGEST`.
    """
    from safetensors import SafetensorError, safe_open

    if path.stat().st_size > LARGEST:
        raise FileError(
            f"{path} is refused: it is larger than {LARGEST // 2**30} GiB, the limit for a network"
        )
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  it is not a mapping
    except (SafetensorError, OSError, ValueError) as error:
        raise FileError(f"can't read {path}: not a safetensors file, or a broken one ({error})") from error
    try:
        header = json.loads(metadata.get(kind, "{}"))
    except (ValueError, RecursionError):  # nested without end
        header = None
    return tensors, header if isinstance(header, dict) else None


def checked_weights(weights: Mapping[str, "Tensor"], path: Path) -> dict[str, "Tensor"]:
    """Return the weights of a file, those that are real numbers as float32.

    Parameters
    ----------
    weights : mapping of str to Tensor
        Weights by name, in any format.
    path : Path
        The file that they are from.

    Raises
    ------
    FileError
        They are too many, or one of them has no values, or a value is not finite or too large.
    """
    import torch

    if len(weights) > _MOST:
        raise FileError(f"{path} is refused: it holds {len(weights)} weights, the limit is {_MOST}")
    if sum(value.numel() for value in weights.values()) * 4 > LARGEST:
        raise FileError(f"{path} is refused: its weights need more than {LARGEST // 2**30} GiB")
    try:
        found = {
            name: value.to(torch.float32) if value.is_floating_point() else value
            for name, value in weights.items()
        }
    except RuntimeError as error:  # some formats of few bits
        raise FileError(f"can't read {path}: its weights have a format that torch can't convert") from error
    for value in found.values():
        if not value.numel():
            raise FileError(f"{path} is broken: one of its weights has no values")
        if value.is_floating_point() and not value.isfinite().all():
            raise FileError(
                f"{path} is broken: it contains NaN or infinite weights, or some that float32 can't hold"
            )
        if value.is_floating_point() and value.abs().max() > _HIGHEST:
            raise FileError(f"{path} is refused: it contains weights larger than {_HIGHEST:g}")
    return found
