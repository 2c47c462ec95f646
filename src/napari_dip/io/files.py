"""Read and write image files, whose suffix names the format."""

import contextlib
import errno
import json
import os
import stat
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from napari_dip.errors import FileError, reason
from napari_dip.io.atomic import new_file, trial_file
from napari_dip.io.image_file import ImageFile, as_dtype


@dataclass(frozen=True)
class _Format:
    """A format: functions of a module, which is imported when needed, and all dtypes that it can write.

    Provenance that a format has no place for is written only if something is wrong with the result.
    """

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


def read(path: Path) -> ImageFile:
    """Read an image file.

    Raises
    ------
    FileError
        The file does not exist, is broken, or has an unknown format.
    """
    known = _FORMATS.get(path.suffix.lower())
    reader = known.function(known.reader) if known else import_module("napari_dip.io.plugins").read
    with _decoding(path):
        return reader(path)


def read_mask(path: Path, label: int | None = None) -> np.ndarray:
    """Read a mask: True where the image is not 0, or where it has this label.

    In a colour image, one channel is enough.
    """
    image = read(path)
    missing = image.data != 0 if label is None else image.data == label
    colour = image.axes is not None and image.axes[-1] in "CS"
    return missing.any(-1) if colour else missing


def provenance(path: Path) -> dict[str, Any] | None:
    """Return the provenance that `write` stored in a file, or None if there is none.

    Raises
    ------
    FileError
        The file does not exist or is broken.
    """
    known = _FORMATS.get(path.suffix.lower())
    if known is None:
        return None
    with _decoding(path):
        text = known.function("provenance")(path)
    try:
        values, _ = json.JSONDecoder().raw_decode(text or "null")  # other programs may have added to it
    except ValueError:  # a comment of another program
        return None
    return values if isinstance(values, dict) and "napari-dip" in values else None


@contextlib.contextmanager
def _decoding(path: Path) -> Iterator[None]:
    """Turn everything that goes wrong with reading a file into a `FileError`."""
    refuse_no_file(path)
    try:
        yield
    except FileError:
        raise
    # Decoders raise different exceptions for broken files, depending on format and version.
    except Exception as error:
        why = reason(error) if isinstance(error, OSError) and error.errno is not None else error
        raise FileError(f"can't read {path}: {why}") from error


def refuse_no_file(path: Path) -> None:
    """Refuse what is not a file that can be read.

    Raises
    ------
    FileError
        There is no such file, or it is a folder or a device.
    """
    try:
        mode = path.stat().st_mode
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            linked = ", but a link to one that is gone" if path.is_symlink() else ""
            raise FileError(f"no such file: {path}{linked}") from error
        raise FileError(f"can't read {path}: {reason(error)}") from error
    if stat.S_ISDIR(mode):
        raise FileError(f"{path} is a folder: give the files in it")
    if not stat.S_ISREG(mode):
        raise FileError(f"can't read {path}: it is not an ordinary file")


#: Suffixes of images that can be read and written.
SUFFIXES = tuple(_FORMATS)


def replaceable(path: Path, *, overwrite: bool, suffixes: Collection[str] = SUFFIXES) -> None:
    """Refuse an output with an unknown suffix, in a missing folder, or in place of an existing file.

    Parameters
    ----------
    path : Path
        File that is to be written.
    overwrite : bool
        Existing files may be replaced.
    suffixes : collection of str
        Suffixes that the file may have. By default they are those of images.

    Raises
    ------
    FileError
        The message says why, and what to do.
    """
    if not path.suffix:
        raise FileError(f"can't write {path}: there is no such folder, and a file name needs a suffix")
    if path.suffix.lower() not in suffixes:
        raise _wrong_suffix(path, suffixes)
    if path.parent.exists() and not path.parent.is_dir():
        raise FileError(f"can't write {path}: {path.parent} is a file, not a folder")
    if not path.parent.is_dir():
        raise FileError(f"can't write {path}: there is no folder {path.parent}")
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise FileError(f"can't write {path}: {reason(error)}") from error
    if stat.S_ISDIR(mode):
        raise FileError(f"can't write {path}: it is a folder; give the name of a file in it")
    if not stat.S_ISREG(mode):
        raise FileError(f"can't write {path}: it is not an ordinary file")
    if not overwrite:
        raise FileError(f"{path} exists: choose another name, or use --overwrite")


