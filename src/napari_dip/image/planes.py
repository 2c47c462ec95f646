"""Some planes of an image, evenly spread. A lazy array (dask, zarr) is read only where they lie."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dip.image.axes import Axes

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

#: Grey levels of a plane, and where its pixels are observed.
Plane = tuple[np.ndarray, np.ndarray]


def sliceable(array: "ArrayLike") -> Any:
    """Return an array that can be sliced: a lazy array as it is, everything else as a NumPy array."""
    return array if isinstance(getattr(array, "dtype", None), np.dtype) else np.asarray(array)


def sampled_planes(
    image: "ArrayLike",
    missing: "ArrayLike | None",
    axes: str | None,
    *,
    count: int,
    side: int | None = None,
) -> list[Plane]:
    """Return some planes of an image, evenly spread over its channels, its frames and its depth.

    Parameters
    ----------
    image : array of real numbers
        Grey levels.
    missing : array, optional
        Not 0 where a pixel is missing, as in `restore`. NaN, infinite and masked pixels are missing too.
    axes : str, optional
        One letter per axis, as in `restore`. By default the axes are guessed from the shape.
    count : int
        Largest number of planes.
    side : int, optional
        Largest side of a plane, in pixels. Only the middle of a larger plane is read.

    Returns
    -------
    list of (ndarray of float64, ndarray of bool)
        Grey levels, which are 0 where a pixel is missing, and True where a pixel is observed.

    Raises
    ------
    ValueError
        The image does not hold real numbers, or its axes or the mask do not fit it.
    """
    array = sliceable(image)
    shape = tuple(array.shape)
    if array.dtype.kind not in "buif":
        raise ValueError(f"image must hold real numbers, got dtype {array.dtype}")
    layout = Axes.of(shape, axes, "separate")
    mask = None if missing is None else sliceable(missing)
    mask_axes = () if mask is None else layout.axes_of("missing", tuple(mask.shape), shape)
    layout = layout.plane_by_plane()
    frames = replace(layout, channels="together")  # a frame is read once, with all of its wanted channels
    reader = _Reader(array, mask, mask_axes, frames, side)

    planes = list(layout.frames(shape))
    chosen = [planes[n] for n in np.unique(np.linspace(0, len(planes) - 1, count).round().astype(int))]
    places = [
        _frame_and_channel(dict(zip(layout.frame_axes, plane, strict=True)), frames) for plane in chosen
    ]
    channels: dict[tuple[int, ...], list[int]] = {}
    for frame, channel in places:
        channels.setdefault(frame, []).append(channel)
    read = {frame: reader.read(frame, wanted) for frame, wanted in channels.items()}
    return [read[frame][channel] for frame, channel in places]


def _frame_and_channel(place: dict[int, int], frames: Axes) -> tuple[tuple[int, ...], int]:
    """Return the frame and the channel of a plane, whose index along each axis but Y and X is given."""
    channel = 0 if frames.channel is None else place[frames.channel]
    return tuple(place[axis] for axis in frames.frame_axes), channel


@dataclass(frozen=True, eq=False)
class _Reader:
    """Reads planes of an array that may be lazy, and of its mask."""

    array: Any
    mask: Any
    mask_axes: tuple[int, ...]
    axes: Axes
    side: int | None

    def read(self, frame: tuple[int, ...], channels: Sequence[int]) -> dict[int, Plane]:
        """Return the planes of these channels of a frame."""
        index, channel = list(self.axes.at(frame)), self.axes.channel
        for axis in self.axes.spatial:
            index[axis] = _middle(self.array.shape[axis], self.side)
        if channel is not None:
            index[channel] = slice(min(channels), max(channels) + 1)
        part = self.array[tuple(index)]
        values = np.array(part, dtype=np.float64)
        valid = np.isfinite(values) & ~np.ma.getmaskarray(part)
        along = sum(axis < channel for axis in self.axes.spatial) if channel is not None else None
        if self.mask is not None:
            hidden = np.asarray(self.mask[tuple(index[axis] for axis in self.mask_axes)]) != 0
            if along is not None and channel not in self.mask_axes:
                hidden = np.expand_dims(hidden, along)
            valid &= ~hidden
        values[~valid] = 0
        if along is None:
            return dict.fromkeys(channels, (values, valid))
        first = min(channels)
        return {c: (np.take(values, c - first, along), np.take(valid, c - first, along)) for c in channels}


def _middle(size: int, side: int | None) -> slice:
    if side is None:
        return slice(None)
    start = max(0, (size - side) // 2)
    return slice(start, start + side)
