"""Rectangular regions of an image, and how they are written."""

from napari_dip.image.axes import Axes

#: First pixel, and the pixel after the last one, along each axis of an array.
Region = tuple[tuple[int, int], ...]


def parsed(text: str, axes: Axes, shape: tuple[int, ...]) -> Region:
    """Return the region that ``"first:last,first:last"`` stands for.

    Parameters
    ----------
    text : str
        One range for each spatial axis, or for each axis of the array. As in Python, the pixel `last` is not
        part of the range, and either end may be left out.
    axes : Axes
        Axes of the array.
    shape : tuple of int
        Shape of the array.

    Raises
    ------
    ValueError
        A range is malformed or lies outside the array.
    """
    ranges = text.split(",")
    counts = {len(axes.spatial): axes.spatial, len(shape): tuple(range(len(shape)))}
    if len(ranges) not in counts:
        wanted = " or ".join(map(str, sorted(counts)))
        raise ValueError(
            f"the region must have {wanted} ranges for an image of shape {shape}, got {len(ranges)}: {text!r}"
        )
    roi = [(0, size) for size in shape]
    for axis, one in zip(counts[len(ranges)], ranges, strict=True):
        roi[axis] = _range(one, shape[axis])
    return tuple(roi)


def _range(text: str, size: int) -> tuple[int, int]:
    first, colon, last = (word.strip() for word in text.partition(":"))
    if not colon or any(word and not word.isdecimal() for word in (first, last)):
        raise ValueError(f"the region must have ranges like 100:356, got {text!r}")
    start, stop = int(first or 0), int(last or size)
    if not start < stop <= size:
        raise ValueError(
            f"the region's range must be first < last <= {size}, the image's size along this axis, "
            f"got {text!r}"
        )
    return start, stop


def index(roi: Region) -> tuple[slice, ...]:
    """Return the index that takes a region out of an array."""
    return tuple(slice(*ends) for ends in roi)


def written(roi: Region) -> str:
    """Return a region as text that `parsed` reads."""
    return ",".join(f"{start}:{stop}" for start, stop in roi)
