"""Read by suffix; write whole or not at all."""

import contextlib
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from napari_dip.errors import FileError
from napari_dip.io.picture import Picture, as_dtype


@dataclass(frozen=True)
class _Format:
    """Functions of a module, found when they are needed; `dtypes` where only these can be written."""

    module: str
    reader: str = "read"
    writer: str = "write"
    dtypes: tuple[str, ...] = ()

    def function(self, name: str) -> Callable[..., Any]:
        return getattr(import_module(f"napari_dip.io.{self.module}"), name)


_TIFF, _FITS = _Format("tiff"), _Format("fits")
_JPEG = _Format("raster", writer="write_jpeg", dtypes=("uint8",))
_FORMATS = {
    ".tif": _TIFF,
    ".tiff": _TIFF,
    ".fits": _FITS,
    ".fit": _FITS,
    ".fts": _FITS,
    ".png": _Format("raster", dtypes=("uint8", "uint16", "bool")),
    ".jpg": _JPEG,
    ".jpeg": _JPEG,
    ".npy": _Format("raster", "read_npy", "write_npy"),
}


def read(path: Path) -> Picture:
    """Read an image file.

    Raises
    ------
    FileError
        The file is absent, broken, or of an unknown kind.
    """
    if not path.is_file():
        raise FileError(f"no such file: {path}")
    known = _FORMATS.get(path.suffix.lower())
    reader = known.function(known.reader) if known else import_module("napari_dip.io.plugins").read
    try:
        return reader(path)
    except FileError:
        raise
    # What a decoder raises for a broken file differs from format to format, and from version to version.
    except Exception as error:
        raise FileError(f"can't read {path}: {error}") from error


def read_mask(path: Path) -> np.ndarray:
    """Read a mask: non-zero is missing, in a colour image if any channel is."""
    picture = read(path)
    colour = picture.axes is not None and picture.axes[-1] in "CS"
    return (picture.data != 0).any(-1) if colour else picture.data != 0


def writable(path: Path, source: Picture, *, keep_dtype: bool, overwrite: bool) -> None:
    """Refuse, before a long run, an output that could not be written after it.

    Raises
    ------
    FileError
        Says why, and what to do.
    """
    known = _FORMATS.get(path.suffix.lower())
    if known is None:
        raise FileError(f"can't write {path}: the suffix must be one of {', '.join(_FORMATS)}")
    if not path.parent.is_dir():
        raise FileError(f"can't write {path}: there is no folder {path.parent}")
    if path.exists() and not overwrite:
        raise FileError(f"{path} exists: choose another name, or say --overwrite")
    dtype = _dtype(known, source, keep_dtype)
    if known.dtypes and dtype.name not in known.dtypes:
        raise FileError(
            f"can't write {path}: {path.suffix} holds {' or '.join(known.dtypes)}, "
            f"the source is {dtype.name}; choose .tif"
        )
    if known.dtypes and _channels(source) not in (1, 3):
        raise FileError(f"can't write {path}: {path.suffix} holds one grey or RGB image; choose .tif")
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise FileError(f"can't write {path}: {error.strerror}") from error


def write(
    path: Path,
    data: np.ndarray,
    source: Picture,
    *,
    axes: str,
    provenance: dict[str, Any],
    keep_dtype: bool = False,
) -> int:
    """Write a restored image under a temporary name, then rename it.

    Parameters
    ----------
    path : Path
        Its suffix names the format. An existing file is replaced.
    data : ndarray of float32
        The restored image.
    source : Picture
        What was restored: dtype, pixel size and header are taken from it.
    axes : str
        One letter per axis.
    provenance : dict
        Plain JSON values.
    keep_dtype : bool
        Round to the source's dtype. PNG and JPEG always do.

    Returns
    -------
    int
        How many pixels were clipped to the range of the dtype.

    Raises
    ------
    FileError
        The disk is full or read-only, or the format can't hold the image. No file is left half-written.
    """
    known = _FORMATS[path.suffix.lower()]
    data, clipped = as_dtype(data, _dtype(known, source, keep_dtype))
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with temporary.open("wb") as file:
            known.function(known.writer)(file, data, source, axes, provenance)
        temporary.replace(path)
    except OSError as error:
        raise FileError(f"can't write {path}: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
    return clipped


def _dtype(known: _Format, source: Picture, keep_dtype: bool) -> np.dtype:
    native = source.data.dtype.newbyteorder("=")
    return native if keep_dtype or known.dtypes else np.dtype(np.float32)


def _channels(source: Picture) -> int:
    """Return 1 for a grey image, the number of channels of an interleaved one, 0 for anything else."""
    shape = source.data.shape
    return 1 if len(shape) == 2 else shape[-1] if len(shape) == 3 else 0
