"""What other HDUs of a FITS file say about the pixels of its image: flags, and uncertainties."""

from pathlib import Path
from typing import Any

import numpy as np

from napari_dip.errors import FileError
from napari_dip.io.fits_hdus import Role, address, chosen, companion, is_image, label, scale_of
from napari_dip.io.fits_open import opened, pixels
from napari_dip.io.image_file import ImageFile
from napari_dip.io.uncertainty import standard_deviation


def read_flagged(path: Path, hdu: str | None, bits: int) -> np.ndarray:
    """Return where the data-quality plane of an image has one of some flags.

    Parameters
    ----------
    path : Path
        The file.
    hdu : str, optional
        Name or number of the HDU of the image.
    bits : int
        Sum of the flags.

    Raises
    ------
    FileError
        No data-quality plane belongs to the image.
    """
    with opened(path) as hdus:
        image = chosen(hdus, hdu)
        at = companion(hdus, image, "flags")
        if at is None:
            raise FileError(
                "--dq-bits needs a data-quality plane of the shape of the image, but its HDU "
                f"{label(hdus, image)} has none"
            )
        flags = pixels(hdus[at])
        if flags.dtype.kind not in "bui":
            raise FileError(f"its HDU {label(hdus, at)} must hold integers for --dq-bits, got {flags.dtype}")
        stored = _unsigned(flags)
        return (stored & np.asarray(bits & int(np.iinfo(stored.dtype).max), stored.dtype)) != 0


def read_noise_std(path: Path, hdu: str | None = None) -> tuple[np.ndarray, str]:
    """Return the standard deviation of each pixel from an uncertainty plane, and what the plane held.

    Parameters
    ----------
    path : Path
        The file.
    hdu : str, optional
        Name or number of the HDU; by default the first one with uncertainties, or the first image.
    """
    with opened(path) as hdus:
        at = chosen(hdus, hdu, "noise")
        scale = scale_of(hdus[at])
        values = ImageFile(pixels(hdus[at])).with_nan
        return standard_deviation(
            values, scale
        ), f"HDU {label(hdus, at)} is read as the {scale} of each pixel"


def notes_on_others(path: Path, hdus: Any, index: int, role: Role) -> tuple[str, ...]:
    """Return notes on which HDU is read, and on what the others could be used for."""
    others = [at for at, hdu in enumerate(hdus) if is_image(hdu) and at != index]
    if not others:
        return ()
    notes = [
        f"HDU {label(hdus, index)} is read; left out: {', '.join(label(hdus, at) for at in others)}. To read "
        f'another one, give --hdu, or "{path}[{address(hdus, others[0])}]" in place of the file'
    ]
    if role != "image":
        return tuple(notes)
    noise, flags = companion(hdus, index, "noise"), companion(hdus, index, "flags")
    if noise is not None:
        notes.append(
            f"HDU {label(hdus, noise)} states the {scale_of(hdus[noise])} of each pixel, which is not used "
            f'unless you give --noise-std "{path}[{address(hdus, noise)}]"'
        )
    if flags is not None and (marks := _marks(path, hdus, flags)):
        notes.append(marks)
    return tuple(notes)


def _marks(path: Path, hdus: Any, at: int) -> str:
    """Return a note on the pixels that a data-quality plane marks."""
    flags = np.ma.getdata(pixels(hdus[at]))
    count = int(np.count_nonzero(flags))
    if not count:
        return ""
    note = f"HDU {label(hdus, at)} marks {count} pixels, which are used like all others unless you give "
    mask = f'--missing "{path}[{address(hdus, at)}]"'
    if flags.dtype.kind not in "iu" or (names := flags_set(flags)) == [1]:
        return f"{note}{mask}"
    listed = ", ".join(map(str, names))
    return f"{note}--dq-bits with the flags that make a pixel useless (the plane has {listed})"


def flags_set(flags: np.ndarray) -> list[int]:
    """Return all flags that are set in any pixel of a data-quality plane, as powers of two."""
    bits = int(np.bitwise_or.reduce(_unsigned(flags), axis=None))
    return [1 << n for n in range(64) if bits >> n & 1]


def _unsigned(flags: np.ndarray) -> np.ndarray:
    """Return flags as unsigned integers, in which the sign of a number is a flag like all others."""
    stored = np.ma.getdata(flags)
    return stored.astype(np.uint8) if stored.dtype.kind == "b" else stored.view(f"u{stored.dtype.itemsize}")
