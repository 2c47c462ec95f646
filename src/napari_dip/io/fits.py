"""FITS, the format of astronomy; needs astropy (the extra ``astro``)."""

import json
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from string import ascii_uppercase
from typing import Any, BinaryIO

import numpy as np

from napari_dip.errors import FileError
from napari_dip.io.picture import Picture

_MARK = "Restored by napari-dip"


def read(path: Path) -> Picture:
    """Read the first image of a file; its header, and everything else in the file, is kept for writing."""
    fits = _astropy()
    stored = path.read_bytes()
    with fits.open(BytesIO(stored)) as hdus:
        index = next((i for i, hdu in enumerate(hdus) if hdu.is_image and hdu.data is not None), None)
        if index is None:
            raise FileError(f"{path} holds no image")
        data = np.array(hdus[index].data)
    # Once more as stored, so that scaled integers beside the image go back as they were.
    hdus = fits.open(BytesIO(stored), do_not_scale_image_data=True)
    return Picture(data, "YX" if data.ndim == 2 else None, {}, (index, hdus))


def write(file: BinaryIO, data: np.ndarray, source: Picture, axes: str, provenance: dict[str, Any]) -> None:
    """Write the source's header with the new data, and HISTORY cards that say what was done."""
    fits = _astropy()
    index, hdus = source.header if source.header is not None else (0, [fits.PrimaryHDU()])
    header = hdus[index].header.copy()
    summed = "CHECKSUM" in header or "DATASUM" in header
    for card in ("BLANK", "BSCALE", "BZERO", "CHECKSUM", "DATASUM"):  # of the data as they were
        header.remove(card, ignore_missing=True)
    for axis, first in enumerate(reversed(source.origin), 1):  # FITS counts axes from the last
        for name in (f"CRPIX{axis}{system}" for system in ("", *ascii_uppercase)):
            if name in header:  # the sky stays where it is
                header[name] -= first
    header.add_history(f"{_MARK} {provenance['napari-dip']}")
    # A card loses the spaces at its end.
    header.add_history(json.dumps(provenance, separators=(",", ":")).replace(" ", "\\u0020"))
    kind = fits.PrimaryHDU if index == 0 else fits.ImageHDU
    new = [*hdus[:index], kind(data, header), *hdus[index + 1 :]]
    fits.HDUList(new).writeto(file, output_verify="silentfix", checksum=summed)


def provenance(path: Path) -> str | None:
    """Return the provenance among the HISTORY cards, the latest where there are several."""
    with _astropy().open(path) as hdus:
        for hdu in hdus:
            cards: Iterable[str] = hdu.header.get("HISTORY", ())
            _, mark, record = "\n".join(cards).rpartition(_MARK)
            if mark:
                _, _, lines = record.partition("\n")  # the first one ends with the version
                return lines.replace("\n", "")
    return None


def _astropy() -> Any:
    try:
        from astropy.io import fits
    except ImportError as error:
        raise FileError('FITS files need astropy: pip install "napari-dip[astro]"') from error
    return fits
