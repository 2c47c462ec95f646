"""Arrays that belong to an image and may leave out some of its axes, such as its mask."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np

from napari_dip.image.axes import Axes


@dataclass(frozen=True, eq=False)
class Companion:
    """An array with a number for each pixel of an image, read one frame at a time.

    Parameters
    ----------
    array : array
        Its values; it may be lazy.
    layout : Axes
        The axes of the image.
    axes : tuple of int
        Positions of the axes of the image that the array has.
    """

    array: Any
    layout: Axes
    axes: tuple[int, ...]

    @classmethod
    def of(cls, name: str, array: Any, layout: Axes, shape: tuple[int, ...]) -> Self:
        """Check the shape of an array that belongs to an image of this shape.

        Raises
        ------
        ValueError
            The shape doesn't fit. The message names the array by `name`.
        """
        return cls(array, layout, layout.axes_of(name, tuple(array.shape), shape))

    @cached_property
    def _shared(self) -> np.ndarray | None:
        """The array if all frames share it: a lazy one is read once, not once a frame."""
        shared = self.layout.frame_axes and set(self.axes) <= set(self.layout.spatial)
        return np.asarray(self.array) if shared else None

    def read(self, at: tuple[int | slice, ...]) -> np.ndarray:
        """Return the values of a frame, with an axis of length 1 for each axis that the array leaves out.

        Parameters
        ----------
        at : tuple of int and slice
            Index of the frame, with an entry for each axis of the image.
        """
        source = self.array if self._shared is None else self._shared
        values = np.asarray(source[tuple(at[axis] for axis in self.axes)])
        kept = [axis for axis, place in enumerate(at) if isinstance(place, slice)]
        return np.expand_dims(values, tuple(n for n, axis in enumerate(kept) if axis not in self.axes))
