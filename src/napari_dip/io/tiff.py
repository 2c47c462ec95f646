"""TIFF: OME, ImageJ and plain files in, OME out."""

import json
import warnings
from pathlib import Path
from typing import Any, BinaryIO
from xml.etree import ElementTree

import numpy as np
import tifffile

from napari_dip.io.picture import Picture

NAMESPACE = "napari-dip/provenance"
_TO_MICROMETRES = {2: 25_400.0, 3: 10_000.0}  # TIFF's resolution units: inch and centimetre


def read(path: Path) -> Picture:
    """Read the first series of a file."""
    with tifffile.TiffFile(path) as tiff:
        series = tiff.series[0]
        if len(tiff.series) > 1:
            warnings.warn(
                f"{path.name} holds {len(tiff.series)} images; only the first one is read", stacklevel=2
            )
        # tifffile calls an axis that nobody named Q or I: looped, but not known to be anything else.
        axes = series.axes if {"Y", "X"} <= set(series.axes) and not set(series.axes) & {"Q", "I"} else None
        return Picture(series.asarray(), axes, _pixel_size(tiff))


def write(file: BinaryIO, data: np.ndarray, source: Picture, axes: str, provenance: dict[str, Any]) -> None:
    """Write an OME-TIFF; where OME has no word for an axis, a TIFF with the axes in its description."""
    if axes.endswith("C"):
        axes = axes[:-1] + "S"  # interleaved channels are samples in TIFF
    record = json.dumps(provenance)
    colour = (
        {"photometric": "rgb"}
        if axes.endswith("S") and data.shape[-1] in (3, 4)
        else {"photometric": "minisblack"}
    )
    if set(axes) <= set("TZCYXS") and axes.rstrip("S").endswith("YX"):
        metadata: dict[str, Any] = {
            "axes": axes,
            "CommentAnnotation": {"Namespace": NAMESPACE, "Value": record},
        }
        for letter, (size, unit) in source.pixel_size.items():
            metadata[f"PhysicalSize{letter}"], metadata[f"PhysicalSize{letter}Unit"] = size, unit
        tifffile.imwrite(file, data, ome=True, metadata=metadata, **colour)
    else:
        sizes = {letter: list(size) for letter, size in source.pixel_size.items()}
        metadata = {"axes": axes, NAMESPACE: record, "pixel_size": sizes}
        tifffile.imwrite(file, data, metadata=metadata, photometric="minisblack")


def _pixel_size(tiff: tifffile.TiffFile) -> dict[str, tuple[float, str]]:
    if tiff.is_ome:
        return _ome_pixel_size(tiff.ome_metadata or "")
    page = tiff.pages[0]
    if tiff.is_imagej:
        described = tiff.imagej_metadata or {}
        unit = str(described.get("unit", "pixel")).replace("\\u00B5", "µ")
        unit = {"micron": "µm", "um": "µm"}.get(unit, unit)
        sizes = {axis: (1 / per, unit) for axis, per in _resolution(page).items()}
        if "spacing" in described:
            sizes["Z"] = (float(described["spacing"]), unit)
        return {} if unit == "pixel" else sizes
    scale = _TO_MICROMETRES.get(int(getattr(page, "resolutionunit", 1)))
    # Files of 72 or 96 dots per inch tell the size of a print, not of a specimen.
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
