"""An image as a file holds it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from napari_dip.image.region import Region, index

_METRES = {"pm": 1e-12, "nm": 1e-9, "µm": 1e-6, "mm": 1e-3, "cm": 1e-2, "m": 1.0}


@dataclass(frozen=True, eq=False)
class Picture:
    """Pixels, and what the file says of them.

    Parameters
    ----------
    data : ndarray
        In the file's own dtype.
    axes : str, optional
        One letter per axis, as `napari_dip.image.axes.Axes` reads them; None where the file doesn't say.
    pixel_size : mapping of str to (float, str)
        Size of a pixel and its unit along Z, Y and X.
    header : optional
        What only this format understands, to be written back by it.
    origin : tuple of int
        Where in the file's image the first pixel lies, along each axis; empty for the whole image.
    factors : tuple of int
        How many pixels one of the file's was divided into, along each axis; empty for pixels as they were.
    """

    data: np.ndarray
    axes: str | None = None
    pixel_size: Mapping[str, tuple[float, str]] = field(default_factory=dict)
    header: Any = None
    origin: tuple[int, ...] = ()
    factors: tuple[int, ...] = ()

    def part(self, roi: Region) -> "Picture":
        """Return an area of a whole picture."""
        return replace(self, data=self.data[index(roi)], origin=tuple(start for start, _ in roi))

    def refined(self, axes: str, factors: tuple[int, ...]) -> "Picture":
        """Return a blank picture of the same place, with each pixel divided.

        Parameters
        ----------
        axes : str
            One letter per axis.
        factors : tuple of int
            How many pixels one becomes, along each axis.
        """
        shape = tuple(n * f for n, f in zip(self.data.shape, factors, strict=True))
        times = dict(zip(axes, factors, strict=True))
        sizes = {
            letter: (size / times.get(letter, 1), unit) for letter, (size, unit) in self.pixel_size.items()
        }
        blank = np.broadcast_to(self.data.dtype.type(0), shape)  # takes no memory
        return replace(self, data=blank, pixel_size=sizes, factors=factors)

    def pixel_ratio(self, other: "Picture", letters: Sequence[str]) -> tuple[float, ...] | None:
        """Return its pixel size divided by another's along some axes, None where one doesn't say its size."""
        if not (set(letters) <= self.pixel_size.keys() and set(letters) <= other.pixel_size.keys()):
            return None
        ratios = []
        for letter in letters:
            (own, unit), (size, other_unit) = self.pixel_size[letter], other.pixel_size[letter]
            if unit != other_unit:
                if not {unit, other_unit} <= _METRES.keys():
                    return None
                own, size = own * _METRES[unit], size * _METRES[other_unit]
            if not (own > 0 and size > 0):
                return None
            ratios.append(own / size)
        return tuple(ratios)


def as_dtype(data: np.ndarray, dtype: np.dtype) -> tuple[np.ndarray, int]:
    """Return data rounded to a dtype, NaN as 0 in integers, and how many values were clipped to its range."""
    if dtype.kind == "f":
        return data.astype(dtype), 0
    if dtype.kind == "b":
        return data >= 0.5, 0
    limits = np.iinfo(dtype)
    rounded = np.rint(np.nan_to_num(data.astype(np.float64), nan=0.0))
    clipped = int(np.count_nonzero((rounded < limits.min) | (rounded > limits.max)))
    return np.clip(rounded, limits.min, limits.max).astype(dtype), clipped
