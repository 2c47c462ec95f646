"""Read by suffix; write whole or not at all."""

import contextlib
import json
import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from napari_dip.errors import FileError
from napari_dip.io.image_file import Picture, as_dtype


@dataclass(frozen=True)
class _Format:
    """Functions of a module, found when they are needed; `dtypes` where only these can be written."""

    module: str
    reader: str = "read"
    writer: str = "write"
    dtypes: tuple[str, ...] = ()
    has_provenance: bool = True

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
    ".npy": _Format("raster", "read_npy", "write_npy", has_provenance=False),
}


def read(path: Path) -> Picture:
    """Read an image file.

    Raises
    ------
    FileError
        The file is absent, broken, or of an unknown kind.
    """
    known = _FORMATS.get(path.suffix.lower())
    reader = known.function(known.reader) if known else import_module("napari_dip.io.plugins").read
    with _decoding(path):
        return reader(path)


def read_mask(path: Path, label: int | None = None) -> np.ndarray:
    """Read a mask: non-zero is missing, or only a label, in a colour image if any channel is."""
    picture = read(path)
    missing = picture.data != 0 if label is None else picture.data == label
    colour = picture.axes is not None and picture.axes[-1] in "CS"
    return missing.any(-1) if colour else missing


def provenance(path: Path) -> dict[str, Any] | None:
    """Read back the provenance that `write` recorded; None where a file has none of ours.

    Raises
    ------
    FileError
        The file is absent or broken.
    """
    known = _FORMATS.get(path.suffix.lower())
    if known is None or not known.has_provenance:
        return None
    with _decoding(path):
        text = known.function("provenance")(path)
    try:
        record, _ = json.JSONDecoder().raw_decode(text or "null")  # others may have added to it
    except ValueError:  # another program's comment
        return None
    return record if isinstance(record, dict) and "napari-dip" in record else None


@contextlib.contextmanager
def _decoding(path: Path) -> Iterator[None]:
    """Say in one way what is wrong with a file."""
    if not path.is_file():
        raise FileError(f"no such file: {path}")
    try:
        yield
    except FileError:
        raise
    # What a decoder raises for a broken file differs from format to format, and from version to version.
    except Exception as error:
        raise FileError(f"can't read {path}: {error}") from error


#: Of images that can be read and written.
SUFFIXES = tuple(_FORMATS)


def replaceable(path: Path, *, overwrite: bool, suffixes: Collection[str] = SUFFIXES) -> None:
    """Refuse an output whose suffix or folder is unknown, or that exists and may not be replaced.

    Parameters
    ----------
    path : Path
        To be written.
    overwrite : bool
        An existing file may be replaced.
    suffixes : collection of str
        That it may have; by default those of images.

    Raises
    ------
    FileError
        Says why, and what to do.
    """
    if not path.suffix:
        raise FileError(f"can't write {path}: there is no such folder, and a file needs a suffix")
    if path.suffix.lower() not in suffixes:
        one_of = "one of " if len(suffixes) > 1 else ""
        raise FileError(f"can't write {path}: the suffix must be {one_of}{', '.join(suffixes)}")
    if not path.parent.is_dir():
        raise FileError(f"can't write {path}: there is no folder {path.parent}")
    if path.exists() and not overwrite:
        raise FileError(f"{path} exists: choose another name, or say --overwrite")


def writable(path: Path, source: Picture, axes: str, *, keep_dtype: bool) -> None:
    """Refuse, before a long run, an output that could not be written after it.

    Zeros of the source's shape are written on trial and taken away again: that shows whether the format
    holds them, whether the folder may be written to, and whether there is room.

    Raises
    ------
    FileError
        Says why, and what to do.
    """
    known = _FORMATS[path.suffix.lower()]
    dtype = _dtype(known, source, keep_dtype)
    if known.dtypes and dtype.name not in known.dtypes:
        raise FileError(
            f"can't write {path}: {path.suffix} holds {' or '.join(known.dtypes)}, "
            f"the source is {dtype.name}; choose .tif"
        )
    with _temporary(path) as temporary:
        _encode(known, temporary, path, np.zeros(source.data.shape, dtype), source, axes, {"napari-dip": ""})


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
    with _temporary(path) as temporary:
        _encode(known, temporary, path, data, source, axes, provenance)
        temporary.replace(path)
    return clipped


@contextlib.contextmanager
def _temporary(path: Path) -> Iterator[Path]:
    """Lend a name in the folder of `path`; no file of that name is left."""
    temporary = path.with_name(f".napari-dip-{os.getpid()}.part")
    try:
        yield temporary
    except OSError as error:
        raise FileError(f"can't write {path}: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _encode(
    known: _Format,
    temporary: Path,
    path: Path,
    data: np.ndarray,
    source: Picture,
    axes: str,
    provenance: dict[str, Any],
) -> None:
    with temporary.open("wb") as file:
        try:
            known.function(known.writer)(file, data, source, axes, provenance)
        except (OSError, FileError):
            raise
        # What an encoder raises for a shape or dtype that it does not know differs from format to format.
        except Exception as error:
            raise FileError(
                f"can't write {path}: {path.suffix} holds no {data.dtype.name} image of shape {data.shape} "
                f"with axes {axes} ({error}); choose .tif or .npy"
            ) from error


def _dtype(known: _Format, source: Picture, keep_dtype: bool) -> np.dtype:
    native = source.data.dtype.newbyteorder("=")
    return native if keep_dtype or known.dtypes else np.dtype(np.float32)
