"""What a file says about an image that no computation needs, and that the restored image should say again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from napari_dip.image.region import Region
from napari_dip.io.tiff_tags import Tag, placed

#: Along these axes OME counts the planes of an image.
PLANE_AXES = "TCZ"


@dataclass(frozen=True)
class Metadata:
    """Metadata of an image, in the terms of the OME model where it has one.

    Parameters
    ----------
    description : str
        Free text.
    channels : tuple of mapping
        Attributes of each channel, such as ``Name``, ``Color`` and ``EmissionWavelength``.
    time_step : (float, str), optional
        Time between two frames along T, and its unit.
    planes : mapping of (int, int, int) to mapping
        Attributes of each plane, such as ``PositionX`` and ``DeltaT``, by its index along T, C and Z.
    text : mapping of str to str
        Other texts by their keys.
    resolution : (float, float, str), optional
        Pixels per unit along Y and X for a print, and the unit: ``inch``, ``cm`` or ``""``.
    icc_profile, exif : bytes, optional
        Colour profile and EXIF block.
    gamma : float, optional
        Exponent that a PNG file states.
    white_is_zero : bool
        Larger numbers are shown darker.
    tags : tuple
        Tags of a TIFF file that only TIFF files can hold.
    """

    description: str = ""
    channels: tuple[Mapping[str, Any], ...] = ()
    time_step: tuple[float, str] | None = None
    planes: Mapping[tuple[int, int, int], Mapping[str, Any]] = field(default_factory=dict)
    text: Mapping[str, str] = field(default_factory=dict)
    resolution: tuple[float, float, str] | None = None
    icc_profile: bytes | None = None
    exif: bytes | None = None
    gamma: float | None = None
    white_is_zero: bool = False
    tags: tuple[Tag, ...] = ()

    def part(self, axes: str, roi: Region, sizes: Mapping[str, float]) -> "Metadata":
        """Return the metadata of a region.

        Parameters
        ----------
        axes : str
            One letter per axis of the whole image.
        roi : Region
            The region.
        sizes : mapping of str to float
            Pixel size along X, Y and Z in the unit of the positions, where it is known.
        """
        ends = dict(zip(axes, roi, strict=True))
        first, last = ends.get("C", (0, len(self.channels)))
        planes = {}
        for index, attributes in self.planes.items():
            inside = [ends.get(letter, (0, n + 1)) for letter, n in zip(PLANE_AXES, index, strict=True)]
            if all(start <= n < stop for n, (start, stop) in zip(index, inside, strict=True)):
                t, c, z = (n - start for n, (start, _) in zip(index, inside, strict=True))
                planes[t, c, z] = _moved(
                    attributes, {axis: ends[axis][0] for axis in "XY" if axis in ends}, sizes
                )
        start = tuple(ends[axis][0] if axis in ends else 0 for axis in "XY")
        tags = placed(self.tags, start, (1, 1))
        return replace(self, channels=self.channels[first:last], planes=planes, tags=tags)

    def refined(self, axes: str, factors: Sequence[int]) -> "Metadata":
        """Return the metadata of an image whose pixels were divided."""
        times = dict(zip(axes, factors, strict=True))
        resolution = self.resolution
        if resolution is not None:
            y, x, unit = resolution
            resolution = (y * times.get("Y", 1), x * times.get("X", 1), unit)
        planes = self.planes if times.get("Z", 1) == 1 else {}
        tags = placed(self.tags, (0, 0), (times.get("X", 1), times.get("Y", 1)))
        return replace(self, resolution=resolution, planes=planes, tags=tags)


def _moved(
    attributes: Mapping[str, Any], starts: Mapping[str, int], sizes: Mapping[str, float]
) -> dict[str, Any]:
    """Return the attributes of a plane whose first pixel is another one."""
    moved = dict(attributes)
    for axis, start in starts.items():
        name = f"Position{axis}"
        if start and name in moved:
            if axis in sizes:
                moved[name] += start * sizes[axis]
            else:  # where it lies now is not known
                moved.pop(name), moved.pop(f"{name}Unit", None)
    return moved
