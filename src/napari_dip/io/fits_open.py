"""Opens FITS files, and takes the pixels of an HDU out of them. It needs astropy (the extra ``astro``)."""

import gzip
import warnings
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from napari_dip.errors import FileError


def astropy_fits() -> Any:
    """Return astropy's module for FITS files, or say how to install it."""
    try:
        from astropy.io import fits
    except ImportError as error:
        raise FileError('FITS files need astropy: pip install "napari-dip[astro]"') from error
    return fits


def stored_bytes(path: Path) -> bytes:
    """Return the contents of a file, unpacked if it is compressed as a whole."""
    stored = path.read_bytes()
    return gzip.decompress(stored) if stored[:2] == b"\x1f\x8b" else stored


def opened(stored: bytes, **options: Any) -> Any:
    """Return the HDUs of a file, whose headers have been read."""
    with warnings.catch_warnings():
        # In images of floats the card is a mistake that does no harm.
        warnings.filterwarnings("ignore", "Invalid 'BLANK' keyword")
        hdus = astropy_fits().open(BytesIO(stored), **options)
        len(hdus)  # reads all headers
        return hdus


def pixels(stored: bytes, hdus: Any, index: int) -> np.ndarray:
    """Return the pixels of an HDU, masked where they have the value of BLANK."""
    header, raw = hdus[index].header, hdus[index].data
    if raw.dtype.kind == "f" or (header.get("BZERO", 0) == 0 and header.get("BSCALE", 1) == 1):
        data = np.array(raw)
    else:  # astropy knows how unsigned integers are stored, but then forgets BLANK
        with opened(stored, ignore_blank=True) as scaled:
            data = np.array(scaled[index].data)
    data = data.astype(data.dtype.newbyteorder("="), copy=False)
    if raw.dtype.kind == "f" or header.get("BLANK") is None:
        return data
    blank = np.asarray(raw == header["BLANK"])
    return np.ma.MaskedArray(data, blank) if blank.any() else data
