"""PNG, JPEG and npy."""

import json
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageOps, PngImagePlugin

from napari_dip.errors import FileError
from napari_dip.io.image_file import Picture


def read(path: Path) -> Picture:
    """Read a PNG or JPEG upright; grey or RGB, 8 or 16 bit."""
    with path.open("rb") as stream:
        start = stream.read(26)
    # Pillow would silently halve the depth of these.
    if len(start) == 26 and start[:4] == b"\x89PNG" and start[24] == 16 and start[25] != 0:
        raise FileError(
            f"{path} is a colour PNG of 16 bits per channel, which can't be read: save it as TIFF"
        )
    with Image.open(path) as file:
        image = ImageOps.exif_transpose(file)
        if image.mode in ("P", "PA", "CMYK", "YCbCr", "HSV", "LAB"):
            image = image.convert("RGBA" if "transparency" in image.info or image.mode == "PA" else "RGB")
        data = np.array(image)
    if image.mode in ("LA", "RGBA"):
        if (data[..., -1] != 255).any():
            raise FileError(
                f"{path} is partly transparent, which can't be restored: save it without transparency"
            )
        data = data[..., 0] if image.mode == "LA" else data[..., :3]
    if data.dtype == np.int32:  # how Pillow holds 16 bits in some versions
        data = data.astype(np.uint16)
    return Picture(data, "YX" if data.ndim == 2 else "YXC")


def write(file: BinaryIO, data: np.ndarray, source: Picture, axes: str, provenance: dict[str, Any]) -> None:
    """Write a PNG with the provenance as text."""
    info = PngImagePlugin.PngInfo()
    info.add_itxt("napari-dip", json.dumps(provenance))
    Image.fromarray(data).save(file, "PNG", pnginfo=info)


def write_jpeg(
    file: BinaryIO, data: np.ndarray, source: Picture, axes: str, provenance: dict[str, Any]
) -> None:
    """Write a JPEG of high quality with the provenance as its comment."""
    Image.fromarray(data).save(file, "JPEG", quality=95, subsampling=0, comment=json.dumps(provenance))


def provenance(path: Path) -> str:
    """Return the text of a PNG under our name, or the comment of a JPEG."""
    with Image.open(path) as file:
        return file.info.get("napari-dip") or file.info.get("comment", b"").decode("utf-8", "replace")


def read_npy(path: Path) -> Picture:
    """Read an array; pickled objects are refused, since they could run code."""
    return Picture(np.load(path, allow_pickle=False))


def write_npy(
    file: BinaryIO, data: np.ndarray, source: Picture, axes: str, provenance: dict[str, Any]
) -> None:
    """Write an array; the format has no place for provenance."""
    np.save(file, data, allow_pickle=False)
