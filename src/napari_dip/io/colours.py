"""Colour tables and alpha channels."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Alpha:
    """The opacity of an image's pixels.

    Parameters
    ----------
    values : ndarray
        Opacity of each pixel, in the grey levels of the image; its axes are those of the image without
        the channels.
    premultiplied : bool
        The colours were multiplied by the opacity.
    """

    values: np.ndarray
    premultiplied: bool = False

    def added(self, data: np.ndarray, axes: str) -> tuple[np.ndarray, str]:
        """Return an image with this opacity as its last channel, and the letters of its axes.

        Parameters
        ----------
        data : ndarray
            Grey levels, or colours along a last axis C or S.
        axes : str
            One letter per axis.
        """
        if axes[-1] not in "CS":
            data, axes = data[..., None], f"{axes}C"
        opacity = as_levels(self.values, data.dtype)
        return np.concatenate([data, opacity[..., None]], axis=-1), axes


def as_levels(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return values in another dtype, clipped to its range."""
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        values = np.clip(np.rint(values), limits.min, limits.max)
    return values.astype(dtype)


def looked_up(indices: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Return what the indices of a palette stand for: colours along a last axis, or grey levels.

    Parameters
    ----------
    indices : ndarray of int
        Index of each pixel.
    table : ndarray, shape ``(n, 3)``
        Red, green and blue of each index. If they are equal for all indices, grey levels are returned.
    """
    for step in (1, 256, 257):  # programs store 8 bits as 16 in each of these ways
        if table.max() <= 255 * step and (table % step == 0).all():
            table = (table // step).astype(np.uint8)
            break
    grey = (table == table[:, :1]).all()
    return (table[:, 0] if grey else table)[indices]
