"""The pixels of a TIFF file: which of its images is read, and who decodes it."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image, ImageSequence, UnidentifiedImageError

from napari_dip.errors import FileError
from napari_dip.io.ome import Ome

_WHITE_IS_ZERO, _YCBCR = 0, 6
#: Kinds of series that tifffile looks for before it takes a file for another than an OME-TIFF.
_BEFORE_OME = ("shaped", "lsm", "mmstack", "ome")
#: Colours that are neither grey levels nor red, green and blue.
_FOREIGN = {5: "CMYK", 6: "YCbCr", 8: "CIELAB", 9: "ICCLAB", 10: "ITULAB", 32844: "LogL", 32845: "LogLuv"}
#: Compressions by JPEG and JPEG 2000, whose decoders return red, green and blue.
_JPEG = (6, 7, 33003, 33005, 34712, 34892)

#: CCITT, LZW, JPEG and PackBits.
_DECODED_BY_PILLOW = (2, 3, 4, 5, 7, 32773)


@contextmanager
def opened(path: Path) -> Iterator[tuple[tifffile.TiffFile, Any, tuple[str, ...]]]:
    """Open a file and yield it with the series of its first image, and notes.

    Raises
    ------
    FileError
        A part of the image lies in a file that is absent, or the colours are none that can be restored.
    """
    with _silenced(), tifffile.TiffFile(path) as tiff:
        fault = _fault(tiff, path)
        if fault is None:
            yield tiff, _first(tiff), ()
            return
    # Read the pages as they are.
    with _silenced(), tifffile.TiffFile(path, is_ome=False) as tiff:
        yield tiff, _first(tiff), (f"its OME-XML is ignored: {fault}",)


def pixels(path: Path, series: Any) -> np.ndarray:
    """Return the pixels of a series, at its highest resolution.

    Raises
    ------
    FileError
        No installed program decodes them.
    """
    try:
        return np.asarray(series.asarray())
    except Exception as error:
        if "imagecodecs" not in str(error) and not isinstance(error, ImportError):
            raise
        decoded = _by_pillow(path, series)
        if decoded is None:
            compression = series.keyframe.compression
            name = getattr(compression, "name", compression)
            raise FileError(
                f"can't read {path}: its compression ({name}) needs imagecodecs: "
                'pip install "napari-dip[codecs]"'
            ) from error
        return decoded


def _fault(tiff: tifffile.TiffFile, path: Path) -> str | None:
    """Return why the OME-XML of a file can't be used, or None if it can, or if there is none.

    Raises
    ------
    FileError
        A part of the image lies in a file that is absent.
    """
    xml = tiff.pages.first.description or ""
    if not tiff.is_ome:
        return "it is incomplete" if "<OME" in xml[:4000] and not tiff.is_imagej else None
    if "BinaryOnly" in xml:
        return "it describes one part of an image of several files; only the planes of this file are read"
    try:
        absent = Ome(tiff.ome_metadata or "", path).absent_files()
        if absent:
            shown = ", ".join(absent[:5]) + (f" and {len(absent) - 5} more" if len(absent) > 5 else "")
            raise FileError(
                f"can't read {path}: parts of its image lie in other files, which are absent: {shown}. Put "
                "all files of the image into one folder"
            )
        series = _images(tiff)[0]
        if series.kind not in _BEFORE_OME:
            return "it does not fit the pixels"
        if any(page is None for page in series.pages):
            return f"it describes {len(series.pages)} planes, and not all of them are there"
        described, there = sum(len(one.pages) for one in tiff.series), len(tiff.pages)
        if described < there:
            with tifffile.TiffFile(path, is_ome=False) as plain:
                if len(_images(plain)[0].pages) > len(series.pages):
                    return f"it describes {described} of {there} planes"
    except FileError:
        raise
    except Exception as error:  # noqa: BLE001  tifffile raises different ones for XML that is no OME
        return str(error) or type(error).__name__
    return None


def _first(tiff: tifffile.TiffFile) -> Any:
    """Return the first image, whose colours can be restored; warn if there are others."""
    images = _images(tiff)
    first, page = images[0], images[0].keyframe
    converted = page.photometric == _YCBCR and page.compression in _JPEG
    if page.photometric in _FOREIGN and not converted:
        colours = _FOREIGN[page.photometric]
        raise FileError(f"its colours are {colours}: convert the image to RGB or to grey levels")
    if len(images) > 1:
        name = Path(tiff.filename).name
        warnings.warn(f"{name} contains {len(images)} images: only the first one is read", stacklevel=2)
    return first


def _images(tiff: tifffile.TiffFile) -> list[Any]:
    """Return all series that are neither thumbnails nor masks; those come first that lie in this file."""
    images = [one for one in tiff.series if not (one.keyframe.is_reduced or one.keyframe.is_mask)]
    return sorted(
        images or tiff.series, key=lambda one: all(page is None or page.parent is not tiff for page in one)
    )


def _by_pillow(path: Path, series: Any) -> np.ndarray | None:
    """Return the pixels as Pillow decodes them, or None if it doesn't, or not exactly."""
    page = series.keyframe
    # It decodes some other types to wrong numbers, and divides colours by an alpha channel (1).
    if page.dtype not in (np.bool_, np.uint8, np.uint16) or 1 in page.extrasamples:
        return None
    indices = [None if one is None else one.index for one in series.pages]
    if any(one is None or one.parent.filehandle.name != page.parent.filehandle.name for one in series.pages):
        return None
    try:
        with Image.open(path) as file:
            planes = [
                np.array(frame) for at, frame in enumerate(ImageSequence.Iterator(file)) if at in indices
            ]
    except UnidentifiedImageError:
        return None
    except (OSError, ValueError) as error:
        if page.compression not in _DECODED_BY_PILLOW:
            return None
        raise FileError(f"can't read {path}: its pixels are incomplete or broken ({error})") from error
    if page.photometric == _WHITE_IS_ZERO:  # Pillow has inverted it, if it holds 8 bits or one
        if page.dtype not in (np.uint8, np.bool_):
            return None
        planes = [~plane for plane in planes]
    if page.dtype == np.uint16:  # Pillow may hold 16 bits in 32
        planes = [plane.astype(np.uint16) if plane.dtype == np.int32 else plane for plane in planes]
    if len(planes) != len(indices) or any((p.shape, p.dtype) != (page.shape, page.dtype) for p in planes):
        return None
    return np.stack(planes).reshape(series.shape)


@contextmanager
def _silenced() -> Iterator[None]:
    """Keep what tifffile says of faults out of the user's sight: notes and errors say it better."""
    logger, handler = logging.getLogger("tifffile"), logging.NullHandler()
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
