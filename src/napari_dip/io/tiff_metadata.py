"""What TIFF files say about an image besides its pixels: OME, ImageJ, and plain tags."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from napari_dip.io.metadata import Metadata
from napari_dip.io.ome import Ome, ome_colour
from napari_dip.io.pixel_size import Size, number_in, plausible, unit_named
from napari_dip.io.tiff_tags import kept_tags

#: Key of the metadata in the description of a TIFF that is no OME-TIFF.
NOTES = "napari-dip/metadata"
_INCH, _CENTIMETRE = 2, 3
_TO_MICROMETRES = {_INCH: 25_400.0, _CENTIMETRE: 10_000.0}
_Sizes = tuple[dict[str, Size], tuple[str, ...]]


def pixel_size_of(tiff: tifffile.TiffFile) -> _Sizes:
    """Return the size of a pixel along each axis, and notes."""
    if tiff.is_ome:
        return Ome(tiff.ome_metadata or "", Path(tiff.filehandle.path)).pixel_size()
    page = tiff.pages.first
    if tiff.is_imagej:
        return _imagej_size(tiff.imagej_metadata or {}, _resolution(page))
    for described in tiff.shaped_metadata or ():
        stated = described.get("pixel_size")
        if isinstance(stated, Mapping):
            pairs = {axis: one for axis, one in stated.items() if isinstance(one, list) and len(one) == 2}
            return plausible({axis: (size, unit) for axis, (size, unit) in pairs.items()})
    scale = _TO_MICROMETRES.get(int(getattr(page, "resolutionunit", 1)))
    if scale is None:
        return {}, ()
    sizes, notes = plausible(
        {axis: (scale / per if per else np.inf, "µm") for axis, per in _resolution(page).items()}
    )
    # A resolution such as 72 or 96 dots per inch gives the size of a print, not of a specimen.
    prints = any(round(25_400 / size) in (72, 96, 150, 300) for size, _ in sizes.values())
    return ({}, notes) if prints else (sizes, notes)


def metadata_of(tiff: tifffile.TiffFile) -> Metadata:
    """Return what else a file says about its first image."""
    page = tiff.pages.first
    if tiff.is_ome:
        described = Ome(tiff.ome_metadata or "", Path(tiff.filehandle.path)).metadata()
    elif tiff.is_imagej:
        described = _imagej(tiff.imagej_metadata or {})
    else:
        described = next((_own(one[NOTES]) for one in tiff.shaped_metadata or () if NOTES in one), Metadata())
        foreign = page.description.startswith(('{"', "shape=")) or "<OME" in page.description
        if not described.description and not foreign:
            described = replace(described, description=page.description.strip())
    unit = {_INCH: "inch", _CENTIMETRE: "cm"}.get(int(getattr(page, "resolutionunit", 1)))
    dots = _resolution(page)
    if unit is not None and len(dots) == 2 and all(dots.values()):
        described = replace(described, resolution=(dots["Y"], dots["X"], unit))
    return replace(described, icc_profile=page.iccprofile, tags=kept_tags(page))


def _resolution(page: Any) -> dict[str, float]:
    """Return the pixels per unit along Y and X; 0 where the file has nonsense."""
    found = {}
    for axis in "YX":
        tag = page.tags.get(f"{axis}Resolution")
        if tag is not None:
            above, below = tag.value
            found[axis] = above / below if below else 0.0
    return found


def _imagej_size(described: Mapping[str, Any], dots: Mapping[str, float]) -> _Sizes:
    unit = described.get("unit")
    if unit is None or unit_named(unit) == "pixel":
        return {}, ()
    stated: dict[str, tuple[Any, Any]] = {
        axis: (1 / per if per else np.inf, unit) for axis, per in dots.items()
    }
    if "spacing" in described:
        stated["Z"] = (described["spacing"], unit)
    return plausible(stated)


def _imagej(described: Mapping[str, Any]) -> Metadata:
    """Return the metadata of an ImageJ file. The brightest colour of each lookup table names its channel."""
    step, unit = number_in(described.get("finterval")), str(described.get("tunit", "s"))
    tables = described.get("LUTs", [])
    tables = [
        np.asarray(one) for one in (tables if isinstance(tables, list) else [tables])
    ]  # one has no list
    colours = []
    if all(table.ndim == 2 and table.shape[0] == 3 and table.shape[1] for table in tables):
        colours = [ome_colour(*(int(level) for level in table[:, -1])) for table in tables]
    text = {key: described[key] for key in ("Info",) if isinstance(described.get(key), str)}
    if "Ranges" in described:
        text["Ranges"] = " ".join(map(str, described["Ranges"]))
    return Metadata(
        channels=tuple({"Color": colour} for colour in colours),
        time_step=(step, "s" if unit == "sec" else unit) if step and step > 0 else None,
        text=text,
    )


def _own(notes: Any) -> Metadata:
    """Return metadata that this package wrote into the description of a TIFF; nothing of it is trusted."""
    if not isinstance(notes, Mapping):
        return Metadata()
    step, channels, text = (notes.get(name, []) for name in ("time_step", "channels", "text"))
    seconds = number_in(step[0]) if isinstance(step, list) and len(step) == 2 else None
    return Metadata(
        description=str(notes.get("description", "")),
        channels=tuple(one for one in channels if isinstance(one, Mapping))
        if isinstance(channels, list)
        else (),
        time_step=None if seconds is None else (seconds, str(step[1])),
        text={str(key): str(value) for key, value in text.items()} if isinstance(text, Mapping) else {},
    )
