"""Tensors as safetensors files, with plain values beside them: nothing in them can run."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_dip.errors import FileError

if TYPE_CHECKING:
    from torch import Tensor


def write_tensors(path: Path, tensors: Mapping[str, "Tensor"], kind: str, header: Mapping[str, Any]) -> None:
    """Write tensors, and what they are.

    Parameters
    ----------
    path : Path
        An existing file is replaced.
    tensors : mapping of str to Tensor
        By name.
    kind : str
        Of file, with its version: the name of the header.
    header : mapping of str
        Plain JSON values.

    Raises
    ------
    FileError
        The folder can't be written to.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    # Copies: tensors that share their memory can't be written.
    copies = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    try:
        # One entry: safetensors writes several in an order that changes from run to run.
        save_file(copies, path, {kind: json.dumps(header)})
    except (OSError, SafetensorError) as error:
        raise FileError(f"can't write {path}: {error}") from error


def read_tensors(path: Path, kind: str) -> tuple[dict[str, "Tensor"], dict[str, Any] | None]:
    """Return the tensors of a file, and its header: empty in files of others, None where it can't be read.

    Parameters
    ----------
    path : Path
        That exists.
    kind : str
        As it was written with.

    Raises
    ------
    FileError
        It is no safetensors file, or a broken one.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  it is no mapping
    except (SafetensorError, OSError, ValueError) as error:
        raise FileError(f"can't read {path}: no safetensors file, or a broken one ({error})") from error
    try:
        header = json.loads(metadata.get(kind, "{}"))
    except ValueError:
        header = None
    return tensors, header if isinstance(header, dict) else None
