"""An image as a file holds it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from napari_dip.area import Area, index


@dataclass(frozen=True, eq=False)
class Picture:
    """Pixels, and what the file says of them.

    Parameters
    ----------
    data : ndarray
        In the file's own dtype.
    axes : str, optional
        One letter per axis, as `napari_dip.axes.Axes` reads them; None where the file doesn't say.
    pixel_size : mapping of str to (float, str)
        Size of a pixel and its unit along Z, Y and X.
    header : optional
        What only this format understands, to be written back by it.
    origin : tuple of int
        Where in the file's image the first pixel lies, along each axis; empty for the whole image.
    """

    data: np.ndarray
    axes: str | None = None
    pixel_size: Mapping[str, tuple[float, str]] = field(default_factory=dict)
    header: Any = None
    origin: tuple[int, ...] = ()

    def part(self, area: Area) -> "Picture":
        """Return an area of a whole picture."""
        return replace(self, data=self.data[index(area)], origin=tuple(start for start, _ in area))


def as_dtype(data: np.ndarray, dtype: np.dtype) -> tuple[np.ndarray, int]:
    """Return data rounded to a dtype, and how many values had to be clipped to its range."""
    if dtype.kind == "f":
        return data.astype(dtype), 0
    if dtype.kind == "b":
        return data >= 0.5, 0
    limits = np.iinfo(dtype)
    rounded = np.rint(data.astype(np.float64))
    clipped = int(np.count_nonzero((rounded < limits.min) | (rounded > limits.max)))
    return np.clip(rounded, limits.min, limits.max).astype(dtype), clipped
