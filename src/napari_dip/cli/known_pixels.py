"""What files and options say of single pixels: which ones are missing, and how strong their noise is."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dip.errors import FileError
from napari_dip.image.axes import Axes
from napari_dip.image.region import Region, index
from napari_dip.io import ImageFile, mask_of, read, read_flagged, read_noise_std
from napari_dip.io.mosaic import looks_like_mosaic
from napari_dip.io.sentinels import suspected

if TYPE_CHECKING:
    from napari_dip.cli.options import Common


@dataclass(frozen=True, eq=False)
class KnownPixels:
    """What is known of the pixels of a region.

    Parameters
    ----------
    beside : dict of str to ndarray
        The arguments ``missing`` and ``noise_std`` of `restore`, as far as they are known.
    notes : tuple of str
        What the user should know about them.
    """

    beside: dict[str, np.ndarray]
    notes: tuple[str, ...]


def known_pixels(
    path: Path, whole: ImageFile, axes: Axes, roi: Region | None, common: "Common"
) -> KnownPixels:
    """Return what the image file, the files beside it and the options say of the pixels of a region.

    Parameters
    ----------
    path : Path
        The image file.
    whole : ImageFile
        Its contents.
    axes : Axes
        The axes of the image.
    roi : Region, optional
        The region that is restored.
    common : Common
        The options.

    Raises
    ------
    ValueError
        A file does not fit the image, or an option has no meaning.
    """
    shape = whole.data.shape

    def part(name: str, values: np.ndarray) -> np.ndarray:
        full = axes.broadcast(name, values, shape)
        return full if roi is None else full[index(roi)]

    data = whole.data if roi is None else whole.data[index(roi)]
    masks, notes = [], []
    if common.missing is not None:
        mask = read(common.missing, role="flags")
        masks.append(part("missing", mask_of(mask, common.missing, common.missing_label)))
        notes += [f"{common.missing}: {note}" for note in mask.notes if mask.indices is None]
    if common.dq_bits is not None:
        flagged = part("missing", read_flagged(path, common.hdu, bits(common.dq_bits)))
        masks.append(flagged)
        notes.append(f"{path}: --dq-bits marks {np.count_nonzero(flagged)} pixels as missing")
    if common.no_data is not None:
        grey = np.ma.getdata(data)
        with np.errstate(over="ignore"):  # a number that the data type can't hold marks nothing
            equal = grey == (grey.dtype.type(common.no_data) if grey.dtype.kind == "f" else common.no_data)
        masks.append(equal)
        notes.append(f"{path}: --no-data marks {np.count_nonzero(equal)} pixels as missing")
    beside: dict[str, np.ndarray] = {}
    if common.noise_std is not None:
        sigma, note = read_noise_std(common.noise_std)
        notes.append(f"{common.noise_std}: {note}")
        sigma = part("noise_std", sigma)
        useless = np.isnan(sigma)
        if useless.any():
            masks.append(useless)
            count = np.count_nonzero(useless)
            notes.append(
                f"{common.noise_std}: {count} pixels have no positive, finite value and count as missing"
            )
            sigma = np.where(useless, np.nanmedian(sigma), sigma)
        beside["noise_std"] = sigma
    if masks:
        beside["missing"] = np.logical_or.reduce(masks) if len(masks) > 1 else masks[0]
    notes += _suspicions(path, data, beside.get("missing"), common)
    return KnownPixels(beside, tuple(notes))


def bits(text: str) -> int:
    """Return the sum of some flags, written as decimal or hexadecimal numbers.

    Raises
    ------
    ValueError
        It is no list of positive whole numbers.
    """
    flags = 0
    for word in text.replace("+", ",").split(","):
        try:
            flag = int(word, 0)
        except ValueError:
            flag = 0
        if not 0 < flag < 1 << 63:
            raise ValueError(f"--dq-bits must be positive whole numbers, such as 1,4,0x800, got {text!r}")
        flags |= flag
    return flags


def refuse_mosaic(path: Path, image: ImageFile, axes: Axes) -> None:
    """Refuse an image whose neighbouring pixels lie behind filters of different colours.

    Raises
    ------
    FileError
        The file says so, or the pixels show it.
    """
    why = image.mosaic
    if not why and axes.letters.endswith("YX") and not set(axes.letters) & set("CSZ"):
        plane = image.with_nan[(0,) * (image.data.ndim - 2)]
        if looks_like_mosaic(plane):
            why = "its brightness repeats every two rows and columns"
    if why:
        raise FileError(
            f"{path} is a colour-filter mosaic ({why}): neighbouring pixels show different colours. Convert "
            "it to colour first, or save its four planes, image[0::2, 0::2] and so on, as separate images. "
            "If it is not a mosaic, give --mosaic ignore"
        )


def _suspicions(path: Path, data: Any, missing: np.ndarray | None, common: "Common") -> list[str]:
    """Return a note on a value that may stand for pixels without data."""
    hidden = np.ma.getmaskarray(data)
    hidden = hidden if missing is None else hidden | missing
    if common.saturation_level is not None:
        hidden = hidden | (np.ma.getdata(data) >= common.saturation_level)
    found = suspected(np.ma.getdata(data)[~hidden] if hidden.any() else np.ma.getdata(data))
    if found is None:
        return []
    value, count = found
    saturated = f" If it marks saturated ones, give --saturation-level {value}." if value > 0 else ""
    return [
        f"{path}: the value {value} occurs {count} times and is far from all others, but is restored like "
        f"them. If it marks pixels without data, give --no-data {value}.{saturated}"
    ]
