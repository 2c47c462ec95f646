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


def opened(path: Path) -> Any:
    """Return the HDUs of a file, whose headers have been read and whose integers are not scaled.

    The file may be compressed with gzip.
    """
    stored = path.read_bytes()
    if stored[:2] == b"\x1f\x8b":
        stored = gzip.decompress(stored)
    with warnings.catch_warnings():
        # In images of floats the card is a mistake that does no harm; of any other, `pixels` takes care.
        warnings.filterwarnings("ignore", "Invalid .*'BLANK' keyword")
        hdus = astropy_fits().open(BytesIO(stored), do_not_scale_image_data=True)
        len(hdus)  # reads all headers
        return hdus


def pixels(hdu: Any) -> np.ndarray:
    """Return the pixels of an HDU that was opened without scaling, masked where they have the value of BLANK.

    Unsigned integers, which FITS stores as signed ones and an offset, are returned as such.

    Raises
    ------
    FileError
        The scale is no number, or 0.
    """
    header, raw = hdu.header, np.asarray(hdu.data)
    raw = raw.astype(raw.dtype.newbyteorder("="))
    scale, zero, blank = header.get("BSCALE", 1), header.get("BZERO", 0), header.get("BLANK")
    for name, number in (("BSCALE", scale), ("BZERO", zero)):
        if (
            not isinstance(number, int | float)
            or not np.isfinite(number)
            or (name == "BSCALE" and not number)
        ):
            raise FileError(f"its {name} must be a finite number, and no scale can be 0, got {number!r}")
    if raw.dtype.kind == "f":
        return raw if (scale, zero) == (1, 0) else raw * raw.dtype.type(scale) + raw.dtype.type(zero)
    bits = 8 * raw.dtype.itemsize
    if scale == 1 and zero == (-128 if bits == 8 else 1 << (bits - 1)):
        other_sign = np.dtype(f"{'i' if bits == 8 else 'u'}{raw.dtype.itemsize}")
        unsigned = raw.view(f"u{raw.dtype.itemsize}")
        data = (unsigned ^ unsigned.dtype.type(1 << (bits - 1))).view(other_sign)
    elif scale == 1 and zero == 0:
        data = raw
    else:
        data = raw.astype(np.float32 if bits <= 16 else np.float64) * scale + zero
    hidden = None if blank is None else raw == blank
    return data if hidden is None or not hidden.any() else np.ma.MaskedArray(data, hidden)
