"""Guides: images that show where the structures are."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from napari_dip.errors import InputError
from napari_dip.image.axes import Axes
from napari_dip.image.units import Units

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Guide:
    """An image that shows where the structures are, whatever its grey levels.

    Parameters
    ----------
    array : array
        It has all axes of the restored image, or the spatial ones with or without channels last. It may be
        lazy.
    axes : Axes
        The axes of the image.
    has_all_axes : bool
        Whether the array has all axes of the restored image.
    """

    array: Any
    axes: Axes
    has_all_axes: bool

    @classmethod
    def of(cls, array: Any, axes: Axes, shape: tuple[int, ...]) -> Self:
        """Check the shape of a guide.

        Parameters
        ----------
        array : array
            The guide.
        axes : Axes
            The axes of the image.
        shape : tuple of int
            Shape of the restored image.

        Raises
        ------
        InputError
            The guide's shape doesn't fit.
        """
        spatial, own = tuple(shape[axis] for axis in axes.spatial), tuple(array.shape)
        if own not in (shape, spatial) and (own[:-1] != spatial or 0 in own):
            raise InputError(
                "guide",
                f"guide must have the shape {spatial}, with or without channels last"
                f"{'' if shape == spatial else f', or {shape}'}, as the restored image has; "
                f"got {own}: resample it to that grid",
            )
        return cls(array, axes, own == shape)

    @cached_property
    def _shared(self) -> np.ndarray:
        """The guide that all frames share; a lazy one is read once, not once a frame."""
        return np.asarray(self.array)

    def of_frame(self, frame: tuple[int, ...]) -> "Tensor":
        """Return the guide of a frame: finite, float32, shape ``(1, G, *spatial)``."""
        import torch

        part = np.asarray(self.array[self.axes.at(frame)] if self.has_all_axes else self._shared)
        # Only its structure counts, so it may have working units of its own.
        array = Units.of(part[np.isfinite(part)]).to_working(part)
        if self.has_all_axes:
            guide = self.axes.to_batch(torch.from_numpy(array))
        else:
            channels_last = array.ndim > len(self.axes.spatial)
            guide = torch.from_numpy(np.moveaxis(array, -1, 0) if channels_last else array[None])[None]
        seen = guide.isfinite()  # values far beyond all others have become infinite
        mean = guide.where(seen, 0).sum() / seen.sum().clamp_min(1)
        return guide.where(seen, mean)
