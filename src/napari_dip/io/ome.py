"""The metadata of OME-TIFF files; what is faulty in them is left out and said."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from napari_dip.io.metadata import PLANE_AXES, Metadata
from napari_dip.io.pixel_size import Size, number_in, plausible

#: Attributes that tifffile can write; the numbers among them are checked.
_CHANNEL = (
    *("Name", "Color", "Fluor", "AcquisitionMode", "ContrastMethod", "IlluminationType", "NDFilter"),
    *("EmissionWavelength", "EmissionWavelengthUnit", "ExcitationWavelength", "ExcitationWavelengthUnit"),
    *("PinholeSize", "PinholeSizeUnit", "PockelCellSetting"),
)
_PLANE = ("DeltaT", "ExposureTime", "PositionX", "PositionY", "PositionZ")
_NUMBERS = {"Color", "EmissionWavelength", "ExcitationWavelength", "PinholeSize", *_PLANE}


class Ome:
    """The first image that OME-XML describes and whose planes, or some of them, lie in its own file.

    Parameters
    ----------
    xml : str
        The XML.
    path : Path
        The file that it was read from.

    Raises
    ------
    ValueError
        It is no XML, or describes no image.
    """

    def __init__(self, xml: str, path: Path) -> None:
        try:
            self.root = ElementTree.fromstring(xml)
        except (ElementTree.ParseError, ValueError) as error:
            raise ValueError(f"it is not valid XML ({error})") from error
        self.path = path
        images = [
            (one, pixels)
            for one in self.root.iterfind("{*}Image")
            if (pixels := one.find("{*}Pixels")) is not None
        ]
        if not images:
            raise ValueError("it describes no image")
        own = [one for one in images if any(self._is_here(data) for data in one[1].iterfind("{*}TiffData"))]
        self.image, self.pixels = (own or images)[0]

    def absent_files(self) -> list[str]:
        """Return the names of the files that hold planes of the image, and are not beside this one."""
        data = list(self.pixels.iterfind("{*}TiffData"))
        parts = {
            uuid.attrib["FileName"]: self._is_here(one)
            for one in data
            if (uuid := one.find("{*}UUID")) is not None and "FileName" in uuid.attrib
        }
        if len(parts) == 1 and not any(self._is_here(one) for one in data):
            return []  # the name that this file had before
        return [name for name, here in parts.items() if not here and not (self.path.parent / name).is_file()]

    def _is_here(self, data: ElementTree.Element) -> bool:
        """Return whether planes lie in this file."""
        uuid = data.find("{*}UUID")
        if uuid is None:
            return True
        own = (self.root.attrib.get("UUID") or "").strip()
        if own:
            return (uuid.text or "").strip() == own
        return uuid.attrib.get("FileName", "").lower() == self.path.name.lower()

    def pixel_size(self) -> tuple[dict[str, Size], tuple[str, ...]]:
        """Return the size of a pixel along each axis, and notes."""
        stated = self.pixels.attrib
        return plausible(
            {
                axis: (stated[f"PhysicalSize{axis}"], stated.get(f"PhysicalSize{axis}Unit", "µm"))
                for axis in "ZYX"
                if f"PhysicalSize{axis}" in stated
            }
        )

    def metadata(self) -> Metadata:
        """Return what else is said about the image."""
        step = number_in(self.pixels.attrib.get("TimeIncrement"))
        channels = tuple(_attributes(one, _CHANNEL) for one in self.pixels.iterfind("{*}Channel"))
        return Metadata(
            description=(self.image.findtext("{*}Description") or "").strip(),
            channels=channels if any(channels) else (),
            time_step=(step, self.pixels.attrib.get("TimeIncrementUnit", "s")) if step and step > 0 else None,
            planes=dict(self._planes()),
            text={
                one.attrib["K"]: one.text or ""
                for one in self.root.iterfind("{*}StructuredAnnotations/{*}MapAnnotation/{*}Value/{*}M")
                if one.attrib.get("K")
            },
        )

    def _planes(self) -> Iterator[tuple[tuple[int, int, int], dict[str, Any]]]:
        for one in self.pixels.iterfind("{*}Plane"):
            t, c, z = (number_in(one.attrib.get(f"The{letter}", 0)) for letter in PLANE_AXES)
            attributes = _attributes(one, (*_PLANE, *(f"{name}Unit" for name in _PLANE)))
            if attributes and t is not None and c is not None and z is not None:
                yield (int(t), int(c), int(z)), attributes


def _attributes(element: ElementTree.Element, names: tuple[str, ...]) -> dict[str, Any]:
    """Return the attributes of these names that are not faulty."""
    found: dict[str, Any] = {}
    for name in names:
        text = element.attrib.get(name)
        if text is None or (name in _NUMBERS and number_in(text) is None):
            continue
        found[name] = text if name not in _NUMBERS else int(float(text)) if name == "Color" else float(text)
    return found


def as_options(metadata: Metadata, sizes: Mapping[str, int]) -> dict[str, Any]:
    """Return metadata as tifffile writes them into OME-XML.

    Parameters
    ----------
    metadata : Metadata
        What is said of the image.
    sizes : mapping of str to int
        Length of each axis, in the order of the array. Channels and planes that don't fit are left out.
    """
    metadata = _printable(metadata)
    options: dict[str, Any] = {}
    if metadata.description:
        options["Description"] = metadata.description
    if metadata.time_step is not None:
        options["TimeIncrement"], options["TimeIncrementUnit"] = metadata.time_step
    if metadata.channels and len(metadata.channels) == sizes.get("C", 1):
        options["Channel"] = [dict(channel) for channel in metadata.channels]
    planes = [letter for letter in sizes if letter in PLANE_AXES]
    count = tuple(sizes[letter] for letter in planes)
    listed = []
    for at in np.ndindex(count):
        index = dict(zip(planes, at, strict=True))
        t, c, z = (index.get(letter, 0) for letter in PLANE_AXES)
        listed.append(dict(metadata.planes.get((t, c, z), {})))
    if any(listed):
        options["Plane"] = listed
    if metadata.text:
        # These two names of tifffile's would be taken for something else.
        text = {key: value for key, value in metadata.text.items() if key not in ("Namespace", "Description")}
        options["MapAnnotation"] = {"Namespace": "napari-dip/metadata", **text}
    return options


def ome_colour(red: int, green: int, blue: int) -> int:
    """Return an opaque colour of 8 bits per component as OME stores it: a signed integer of 32 bits."""
    return int.from_bytes(bytes((red, green, blue, 255)), "big", signed=True)


def _printable(metadata: Metadata) -> Metadata:
    """Return metadata without the control characters that XML can't hold."""

    def clean(text: Any) -> Any:
        if not isinstance(text, str):
            return text
        return "".join(letter for letter in text if letter.isprintable() or letter in "\n\t")

    return replace(
        metadata,
        description=clean(metadata.description),
        channels=tuple({name: clean(value) for name, value in one.items()} for one in metadata.channels),
        text={clean(key): clean(value) for key, value in metadata.text.items()},
    )
