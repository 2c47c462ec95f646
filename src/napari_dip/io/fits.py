"""FITS, the format of astronomy; needs astropy (the extra ``astro``)."""

import json
import re
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from napari_dip.errors import FileError
from napari_dip.io.image_file import Picture

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
    _keep_the_sky(header, source.origin or (0,) * data.ndim, source.factors or (1,) * data.ndim)
    header.add_history(f"{_MARK} {provenance['napari-dip']}")
    # A card loses the spaces at its end.
    header.add_history(json.dumps(provenance, separators=(",", ":")).replace(" ", "\\u0020"))
    kind = fits.PrimaryHDU if index == 0 else fits.ImageHDU
    new = [*hdus[:index], kind(data, header), *hdus[index + 1 :]]
    fits.HDUList(new).writeto(file, output_verify="silentfix", checksum=summed)


def _keep_the_sky(header: Any, origin: tuple[int, ...], factors: tuple[int, ...]) -> None:
    """Let world coordinates stay where they are when an image is cut and its pixels are divided.

    Pixel p becomes f (p − first − ½) + ½, so each column of the matrix that turns pixels into intermediate
    world coordinates is divided by its f (Greisen & Calabretta, A&A 395, 2002, section 2.1). Distortion
    polynomials (SIP) take pixels and give pixels.
    """
    first = dict(enumerate(reversed(origin), 1))  # FITS counts axes from the last
    f = dict(enumerate(reversed(factors), 1))
    with_matrix = {match[1] for name in header if (match := re.fullmatch(r"CD\d+_\d+([A-Z]?)", name))}
    described = (re.fullmatch(r"(?:CTYPE|CRVAL|CRPIX|CDELT)(\d+)([A-Z]?)", name) for name in header)
    for axis, system in sorted({(int(match[1]), match[2]) for match in described if match}):
        start, times = first.get(axis, 0), f.get(axis, 1)
        place, step = f"CRPIX{axis}{system}", f"CDELT{axis}{system}"
        if start or times > 1:
            header[place] = (header.get(place, 0.0) - start - 0.5) * times + 0.5
        if times > 1 and (step in header or system not in with_matrix):
            header[step] = header.get(step, 1.0) / times
    for name in list(header):
        if match := re.fullmatch(r"CD\d+_(\d+)[A-Z]?", name):
            header[name] /= f.get(int(match[1]), 1)
        elif match := re.fullmatch(r"PC(\d+)_(\d+)[A-Z]?", name):  # CDELT has divided rows
            header[name] *= f.get(int(match[1]), 1) / f.get(int(match[2]), 1)
        elif match := re.fullmatch(r"([AB])P?_(\d+)_(\d+)", name):
            own = f[1 if match[1] == "A" else 2]
            header[name] *= own / (f[1] ** int(match[2]) * f[2] ** int(match[3]))


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
