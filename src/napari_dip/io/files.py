"""Read and write image files, whose suffix names the format. A file is written whole or not at all."""

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
from napari_dip.io.image_file import ImageFile, as_dtype


@dataclass(frozen=True)
class _Format:
    """A format: functions of a module, which is imported when needed, and all dtypes that it can write."""

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

    It is what the file says, and nothing in it is checked: see `restoration.provenance`.

    Raises
    ------
    FileError
        The file does not exist or is broken.
    """
    known = _FORMATS.get(path.suffix.lower())
    if known is None or not known.has_provenance:
        return None
    with _decoding(path):
        text = known.function("provenance")(path)
    if not isinstance(text, str):  # nothing, or what another program wrote
        return None
    try:
        values, _ = json.JSONDecoder().raw_decode(text)  # other programs may have added to it
    except (ValueError, RecursionError):  # a comment of another program, or nested without end
        return None
    return values if isinstance(values, dict) and "napari-dip" in values else None


@contextlib.contextmanager
def _decoding(path: Path) -> Iterator[None]:
    """Turn everything that goes wrong with reading a file into a `FileError`."""
    if not path.is_file():
        raise FileError(f"no such file: {path}")
    try:
        yield
    except FileError:
        raise
    # Decoders raise different exceptions for broken files, depending on format and version.
    except Exception as error:
        raise FileError(f"can't read {path}: {error}") from error


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
        one_of = "one of " if len(suffixes) > 1 else ""
        raise FileError(f"can't write {path}: the suffix must be {one_of}{', '.join(suffixes)}")
    if not path.parent.is_dir():
        raise FileError(f"can't write {path}: there is no folder {path.parent}")
    if path.exists() and not overwrite:
        raise FileError(f"{path} exists: choose another name, or use --overwrite")


def writable(path: Path, source: ImageFile, axes: str, *, keep_dtype: bool) -> None:
    """Check before a long run that its output can be written.

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
    known = _FORMATS[path.suffix.lower()]
    dtype = _dtype(known, source, keep_dtype)
    if known.dtypes and dtype.name not in known.dtypes:
        raise FileError(
            f"can't write {path}: {path.suffix} files hold {' or '.join(known.dtypes)}, but the image is "
            f"{dtype.name}: choose .tif"
        )
    with _temporary(path) as temporary:
        _encode(known, temporary, path, np.zeros(source.data.shape, dtype), source, axes, {"napari-dip": ""})


def write(
    path: Path,
    data: np.ndarray,
    source: ImageFile,
    *,
    axes: str,
    provenance: dict[str, Any],
    keep_dtype: bool = False,
) -> int:
    """Write a restored image under a temporary name, then rename the file.

    Parameters
    ----------
    path : Path
        The suffix names the format. An existing file is replaced.
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

    Returns
    -------
    int
        Number of pixels that were clipped to the range of the dtype.

    Raises
    ------
    FileError
        The disk is full or read-only, or the format can't hold the image. No incomplete file is left behind.
    """
    known = _FORMATS[path.suffix.lower()]
    data, clipped = as_dtype(data, _dtype(known, source, keep_dtype))
    with _temporary(path) as temporary:
        _encode(known, temporary, path, data, source, axes, provenance)
        temporary.replace(path)
    return clipped


@contextlib.contextmanager
def _temporary(path: Path) -> Iterator[Path]:
    """Yield a temporary name in the folder of `path`, and remove the file of that name afterwards."""
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
    source: ImageFile,
    axes: str,
    provenance: dict[str, Any],
) -> None:
    with temporary.open("wb") as file:
        try:
            known.function(known.writer)(file, data, source, axes, provenance)
        except (OSError, FileError):
            raise
        # Encoders raise different exceptions for shapes and dtypes that they do not know.
        except Exception as error:
            raise FileError(
                f"can't write {path}: {path.suffix} files can't hold a {data.dtype.name} image of shape "
                f"{data.shape} with axes {axes} ({error}): choose .tif or .npy"
            ) from error


def _dtype(known: _Format, source: ImageFile, keep_dtype: bool) -> np.dtype:
    native = source.data.dtype.newbyteorder("=")
    return native if keep_dtype or known.dtypes else np.dtype(np.float32)
