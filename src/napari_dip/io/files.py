"""Read and write image files, whose suffix names the format."""

import contextlib
import errno
import json
import os
import re
import stat
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from napari_dip.errors import FileError, reason
from napari_dip.io.atomic import new_file, trial_file
from napari_dip.io.fits_hdus import Role
from napari_dip.io.image_file import ImageFile, as_dtype
from napari_dip.io.uncertainty import standard_deviation


@dataclass(frozen=True)
class _Format:
    """A format: functions of a module, which is imported when needed, and what it can hold.

    It has `dtypes` if it can't write all, and only `shows` an image if larger numbers must be brighter.
    Provenance that a format has no place for is written only if something is wrong with the result.
    """

    module: str
    reader: str = "read"
    writer: str = "write"
    dtypes: tuple[str, ...] = ()
    has_provenance: bool = True
    writable: bool = True
    has_alpha: bool = False
    shows: bool = False

    def function(self, name: str) -> Callable[..., Any]:
        return getattr(import_module(f"napari_dip.io.{self.module}"), name)


_TIFF, _FITS, _GZ = _Format("tiff", has_alpha=True), _Format("fits"), _Format("fits", writer="write_gz")
_FZ = _Format("fits", writable=False)
_PLANES = _Format("fits_planes")
_JPEG = _Format("raster", writer="write_jpeg", dtypes=("uint8",), shows=True)
_FORMATS = {
    ".tif": _TIFF,
    ".tiff": _TIFF,
    ".fits": _FITS,
    ".fit": _FITS,
    ".fts": _FITS,
    ".fits.gz": _GZ,
    ".fit.gz": _GZ,
    ".fts.gz": _GZ,
    ".fits.fz": _FZ,
    ".fit.fz": _FZ,
    ".fts.fz": _FZ,
    ".png": _Format("raster", dtypes=("uint8", "uint16", "bool"), has_alpha=True, shows=True),
    ".jpg": _JPEG,
    ".jpeg": _JPEG,
    ".gif": _Format("raster", "read_gif", has_provenance=False, writable=False),
    ".npy": _Format("raster", "read_npy", "write_npy", has_provenance=False),
}

#: An HDU chosen behind the name of a file.
_ADDRESS = re.compile(r"(.+)\[([^\[\]]+)\]")
#: Folders that hold an image.
_CONTAINERS = {".zarr": "OME-Zarr", ".n5": "N5"}
_SAVE_AS = "; save the image as an OME-TIFF"


def suffix_of(path: Path) -> str:
    """Return the suffix that names the format: the last one, or the last two as in ``.fits.gz``."""
    double = "".join(path.suffixes[-2:]).lower()
    return double if double in _FORMATS else path.suffix.lower()


def stem_of(path: Path) -> str:
    """Return the name of a file without the suffix that names the format."""
    return path.name[: len(path.name) - len(suffix_of(path))]


def read(path: Path, hdu: str | None = None, role: Role = "image") -> ImageFile:
    """Read an image file.

    Parameters
    ----------
    path : Path
        The file. Square brackets behind its name choose an HDU of a FITS file, as in ``sky.fits[SCI,2]``.
    hdu : str, optional
        Name or number of the HDU of a FITS file. By default it is the first one of the role; of images, that
        of the name SCI comes first.
    role : {"image", "noise", "flags"}
        What the image is needed for.

    Raises
    ------
    FileError
        The file does not exist, is broken, or has an unknown format.
    """
    path, hdu = _addressed(path, hdu)
    if hdu is not None:
        _fits_only(path, "choosing an HDU")
    known = _FORMATS.get(suffix_of(path))
    reader = known.function(known.reader) if known else import_module("napari_dip.io.plugins").read
    with _decoding(path):
        image = reader(path, hdu, role) if _is_fits(path) else reader(path)
        if image.data.dtype.kind not in "buif":
            raise FileError(f"it must hold real numbers, got {image.data.dtype}")
        return image


def read_mask(path: Path, label: int | None = None) -> np.ndarray:
    """Read a mask: True where the image is not 0, or where it has this label.

    In a colour image, one channel is enough. In a FITS file with several images, it is the plane of flags.

    Raises
    ------
    FileError
        The file can't be read, or the image is partly transparent.
    """
    return mask_of(read(path, role="flags"), path, label)


def mask_of(image: ImageFile, path: Path, label: int | None = None) -> np.ndarray:
    """Return the mask that an image is, as `read_mask` does."""
    if image.alpha is not None and np.unique(image.alpha.values).size > 1:
        raise FileError(f"{path} is partly transparent, so its mask is unclear: save it without transparency")
    if label is not None and image.indices is not None:
        return image.indices == label
    data = np.ma.getdata(image.data)
    missing = data != 0 if label is None else data == label
    colour = image.axes is not None and image.axes[-1] in "CS"
    return missing.any(-1) if colour else missing


