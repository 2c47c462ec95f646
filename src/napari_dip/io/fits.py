"""FITS, the format of astronomy. It needs astropy (the extra ``astro``)."""

import gzip
import json
import re
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from napari_dip.io.fits_hdus import Role, chosen
from napari_dip.io.fits_open import astropy_fits, opened, pixels
from napari_dip.io.fits_planes import notes_on_others
from napari_dip.io.image_file import ImageFile
from napari_dip.io.world_coordinates import keep_world_coordinates

_COLOUR = ("", "RGB", "COLOR", "COLOUR", "BAND", "FILTER")
_MOSAIC_PATTERNS = ("BAYERPAT", "BAYERPTN", "COLORTYP", "CFAPAT")
_MOSAIC_OFFSETS = ("XBAYROFF", "YBAYROFF", "BAYOFFX", "BAYOFFY")
_MARK = "Restored by napari-dip"


def read(path: Path, hdu: str | None = None, role: Role = "image") -> ImageFile:
    """Read one image of a file. Its header and all other contents of the file are kept for writing.

    Parameters
    ----------
    path : Path
        The file; it may be compressed with gzip.
    hdu : str, optional
        Name or number of the HDU, as `fits_hdus.chosen` takes it.
    role : {"image", "noise", "flags"}
        What it is needed for.
    """
    hdus = opened(path)
    index = chosen(hdus, hdu, role)
    data = pixels(hdus[index])
    axes, notes = _axes(hdus[index].header, data.shape)
    notes = (*notes_on_others(path, hdus, index, role), *notes)
    mosaic = _mosaic(hdus[index].header) if data.ndim == 2 else ""
    return ImageFile(data, axes, {}, (index, hdus), mosaic=mosaic, notes=notes)


def _axes(header: Any, shape: tuple[int, ...]) -> tuple[str | None, tuple[str, ...]]:
    """Return the axes of an image as far as they are known, and a note on what was assumed."""
    if len(shape) == 2:
        return "YX", ()
    kind = str(header.get("CTYPE3", "")).strip().upper()
    if len(shape) == 3 and kind.startswith(("TIME", "UTC")):
        return "TYX", ()
    if len(shape) == 3 and shape[0] == 3 and min(shape[1:]) > 4 and kind in _COLOUR:
        note = "its three planes are read as red, green and blue; give --axes TYX if they are frames"
        return "CYX", (note,)
    return None, ()


def _mosaic(header: Any) -> str:
    """Return what a header says of a colour-filter mosaic."""
    for name in _MOSAIC_PATTERNS:
        pattern = str(header.get(name, "")).strip().upper()
        if re.fullmatch(r"[RGBCMYEW]{4,}", pattern) and len(set(pattern)) > 1 and pattern != "GREY":
            return f"{name} is {pattern}"
    return next((f"{name} is {header[name]}" for name in _MOSAIC_OFFSETS if name in header), "")


def write(file: BinaryIO, data: np.ndarray, source: ImageFile, axes: str, provenance: dict[str, Any]) -> None:
    """Write the source's header with the new data, and the provenance in HISTORY cards."""
    fits = astropy_fits()
    index, hdus = source.header if source.header is not None else (0, [fits.PrimaryHDU()])
    header = hdus[index].header.copy()
    summed = "CHECKSUM" in header or "DATASUM" in header
    for card in ("BLANK", "BSCALE", "BZERO", "CHECKSUM", "DATASUM"):  # they describe the old data
        header.remove(card, ignore_missing=True)
    keep_world_coordinates(header, source.origin or (0,) * data.ndim, source.factors or (1,) * data.ndim)
    header.add_history(f"{_MARK} {provenance['napari-dip']}")
    # A card loses trailing spaces, so spaces are escaped.
    header.add_history(json.dumps(provenance, separators=(",", ":")).replace(" ", "\\u0020"))
    kind = fits.PrimaryHDU if index == 0 else fits.ImageHDU
    new = [*hdus[:index], kind(data, header), *hdus[index + 1 :]]
    fits.HDUList(new).writeto(file, output_verify="silentfix", checksum=summed)


def write_gz(
    file: BinaryIO, data: np.ndarray, source: ImageFile, axes: str, provenance: dict[str, Any]
) -> None:
    """Write a FITS file that is compressed with gzip."""
    plain = BytesIO()
    write(plain, data, source, axes, provenance)
    # The same pixels give the same file: neither the time nor the temporary name of the file goes into it.
    with gzip.GzipFile("", fileobj=file, mode="wb", mtime=0) as packed:
        packed.write(plain.getvalue())


def provenance(path: Path) -> str | None:
    """Return the latest provenance among the HISTORY cards, or None."""
    with opened(path) as hdus:
        for hdu in hdus:
            cards: Iterable[str] = hdu.header.get("HISTORY", ())
            _, mark, after = "\n".join(cards).rpartition(_MARK)
            if mark:
                _, _, lines = after.partition("\n")  # the first line ends with the version
                return lines.replace("\n", "")
    return None
