"""The pixels of a map inside the labels of a Labels layer, or inside the shapes of a Shapes layer."""

from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Labels

from napari_dip.image.affine import aligned, covered
from napari_dip.plugin.layers import finest, to_world, vertices

if TYPE_CHECKING:
    from napari.layers import Image, Shapes


def region_in(layer: "Labels | Shapes | None", image: "Image") -> np.ndarray:
    """Return the pixels of an image that a layer marks, as the two lie over each other in the viewer.

    Parameters
    ----------
    layer : Labels or Shapes, optional
        Its labels other than 0, or its shapes, mark pixels. A single plane is used for all planes and frames.
        Without a layer all pixels are marked.
    image : Image
        The layer whose pixels are marked.

    Raises
    ------
    ValueError
        No pixel of the image is marked.
    """
    shape = tuple(image.data.shape)
    if layer is None:
        return np.ones(shape, bool)
    if isinstance(layer, Labels):
        region = aligned(np.asarray(finest(layer)) != 0, to_world(layer), to_world(image), shape)
    else:
        region = _drawn(layer, image, shape)
    if not region.any():
        raise ValueError(f"the layer {layer.name!r} marks no pixel of the map")
    return region


def _drawn(shapes: "Shapes", image: "Image", shape: tuple[int, ...]) -> np.ndarray:
    region = np.zeros(shape, bool)
    lacking = max(0, image.ndim - shapes.ndim)  # a shape extends along axes that it lacks
    for kind, corners in zip(shapes.shape_type, shapes.data, strict=True):
        pixels = vertices(corners, shapes, image)
        inside = covered(pixels[:, -2:], (shape[-2], shape[-1]), ellipse=kind == "ellipse")
        here = np.rint(pixels[:, lacking:-2].mean(0)).astype(int)
        if all(0 <= at < n for at, n in zip(here, shape[lacking:-2], strict=True)):
            region[(slice(None),) * lacking + tuple(here)] |= inside
    return region
