"""TIFF: reads OME, ImageJ and plain files, and writes OME files."""

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO
from xml.etree import ElementTree

import numpy as np
import tifffile

from napari_dip.io.colours import Alpha, looked_up
from napari_dip.io.image_file import ImageFile
from napari_dip.io.ome import as_options, ome_colour
from napari_dip.io.tiff_metadata import NOTES, metadata_of, pixel_size_of
from napari_dip.io.tiff_pixels import opened, pixels

NAMESPACE = "napari-dip/provenance"
_OME_DTYPES = ("int8", "int16", "int32", "uint8", "uint16", "uint32", "float32", "float64")
_PALETTE, _MOSAIC, _MINISWHITE = 3, 32803, 0
_PREMULTIPLIED, _ALPHA = 1, 2  # values of the tag ExtraSamples
_NO_DATA = 42113


def read(path: Path) -> ImageFile:
    """Read the first image series of a file."""
    with opened(path) as (tiff, series, notes):
        data, page = pixels(path, series), series.keyframe
        # tifffile calls unnamed axes Q or I. Then the meaning of the axes is not known.
        axes = series.axes if {"Y", "X"} <= set(series.axes) and not set(series.axes) & {"Q", "I"} else None
        size, size_notes = pixel_size_of(tiff)
        image = ImageFile(data, axes, size, metadata=metadata_of(tiff), notes=(*notes, *size_notes))
        image = _without_no_data(_with_alpha(image, series.axes, page), page)
        if page.photometric == _PALETTE and page.colormap is not None:
            image = _coloured(image, page.colormap.T, false_colours=tiff.is_imagej)
        elif page.photometric == _MINISWHITE:
            image = replace(
                image,
                metadata=replace(image.metadata, white_is_zero=True),
                notes=(*image.notes, "0 is white in this file"),
            )
        elif page.photometric == _MOSAIC:
            image = replace(image, mosaic="its photometric interpretation is CFA")
        return image


def write(file: BinaryIO, data: np.ndarray, source: ImageFile, axes: str, provenance: dict[str, Any]) -> None:
    """Write an OME-TIFF, or a TIFF with the axes in its description if OME has no word for one of them."""
    if data.dtype == bool:
        data = data.astype(np.uint8)  # many programs misread one bit per pixel
    described, alpha = source.metadata, source.alpha
    if alpha is None and axes[-1] in "CS" and data.shape[-1] == 1:  # TIFF has no axis for a single sample
        axes, data = axes[:-1], data[..., 0]
    colours = data.shape[-1] if axes[-1] in "CS" else 1
    options: dict[str, Any] = {"photometric": "miniswhite" if described.white_is_zero else "minisblack"}
    if axes[-1] in "CS" and colours == 3:
        options["photometric"] = "rgb"
    if alpha is not None:
        data, axes = alpha.added(data, axes)
        extra = ["unspecified"] * (colours - (3 if options["photometric"] == "rgb" else 1))
        options["extrasamples"] = [*extra, "assocalpha" if alpha.premultiplied else "unassalpha"]
    # In TIFF, interleaved channels are samples (S), and samples in separate planes are channels (C).
    axes = axes[:-1].replace("S", "C") + axes[-1].replace("C", "S")
    text = json.dumps(provenance)
    ome = set(axes) <= set("TZCYXS") and axes.rstrip("S").endswith("YX") and data.dtype.name in _OME_DTYPES
    metadata: dict[str, Any] = {"axes": axes}
    if ome:
        metadata |= as_options(described, dict(zip(axes, data.shape, strict=True)))
        metadata["CommentAnnotation"] = {"Namespace": NAMESPACE, "Value": text}
        for letter, (size, unit) in source.pixel_size.items():
            metadata[f"PhysicalSize{letter}"], metadata[f"PhysicalSize{letter}Unit"] = size, unit
    else:
        metadata[NAMESPACE] = text
        metadata["pixel_size"] = {letter: list(size) for letter, size in source.pixel_size.items()}
        metadata[NOTES] = {
            "description": described.description,
            "channels": [dict(channel) for channel in described.channels],
            "time_step": described.time_step,
            "text": dict(described.text),
        }
    if described.resolution is not None:
        y, x, unit = described.resolution
        options |= {"resolution": (x, y), "resolutionunit": {"inch": 2, "cm": 3}.get(unit, 1)}
    planar = "contig" if axes.endswith("S") else None
    tifffile.imwrite(
        file,
        data,
        ome=ome,
        metadata=metadata,
        planarconfig=planar,
        iccprofile=described.icc_profile,
        extratags=[(*tag, True) for tag in described.tags],
        **options,
    )


