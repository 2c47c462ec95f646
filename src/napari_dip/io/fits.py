"""FITS, the format of astronomy. It needs astropy (the extra ``astro``)."""

import json
import re
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from napari_dip.errors import FileError
from napari_dip.io.image_file import ImageFile

_MARK = "Restored by napari-dip"


def read(path: Path) -> ImageFile:
    """Read the first image of a file. Its header and all other contents of the file are kept for writing."""
    fits = _astropy()
    stored = path.read_bytes()
    with fits.open(BytesIO(stored)) as hdus:
        index = next((i for i, hdu in enumerate(hdus) if hdu.is_image and hdu.data is not None), None)
        if index is None:
            raise FileError(f"{path} contains no image")
        data = np.array(hdus[index].data)
    # Open the file again without scaling, so that other images with scaled integers are written unchanged.
    hdus = fits.open(BytesIO(stored), do_not_scale_image_data=True)
    return ImageFile(data, "YX" if data.ndim == 2 else None, {}, (index, hdus))


def write(file: BinaryIO, data: np.ndarray, source: ImageFile, axes: str, provenance: dict[str, Any]) -> None:
    """Write the source's header with the new data, and the provenance in HISTORY cards."""
    fits = _astropy()
    index, hdus = source.header if source.header is not None else (0, [fits.PrimaryHDU()])
    header = hdus[index].header.copy()
    summed = "CHECKSUM" in header or "DATASUM" in header
    for card in ("BLANK", "BSCALE", "BZERO", "CHECKSUM", "DATASUM"):  # they describe the old data
        header.remove(card, ignore_missing=True)
    _keep_world_coordinates(header, source.origin or (0,) * data.ndim, source.factors or (1,) * data.ndim)
    header.add_history(f"{_MARK} {provenance['napari-dip']}")
    # A card loses trailing spaces, so spaces are escaped.
    header.add_history(json.dumps(provenance, separators=(",", ":")).replace(" ", "\\u0020"))
    kind = fits.PrimaryHDU if index == 0 else fits.ImageHDU
    new = [*hdus[:index], kind(data, header), *hdus[index + 1 :]]
    fits.HDUList(new).writeto(file, output_verify="silentfix", checksum=summed)


def _keep_world_coordinates(header: Any, origin: tuple[int, ...], factors: tuple[int, ...]) -> None:
    """Adapt the world coordinates to an image that was cropped and whose pixels were divided.

    Pixel p becomes f (p − first − ½) + ½, so each column of the matrix from pixels to intermediate world
    coordinates is divided by its factor f (Greisen & Calabretta, A&A 395, 2002, section 2.1). Distortion
    polynomials (SIP) map pixels to pixels.
    """
    first = dict(enumerate(reversed(origin), 1))  # FITS counts axes from the last one
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
    """Return the latest provenance among the HISTORY cards, or None."""
    with _astropy().open(path) as hdus:
        for hdu in hdus:
            cards: Iterable[str] = hdu.header.get("HISTORY", ())
            _, mark, after = "\n".join(cards).rpartition(_MARK)
            if mark:
                _, _, lines = after.partition("\n")  # the first line ends with the version
                return lines.replace("\n", "")
    return None


def _astropy() -> Any:
    try:
        from astropy.io import fits
    except ImportError as error:
        raise FileError('FITS files need astropy: pip install "napari-dip[astro]"') from error
    return fits
