"""TIFF: reads OME, ImageJ and plain files, and writes OME files."""

import json
import warnings
from pathlib import Path
from typing import Any, BinaryIO
from xml.etree import ElementTree

import numpy as np
import tifffile

from napari_dip.io.image_file import ImageFile

NAMESPACE = "napari-dip/provenance"
_OME_DTYPES = ("int8", "int16", "int32", "uint8", "uint16", "uint32", "float32", "float64")
_UNITS = {"micron": "µm", "microns": "µm", "um": "µm", "µm": "µm", "micrometer": "µm", "micrometre": "µm"}
_UNITS |= {unit: unit for unit in ("pm", "nm", "mm", "cm", "m")} | {"inch": "in"}  # as OME spells them
_TO_MICROMETRES = {2: 25_400.0, 3: 10_000.0}  # TIFF's resolution units: inch and centimetre


def read(path: Path) -> ImageFile:
    """Read the first image series of a file."""
    with tifffile.TiffFile(path) as tiff:
        series = tiff.series[0]
        if len(tiff.series) > 1:
            warnings.warn(
                f"{path.name} contains {len(tiff.series)} images: only the first one is read", stacklevel=2
            )
        # tifffile calls unnamed axes Q or I. Then the meaning of the axes is not known.
        axes = series.axes if {"Y", "X"} <= set(series.axes) and not set(series.axes) & {"Q", "I"} else None
        return ImageFile(series.asarray(), axes, _pixel_size(tiff))


def write(file: BinaryIO, data: np.ndarray, source: ImageFile, axes: str, provenance: dict[str, Any]) -> None:
    """Write an OME-TIFF, or a TIFF with the axes in its description if OME has no word for one of them."""
    if data.dtype == bool:
        data = data.astype(np.uint8)  # many programs misread one bit per pixel
    if axes[-1] in "CS" and data.shape[-1] == 1:  # TIFF has no axis for a single sample per pixel
        axes, data = axes[:-1], data[..., 0]
    # In TIFF, interleaved channels are samples (S), and samples in separate planes are channels (C).
    axes = axes[:-1].replace("S", "C") + axes[-1].replace("C", "S")
    text = json.dumps(provenance)
    colour = axes.endswith("S") and data.shape[-1] in (3, 4)
    photometric = "rgb" if colour else "minisblack"
    ome = set(axes) <= set("TZCYXS") and axes.rstrip("S").endswith("YX") and data.dtype.name in _OME_DTYPES
    metadata: dict[str, Any] = {"axes": axes}
    if ome:
        metadata["CommentAnnotation"] = {"Namespace": NAMESPACE, "Value": text}
        for letter, (size, unit) in source.pixel_size.items():
            metadata[f"PhysicalSize{letter}"], metadata[f"PhysicalSize{letter}Unit"] = size, unit
    else:
        metadata[NAMESPACE] = text
        metadata["pixel_size"] = {letter: list(size) for letter, size in source.pixel_size.items()}
    planar = "contig" if axes.endswith("S") else None
    tifffile.imwrite(file, data, ome=ome, metadata=metadata, photometric=photometric, planarconfig=planar)


def provenance(path: Path) -> str | None:
    """Return the provenance in OME's annotations or in the description, or None."""
    with tifffile.TiffFile(path) as tiff:
        if tiff.is_ome:
            ome = ElementTree.fromstring(tiff.ome_metadata or "")
            return ome.findtext(f".//{{*}}CommentAnnotation[@Namespace='{NAMESPACE}']/{{*}}Value")
        return next((one[NAMESPACE] for one in tiff.shaped_metadata or () if NAMESPACE in one), None)


def _pixel_size(tiff: tifffile.TiffFile) -> dict[str, tuple[float, str]]:
    if tiff.is_ome:
        return _ome_pixel_size(tiff.ome_metadata or "")
    page = tiff.pages[0]
    if tiff.is_imagej:
        described = tiff.imagej_metadata or {}
        unit = _UNITS.get(str(described.get("unit")).replace("\\u00B5", "µ"))
        if unit is None:
            return {}
        sizes = {axis: (1 / per, unit) for axis, per in _resolution(page).items()}
        if "spacing" in described:
            sizes["Z"] = (float(described["spacing"]), unit)
        return sizes
    for described in tiff.shaped_metadata or ():
        if "pixel_size" in described:
            return {axis: (size, unit) for axis, (size, unit) in described["pixel_size"].items()}
    scale = _TO_MICROMETRES.get(int(getattr(page, "resolutionunit", 1)))
    # A resolution such as 72 or 96 dots per inch gives the size of a print, not of a specimen.
    found = {axis: (scale / per, "µm") for axis, per in _resolution(page).items()} if scale else {}
    return {} if any(round(25_400 / size) in (72, 96, 150, 300) for size, _ in found.values()) else found


def _resolution(page: Any) -> dict[str, float]:
    found = {}
    for axis in "YX":
        tag = page.tags.get(f"{axis}Resolution")
        if tag is not None and tag.value[0] and tag.value[1]:
            found[axis] = tag.value[0] / tag.value[1]
    return found


def _ome_pixel_size(xml: str) -> dict[str, tuple[float, str]]:
    pixels = ElementTree.fromstring(xml).find(".//{*}Pixels")
    if pixels is None:
        return {}
    return {
        axis: (
            float(pixels.attrib[f"PhysicalSize{axis}"]),
            pixels.attrib.get(f"PhysicalSize{axis}Unit", "µm"),
        )
        for axis in "ZYX"
        if f"PhysicalSize{axis}" in pixels.attrib
    }