def provenance(path: Path) -> str | None:
    """Return the provenance in OME's annotations or in the description, or None."""
    with tifffile.TiffFile(path) as tiff:
        if tiff.is_ome:
            ome = ElementTree.fromstring(tiff.ome_metadata or "")
            return ome.findtext(f".//{{*}}CommentAnnotation[@Namespace='{NAMESPACE}']/{{*}}Value")
        return next((one[NAMESPACE] for one in tiff.shaped_metadata or () if NAMESPACE in one), None)


def _without_no_data(image: ImageFile, page: Any) -> ImageFile:
    """Mask the pixels that have the value for "no data", as GDAL stores it."""
    tag = page.tags.get(_NO_DATA)
    if tag is None:
        return image
    text = str(tag.value).strip("\0 ")
    value = _grey_level(text, image.data.dtype)
    if value is None:
        note = f"its value for pixels without data, {text[:20]!r}, is ignored: no pixel can have it"
        return replace(image, notes=(*image.notes, note))
    hidden = image.data == value
    if not hidden.any():  # NaN is missing in any case
        return image
    note = (
        f"{np.count_nonzero(hidden)} pixels have the value {text}, the file's value for pixels without data"
    )
    return replace(
        image,
        data=np.ma.MaskedArray(image.data, hidden),
        notes=(*image.notes, f"{note}: they are missing"),
    )


def _grey_level(text: str, dtype: np.dtype) -> Any:
    """Return the grey level that a text stands for, or None if no pixel of this data type can have it."""
    try:
        if dtype.kind == "f":
            with np.errstate(over="ignore"):  # it becomes infinite, and such pixels are missing in any case
                return dtype.type(float(text))
        level = Decimal(text)  # a float would round the largest integers
        low, high = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
        return dtype.type(int(level)) if low <= level <= high and level % 1 == 0 else None
    except (ArithmeticError, ValueError):
        return None


def _coloured(image: ImageFile, table: np.ndarray, *, false_colours: bool) -> ImageFile:
    """Return the colours that a palette stands for, or the grey levels that it only shows in colour."""
    brightness = table @ np.array([0.299, 0.587, 0.114])
    if false_colours and (np.diff(brightness) >= 0).all() and np.ptp(brightness) > 0:
        colour = ome_colour(*(int(level) >> 8 for level in table[-1]))
        described = (
            image.metadata
            if image.metadata.channels
            else replace(image.metadata, channels=({"Color": colour},))
        )
        note = "its grey levels are read without the colours in which ImageJ shows them"
        return replace(image, metadata=described, notes=(*image.notes, note))
    hidden = np.ma.getmaskarray(image.data)
    data = looked_up(np.ma.getdata(image.data), table)
    colours = data.ndim > image.data.ndim
    axes = image.axes if image.axes is None or not colours else f"{image.axes}S"
    note = "its pixels are indices of a palette; they are replaced by the colours that they stand for"
    if image.missing is not None:
        data = np.ma.MaskedArray(data, np.broadcast_to(hidden[..., None], data.shape) if colours else hidden)
    return replace(image, data=data, axes=axes, indices=np.ma.getdata(image.data), notes=(*image.notes, note))


def _with_alpha(image: ImageFile, axes: str, page: Any) -> ImageFile:
    """Take the alpha channel out of an image."""
    extra = [int(kind) for kind in page.extrasamples]
    opacities = [at for at, kind in enumerate(extra) if kind in (_PREMULTIPLIED, _ALPHA)]
    if "S" not in axes or not opacities:
        return image
    at = page.samplesperpixel - len(extra) + opacities[0]
    axis = axes.index("S")
    data = np.moveaxis(image.data, axis, -1)
    letters = None if image.axes is None else f"{axes.replace('S', '')}S"
    alpha = Alpha(np.ma.getdata(data)[..., at], premultiplied=extra[opacities[0]] == _PREMULTIPLIED)
    keep = [sample for sample in range(data.shape[-1]) if sample != at]
    data = data[..., keep]
    if len(keep) == 1:
        data, letters = data[..., 0], None if letters is None else letters[:-1]
    return replace(image, data=data, axes=letters, alpha=alpha)