def _wrong_suffix(path: Path, suffixes: Collection[str]) -> FileError:
    one_of = "one of " if len(suffixes) > 1 else ""
    return FileError(f"can't write {path}: the suffix must be {one_of}{', '.join(suffixes)}")


def _written_format(path: Path) -> _Format:
    known = _FORMATS.get(path.suffix.lower())
    if known is None:
        raise _wrong_suffix(path, SUFFIXES)
    return known


def writable(path: Path, source: ImageFile, axes: str, *, keep_dtype: bool) -> None:
    """Check before a long run that its output can be written.

    Parameters
    ----------
    path, source, axes, keep_dtype
        As for `reserved`.

    Raises
    ------
    FileError
        The message says why, and what to do.
    """
    with reserved(path, source, axes, keep_dtype=keep_dtype):
        pass


@contextlib.contextmanager
def reserved(path: Path, source: ImageFile, axes: str, *, keep_dtype: bool) -> Iterator[None]:
    """Hold the space of an image on its disk, to check if several outputs have room there together.

    Zeros of the source's shape are written to a temporary file, which is removed again. This shows whether
    the format can hold the image, and whether the folder is writable and has enough space.

    Parameters
    ----------
    path : Path
        File that is to be written.
    source : ImageFile
        Image of the shape and dtype of the result.
    axes : str
        One letter per axis.
    keep_dtype : bool
        As in `write`.

    Raises
    ------
    FileError
        The message says why, and what to do.
    """
    known = _written_format(path)
    dtype = _dtype(known, source, keep_dtype)
    if known.dtypes and dtype.name not in known.dtypes:
        raise FileError(
            f"can't write {path}: {path.suffix} files hold {' or '.join(known.dtypes)}, but the image is "
            f"{dtype.name}: choose .tif"
        )
    with trial_file(path) as file:
        blank = np.zeros(source.data.shape, dtype)
        _encode(known, file, path, blank, source, axes, {"napari-dip": ""} if known.has_provenance else {})
        # Zeros may have been compressed to nothing.
        file.write(bytes(max(0, blank.nbytes - file.seek(0, os.SEEK_END))))
        file.flush()
        yield


def write(
    path: Path,
    data: np.ndarray,
    source: ImageFile,
    *,
    axes: str,
    provenance: dict[str, Any],
    keep_dtype: bool = False,
    overwrite: bool = True,
    unfinished: bool = False,
) -> int:
    """Write a restored image, whole or not at all.

    Parameters
    ----------
    path : Path
        The suffix names the format.
    data : ndarray of float32
        The restored image.
    source : ImageFile
        The image that was restored. Its dtype, pixel size and header are used.
    axes : str
        One letter per axis.
    provenance : dict
        How the image was restored, as plain JSON values.
    keep_dtype : bool
        Round to the dtype of the source. PNG and JPEG files are always rounded.
    overwrite : bool
        Replace an existing file.
    unfinished : bool
        The run did not reach its end. An npy file then holds the provenance too, where NumPy does not read.

    Returns
    -------
    int
        Number of pixels that were clipped to the range of the dtype.

    Raises
    ------
    FileError
        The disk is full or read-only, the format can't hold the image, or the file exists and is not to be
        replaced. No incomplete file is left behind.
    """
    known = _written_format(path)
    data, clipped = as_dtype(data, _dtype(known, source, keep_dtype))
    kept = provenance if known.has_provenance or unfinished else {}
    with new_file(path, overwrite=overwrite) as file:
        _encode(known, file, path, data, source, axes, kept)
    return clipped


def _encode(
    known: _Format,
    file: BinaryIO,
    path: Path,
    data: np.ndarray,
    source: ImageFile,
    axes: str,
    provenance: dict[str, Any],
) -> None:
    try:
        known.function(known.writer)(file, data, source, axes, provenance)
    except FileError:
        raise
    # Encoders raise different exceptions for shapes and dtypes that they do not know.
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise FileError(
            f"can't write {path}: {path.suffix} files can't hold a {data.dtype.name} image of shape "
            f"{data.shape} with axes {axes} ({error}): choose .tif or .npy"
        ) from error


def _dtype(known: _Format, source: ImageFile, keep_dtype: bool) -> np.dtype:
    native = source.data.dtype.newbyteorder("=")
    return native if keep_dtype or known.dtypes else np.dtype(np.float32)
