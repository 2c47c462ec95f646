"""PNG, JPEG, GIF and npy files."""

import contextlib
import json
import struct
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageOps, PngImagePlugin

from napari_dip.errors import FileError
from napari_dip.io.colours import Alpha, looked_up
from napari_dip.io.image_file import ImageFile
from napari_dip.io.metadata import Metadata

_KEY = "napari-dip"
_PALETTE = "its pixels are indices of a palette; they are replaced by the colours that they stand for"


def read(path: Path) -> ImageFile:
    """Read a PNG or JPEG file, turned upright: grey levels or RGB, of 8 or 16 bits."""
    with path.open("rb") as stream:
        start = stream.read(26)
    # Pillow would read these with 8 bits per channel, without a warning.
    if len(start) == 26 and start[:4] == b"\x89PNG" and start[24] == 16 and start[25] != 0:
        raise FileError(
            f"can't read {path}: it is a PNG of several channels with 16 bits per channel; save it as TIFF"
        )
    with Image.open(path) as file:
        notes = []
        if (frames := getattr(file, "n_frames", 1)) > 1:
            notes.append(f"it contains {frames} images: only the first one is read")
        image = ImageOps.exif_transpose(file)
        metadata = _metadata(file, image.getexif())
    indices = None
    if image.mode in ("P", "PA"):
        notes.append(_PALETTE)
        indices = np.array(image.getchannel(0))
    elif image.mode in ("CMYK", "YCbCr", "HSV", "LAB"):
        notes.append(f"its colours are converted from {image.mode} to RGB")
    data, alpha = _levels(image)
    axes = "YX" if data.ndim == 2 else "YXC"
    return ImageFile(data, axes, alpha=alpha, metadata=metadata, indices=indices, notes=tuple(notes))


def read_gif(path: Path) -> ImageFile:
    """Read a GIF file: an image, or a series of them."""
    with Image.open(path) as file:
        frames = []
        for at in range(getattr(file, "n_frames", 1)):
            file.seek(at)
            frames.append(np.array(file.convert("RGBA")))
        duration = file.info.get("duration", 0) if len(frames) > 1 else 0
    stack = np.stack(frames)
    colours, opacity = stack[..., :3], stack[..., 3]
    grey = (colours == colours[..., :1]).all()
    data, axes = (colours[..., 0], "TYX") if grey else (colours, "TYXC")
    if len(frames) == 1:
        data, opacity, axes = data[0], opacity[0], axes[1:]
    alpha = None if (opacity == 255).all() else Alpha(opacity)
    metadata = Metadata(time_step=(duration / 1000, "s") if duration else None)
    return ImageFile(data, axes, alpha=alpha, metadata=metadata, notes=(_PALETTE,))


def write(file: BinaryIO, data: np.ndarray, source: ImageFile, axes: str, provenance: dict[str, Any]) -> None:
    """Write a PNG file with the provenance as text."""
    _refuse_other_channels(data)
    described, info = source.metadata, PngImagePlugin.PngInfo()
    if described.gamma is not None:
        info.add(b"gAMA", struct.pack(">I", round(described.gamma * 100_000)))
    texts = {"Description": described.description} if described.description else {}
    for key, text in {**texts, **described.text}.items():
        if key != _KEY:
            info.add_itxt(_keyword(key), text)
    info.add_itxt(_KEY, json.dumps(provenance))
    if source.alpha is not None:
        if source.alpha.premultiplied:
            raise FileError(
                "PNG files can't hold colours that were multiplied by their alpha channel: choose .tif"
            )
        data, _ = source.alpha.added(data, axes)
    _image(_brightness(data, described)).save(file, "PNG", pnginfo=info, **_described(described))


def write_jpeg(
    file: BinaryIO, data: np.ndarray, source: ImageFile, axes: str, provenance: dict[str, Any]
) -> None:
    """Write a JPEG file of high quality with the provenance as its comment."""
    _refuse_other_channels(data)
    image = _image(_brightness(data, source.metadata))
    comment = json.dumps(provenance)
    image.save(file, "JPEG", quality=95, subsampling=0, comment=comment, **_described(source.metadata))


def _image(data: np.ndarray) -> Image.Image:
    """Return grey levels or colours as an image; Pillow has no axis for a single channel."""
    return Image.fromarray(data[..., 0] if data.shape[2:] == (1,) else data)


def _refuse_other_channels(data: np.ndarray) -> None:
    """Refuse channels of which Pillow would make an opacity."""
    if data.ndim == 3 and data.shape[-1] not in (1, 3):
        raise ValueError(f"{data.shape[-1]} channels are neither grey levels nor red, green and blue")


