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
        The file is not a safetensors file, or a broken one.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  it is not a mapping
    except (SafetensorError, OSError, ValueError) as error:
        raise FileError(f"can't read {path}: not a safetensors file, or a broken one ({error})") from error
    try:
        header = json.loads(metadata.get(kind, "{}"))
    except ValueError:
        header = None
    return tensors, header if isinstance(header, dict) else None
