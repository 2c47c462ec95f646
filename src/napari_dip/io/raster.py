"""PNG, JPEG and npy files."""

import json
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageOps, PngImagePlugin

from napari_dip.errors import FileError
from napari_dip.io.image_file import ImageFile


def read(path: Path) -> ImageFile:
    """Read a PNG or JPEG file, turned upright: grey levels or RGB, of 8 or 16 bits."""
    with path.open("rb") as stream:
        start = stream.read(26)
    # Pillow would read these with 8 bits per channel, without a warning.
    if len(start) == 26 and start[:4] == b"\x89PNG" and start[24] == 16 and start[25] != 0:
        raise FileError(f"can't read {path}: it is a colour PNG with 16 bits per channel; save it as TIFF")
    with Image.open(path) as file:
        image = ImageOps.exif_transpose(file)
        if image.mode in ("P", "PA", "CMYK", "YCbCr", "HSV", "LAB"):
            image = image.convert("RGBA" if "transparency" in image.info or image.mode == "PA" else "RGB")
        data = np.array(image)
    if image.mode in ("LA", "RGBA"):
        if (data[..., -1] != 255).any():
            raise FileError(f"can't read {path}: it is partly transparent; save it without transparency")
        data = data[..., 0] if image.mode == "LA" else data[..., :3]
    if data.dtype == np.int32:  # some versions of Pillow hold 16 bits in this way
        data = data.astype(np.uint16)
    return ImageFile(data, "YX" if data.ndim == 2 else "YXC")


def write(file: BinaryIO, data: np.ndarray, source: ImageFile, axes: str, provenance: dict[str, Any]) -> None:
    """Write a PNG file with the provenance as text."""
    info = PngImagePlugin.PngInfo()
    info.add_itxt("napari-dip", json.dumps(provenance))
    _image(data).save(file, "PNG", pnginfo=info)


def write_jpeg(
    file: BinaryIO, data: np.ndarray, source: ImageFile, axes: str, provenance: dict[str, Any]
) -> None:
    """Write a JPEG file of high quality with the provenance as its comment."""
    _image(data).save(file, "JPEG", quality=95, subsampling=0, comment=json.dumps(provenance))


def _image(data: np.ndarray) -> Image.Image:
    """Return grey levels or RGB as an image; Pillow has no axis for a single channel."""
    return Image.fromarray(data[..., 0] if data.shape[2:] == (1,) else data)


def provenance(path: Path) -> str:
    """Return the text under the key "napari-dip" of a PNG file, or the comment of a JPEG file."""
    with Image.open(path) as file:
        return file.info.get("napari-dip") or file.info.get("comment", b"").decode("utf-8", "replace")


def read_npy(path: Path) -> ImageFile:
    """Read an array. Pickled objects are refused, since they could run code."""
    return ImageFile(np.load(path, allow_pickle=False))


def write_npy(
    file: BinaryIO, data: np.ndarray, source: ImageFile, axes: str, provenance: dict[str, Any]
) -> None:
    """Write an array. The format has no place for provenance."""
    np.save(file, data, allow_pickle=False)