def provenance(path: Path) -> str | None:
    """Return the text under the key "napari-dip" of a PNG file, or the comment of a JPEG file.

    Of an npy file, return what follows the array, if anything does.
    """
    if path.suffix.lower() == ".npy":
        return _after_array(path)
    with Image.open(path) as file:
        text = file.info.get(_KEY) or file.info.get("comment", b"")
        return text.decode("utf-8", "replace") if isinstance(text, bytes) else text


def read_npy(path: Path) -> ImageFile:
    """Read an array. Pickled objects are refused, since they could run code."""
    loaded = np.load(path, allow_pickle=False)
    if not isinstance(loaded, np.ndarray):
        loaded.close()
        raise FileError(f"can't read {path}: it is an archive of arrays; save one of them as .npy")
    return ImageFile(loaded)


def write_npy(
    file: BinaryIO, data: np.ndarray, source: ImageFile, axes: str, provenance: dict[str, Any]
) -> None:
    """Write an array. Provenance, if there is any, follows as another one, which NumPy leaves unread."""
    np.save(file, data, allow_pickle=False)
    if provenance:
        np.save(file, np.array(json.dumps(provenance)), allow_pickle=False)


def _after_array(path: Path) -> str | None:
    """Return the text of the second array in an npy file, if there is one."""
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    if not isinstance(array, np.memmap):  # an archive
        array.close()
        return None
    with path.open("rb") as file:
        file.seek(array.offset + array.nbytes)
        with contextlib.suppress(EOFError, ValueError):  # nothing, or something of another program
            return str(np.load(file, allow_pickle=False))
    return None


def _levels(image: Image.Image) -> tuple[np.ndarray, Alpha | None]:
    """Return grey levels or RGB colours, and their opacity."""
    clear = image.info.get("transparency")
    if image.mode in ("P", "PA"):
        palette = np.array(image.convert("RGBA"))  # it may name an opacity for each colour
        table = np.reshape(np.array(image.getpalette("RGB"), np.uint8), (-1, 3))
        indices = np.array(image.getchannel(0))
        opaque = image.mode == "P" and clear is None
        return looked_up(indices, table), None if opaque else Alpha(palette[..., 3])
    if image.mode in ("CMYK", "YCbCr", "HSV", "LAB"):
        image = image.convert("RGB")
    data = np.array(image)
    if data.dtype == np.int32:  # some versions of Pillow hold 16 bits in this way
        data = data.astype(np.uint16)
    if image.mode in ("LA", "RGBA"):
        return (data[..., 0] if image.mode == "LA" else data[..., :3]), Alpha(data[..., -1])
    if clear is None or data.dtype == bool:
        return data, None
    # One colour of the image stands for transparent pixels.
    same = data == np.asarray(clear)
    seen = ~(same.all(-1) if data.ndim == 3 else same)
    return data, Alpha(seen.astype(data.dtype) * np.iinfo(data.dtype).max)


def _brightness(data: np.ndarray, described: Metadata) -> np.ndarray:
    """Return pixels whose larger numbers are brighter, as these formats need it."""
    if not described.white_is_zero:
        return data
    return ~data if data.dtype == bool else np.iinfo(data.dtype).max - data


def _metadata(file: Image.Image, exif: Image.Exif) -> Metadata:
    info, dpi = file.info, file.info.get("dpi")
    text = {str(key): str(value) for key, value in getattr(file, "text", {}).items() if key != _KEY}
    return Metadata(
        description=text.pop("Description", ""),
        text=text,
        resolution=(float(dpi[1]), float(dpi[0]), "inch") if dpi and min(dpi) > 0 else None,
        icc_profile=info.get("icc_profile"),
        exif=exif.tobytes() if len(exif) else None,
        gamma=info.get("gamma"),
    )


def _described(metadata: Metadata) -> dict[str, Any]:
    """Return what both formats can say of an image, as options of Pillow."""
    options: dict[str, Any] = {"icc_profile": metadata.icc_profile, "exif": metadata.exif}
    if metadata.resolution is not None:
        y, x, unit = metadata.resolution
        times = {"inch": 1.0, "cm": 2.54}.get(unit)
        options["dpi"] = None if times is None else (x * times, y * times)
    return {name: value for name, value in options.items() if value is not None}


def _keyword(key: str) -> str:
    """Return a key that a PNG file can hold."""
    kept = "".join(letter for letter in key if letter.isprintable() and ord(letter) < 256)
    return kept.strip()[:79] or "Comment"
