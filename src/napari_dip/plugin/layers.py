"""What is read of napari's layers: their pixels, and where these lie."""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from napari.layers import Layer

#: Under this name a layer's metadata hold how it was made.
KEY = "napari-dip"


def to_world(layer: "Layer") -> np.ndarray:
    """Return the homogeneous matrix that takes a layer's pixels to the world, affine and units included."""
    n = layer.ndim
    origin = np.asarray(layer.data_to_world((0,) * n))
    matrix = np.eye(n + 1)
    matrix[:n, n] = origin
    for axis, unit in enumerate(np.eye(n)):
        matrix[:n, axis] = np.asarray(layer.data_to_world(unit)) - origin
    return matrix


def vertices(shape: np.ndarray, shapes: "Layer", layer: "Layer") -> np.ndarray:
    """Return the vertices of a shape in pixels of an image; along axes that it lacks they are 0."""
    corners = np.asarray([shapes.data_to_world(corner) for corner in shape])
    n = layer.ndim
    if corners.shape[1] > n:
        corners = corners[:, -n:]
    world = np.tile(np.asarray(layer.data_to_world((0,) * n), float), (len(corners), 1))
    world[:, n - corners.shape[1] :] = corners
    return np.asarray([layer.world_to_data(corner) for corner in world])


def finest(layer: "Layer") -> Any:
    """Return a layer's data, of a multiscale one at the finest level."""
    return layer.data[0] if getattr(layer, "multiscale", False) else layer.data


def held(data: Any, *, copy: bool) -> Any:
    """Return an array that no later edit changes, if it is to be a copy. Lazy ones (dask, zarr) stay lazy."""
    if getattr(data, "chunks", None) is not None:
        return data
    return np.array(data) if copy else np.asarray(data)


def shape_of(layer: "Layer") -> tuple[int, ...]:
    """Return the shape of a layer's data, at the finest level."""
    return tuple(finest(layer).shape)


def named(layer: "Layer") -> dict[str, Any]:
    """Return how a layer can be found again, as plain JSON values."""
    path = layer.source.path
    return {
        "layer": layer.name,
        "path": None if path is None else str(path),
        "multiscale": bool(getattr(layer, "multiscale", False)),
    }
