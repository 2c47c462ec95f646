"""Reads napari's layers: their pixels, and where these lie."""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from napari.layers import Layer

#: The key in a layer's metadata under which its provenance is kept.
KEY = "napari-dip"


def to_world(layer: "Layer") -> np.ndarray:
    """Return the homogeneous matrix from a layer's pixels to the world, with its affine and its units."""
    n = layer.ndim
    origin = np.asarray(layer.data_to_world((0,) * n))
    matrix = np.eye(n + 1)
    matrix[:n, n] = origin
    for axis, unit in enumerate(np.eye(n)):
        matrix[:n, axis] = np.asarray(layer.data_to_world(unit)) - origin
    return matrix


def vertices(shape: np.ndarray, shapes: "Layer", layer: "Layer") -> np.ndarray:
    """Return the vertices of a shape in the pixels of an image, 0 along axes that the shape lacks."""
    corners = np.asarray([shapes.data_to_world(corner) for corner in shape])
    n = layer.ndim
    if corners.shape[1] > n:
        corners = corners[:, -n:]
    world = np.tile(np.asarray(layer.data_to_world((0,) * n), float), (len(corners), 1))
    world[:, n - corners.shape[1] :] = corners
    return np.asarray([layer.world_to_data(corner) for corner in world])


def finest(layer: "Layer") -> Any:
    """Return the data of a layer. Of a multiscale layer, return the finest level."""
    return layer.data[0] if getattr(layer, "multiscale", False) else layer.data


def held(data: Any, *, copy: bool) -> Any:
    """Return a copy of an array in memory, or a view if none is wanted; leave a lazy array (dask, zarr) lazy.

    A lazy array that is only looked at keeps the part that it gave last, so that it isn't read again.
    """
    if getattr(data, "chunks", None) is None:
        return np.array(data) if copy else np.asarray(data)
    return data if copy else LastPart(data)


class LastPart:
    """A lazy array that keeps the part that was read last.

    Parameters
    ----------
    data : array
        Anything with a shape and a dtype that can be sliced.
    """

    def __init__(self, data: Any) -> None:
        self._data = data
        self._index: Any = None
        self._part: np.ndarray | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array."""
        return tuple(self._data.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the array."""
        return np.dtype(self._data.dtype)

    @property
    def ndim(self) -> int:
        """The number of axes of the array."""
        return len(self.shape)

    def __getitem__(self, index: Any) -> np.ndarray:
        if self._part is None or index != self._index:
            self._index, self._part = index, np.asarray(self._data[index])
        return self._part

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self._data, dtype=dtype, copy=copy)


def shape_of(layer: "Layer") -> tuple[int, ...]:
    """Return the shape of a layer's data. Of a multiscale layer, return that of the finest level."""
    return tuple(finest(layer).shape)


def named(layer: "Layer") -> dict[str, Any]:
    """Return how a layer can be found again, as plain JSON values."""
    path = layer.source.path
    return {
        "layer": layer.name,
        "path": None if path is None else str(path),
        "multiscale": bool(getattr(layer, "multiscale", False)),
    }