def read_flagged(path: Path, hdu: str | None, bits: int) -> np.ndarray:
    """Return where the data-quality plane of a FITS image has one of some flags.

    Parameters
    ----------
    path : Path
        The file of the image.
    hdu : str, optional
        Name or number of the HDU of the image.
    bits : int
        Sum of the flags.

    Raises
    ------
    FileError
        No data-quality plane belongs to the image.
    """
    path, hdu = _addressed(path, hdu)
    _fits_only(path, "--dq-bits")
    with _decoding(path):
        return _PLANES.function("read_flagged")(path, hdu, bits)


def read_noise_std(path: Path) -> tuple[np.ndarray, str]:
    """Read the standard deviation of each pixel, in grey levels, and say what the file held.

    It is NaN where a pixel carries no information. Variances and inverse variances in FITS files are
    converted. All other images are standard deviations.

    Parameters
    ----------
    path : Path
        The file. Square brackets behind its name choose an HDU, as in ``sky.fits[ERR]``.

    Raises
    ------
    FileError
        The file can't be read, or holds no positive number.
    """
    file, hdu = _addressed(path)
    if _is_fits(file):
        with _decoding(file):
            sigma, note = _PLANES.function("read_noise_std")(file, hdu)
    else:
        sigma = standard_deviation(read(file, hdu, "noise").with_nan, "standard deviation")
        note = "it is read as the standard deviation of each pixel"
    if not np.isfinite(sigma).any():
        raise FileError(f"{path} must hold the standard deviation of each pixel, but has no positive number")
    return sigma, note


def file_of(path: Path) -> Path:
    """Return the file of a path that may choose an HDU, and refuse what is no file.

    Raises
    ------
    FileError
        There is no such file, or it is a folder or a device.
    """
    file, _ = _addressed(path)
    refuse_no_file(file)
    return file


def _addressed(path: Path, hdu: str | None = None) -> tuple[Path, str | None]:
    """Return a file, and the HDU that square brackets behind its name choose."""
    if (match := _ADDRESS.fullmatch(path.name)) and hdu is None and not path.exists():
        return path.with_name(match[1]), match[2]
    return path, hdu


def _is_fits(path: Path) -> bool:
    known = _FORMATS.get(suffix_of(path))
    return known is not None and known.module == _FITS.module


def _fits_only(path: Path, purpose: str) -> None:
    if not _is_fits(path):
        raise FileError(f"{purpose} needs a FITS file, got {path}")


def provenance(path: Path) -> dict[str, Any] | None:
    """Return the provenance that `write` stored in a file, or None if there is none.

    It is what the file says, and nothing in it is checked: see `restoration.provenance`.

    Raises
    ------
    FileError
        The file does not exist or is broken.
    """
    known = _FORMATS.get(suffix_of(path))
    if known is None:
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
    file_of(path)
    try:
        yield
    except FileError as error:
        if str(path) in str(error):
            raise
        raise FileError(f"can't read {path}: {error}") from error
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
            linked = " is a link, and its target does not exist" if path.is_symlink() else ""
            raise FileError(f"no such file: {path}{linked}") from error
        raise FileError(f"can't read {path}: {reason(error)}") from error
    if stat.S_ISDIR(mode):
        kind = _CONTAINERS.get(path.suffix.lower())
        advice = f"{kind} can't be read yet{_SAVE_AS}" if kind else "give the files in it"
        raise FileError(f"{path} is a folder, not a file: {advice}")
    if not stat.S_ISREG(mode):
        raise FileError(f"can't read {path}: it is not an ordinary file")


#: Suffixes of images that can be read and written.
SUFFIXES = tuple(suffix for suffix, known in _FORMATS.items() if known.writable)


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
    if suffix_of(path) not in suffixes:
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
    known = _FORMATS.get(suffix_of(path))
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
    dtype = _dtype(known, source, np.dtype(np.float32), keep_dtype)
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


def left_out(path: Path, source: ImageFile) -> tuple[str, ...]:
    """Return notes on what becomes of an image's alpha channel and grey scale in a file of this format."""
    known, notes = _FORMATS[suffix_of(path)], []
    if source.alpha is not None:
        kept = (
            "is copied, not restored"
            if known.has_alpha
            else f"is left out: {suffix_of(path)} files have none"
        )
        notes.append(f"{path}: the alpha channel {kept}")
    if source.metadata.white_is_zero:
        how = "inverted, so that white stays white" if known.shows else "not inverted: 0 is white"
        notes.append(f"{path}: its grey levels are {how}")
    return tuple(notes)


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
    data, clipped = as_dtype(data, _dtype(known, source, data.dtype, keep_dtype))
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


def _dtype(known: _Format, source: ImageFile, restored: np.dtype, keep_dtype: bool) -> np.dtype:
    """Return the dtype to write: the source's, or float32, or float64 where the restored image needs it."""
    native = source.data.dtype.newbyteorder("=")
    return native if keep_dtype or known.dtypes else np.result_type(restored, np.float32)
