"""Tensors and plain values in safetensors files, which contain no code that could run."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_dip.errors import FileError

if TYPE_CHECKING:
    from torch import Tensor


def write_tensors(path: Path, tensors: Mapping[str, "Tensor"], kind: str, header: Mapping[str, Any]) -> None:
    """Write tensors with a header.

    Parameters
    ----------
    path : Path
        An existing file is replaced.
    tensors : mapping of str to Tensor
        Tensors by name.
    kind : str
        Kind of file and its version, under which the header is stored.
    header : mapping of str
        A description of the tensors, as plain JSON values.

    Raises
    ------
    FileError
        The file can't be written.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    # Tensors that share memory can't be written, so copy them.
    copies = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    try:
        # Write a single entry: safetensors writes several in an order that changes from run to run.
        save_file(copies, path, {kind: json.dumps(header)})
    except (OSError, SafetensorError) as error:
        raise FileError(f"can't write {path}: {error}") from error


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
