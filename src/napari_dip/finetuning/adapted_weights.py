"""The weights that a network was fine-tuned to, kept in a temporary file."""

import contextlib
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_dip.errors import FileError
from napari_dip.io.tensors import write_tensors

if TYPE_CHECKING:
    from torch import Tensor

_FORMAT = "napari-dip adapted weights 1"
#: Space that must stay free on the disk: this many bytes, or this share of a small disk.
_SPARE, _SHARE = 2**30, 0.1


class AdaptedWeights(Mapping[str, "Tensor"]):
    """A state dictionary in a temporary file, so that the frames of a long series do not fill the memory.

    A tensor is read each time it is asked for. The file is deleted with this object, or at the latest when
    Python exits. A copy and a pickle of the object are plain dictionaries.

    Parameters
    ----------
    weights : mapping of str to Tensor
        The state dictionary.

    Raises
    ------
    FileError
        The folder for temporary files is full or can't be written to.
    """

    def __init__(self, weights: Mapping[str, "Tensor"]) -> None:
        self._names = tuple(weights)
        self._path = _new_file(sum(value.numel() * value.element_size() for value in weights.values()))
        weakref.finalize(self, _delete, self._path)
        write_tensors(self._path, weights, _FORMAT, {})

    def __getitem__(self, name: str) -> "Tensor":
        from safetensors import safe_open

        if name not in self._names:
            raise KeyError(name)
        with safe_open(self._path, "pt") as file:
            # A copy, because the tensor would keep the file open.
            return file.get_tensor(name).clone()

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)


def _new_file(size: int) -> Path:
    """Return an empty temporary file on a disk with space for this many bytes."""
    folder = Path(tempfile.gettempdir())
    try:
        usage = shutil.disk_usage(folder)
        if usage.free - size < min(_SPARE, _SHARE * usage.total):
            raise FileError(f"the disk with the folder {folder} for temporary files is full")
        handle, name = tempfile.mkstemp(".safetensors", "napari-dip-")
        os.close(handle)
    except OSError as error:
        raise FileError(f"can't write to the folder for temporary files: {error}") from error
    return Path(name)


def _delete(path: Path) -> None:
    with contextlib.suppress(OSError):  # another program may have deleted it, or hold it open
        path.unlink()
