"""Saves a layer as an OME-TIFF, with its pixel size and its provenance."""

from pathlib import Path
from typing import Any

import numpy as np

from napari_dip.image.axes import AmbiguousAxesError, Axes
from napari_dip.io import ImageFile
from napari_dip.io import write as write_image
from napari_dip.io.colours import Alpha
from napari_dip.plugin.layers import KEY


def write(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Save the data of an image layer in their own dtype.

    Parameters
    ----------
    path : str
        Ends in ``.ome.tif``.
    data : array
        Data of the layer. Of a multiscale layer the finest level is saved.
    attributes : dict
        Attributes of the layer, as napari hands them to writers.

    Returns
    -------
    list of str
        The path of the file that was written.
    """
    pixels = np.asarray(data[0] if attributes.get("multiscale") else data)
    provenance = attributes.get("metadata", {}).get(KEY, {})
    rgb = bool(attributes.get("rgb"))
    labels = attributes.get("axis_labels") or ("",) * (pixels.ndim - rgb)
    known = provenance.get("axes")
    try:
        axes = (
            Axes(known)
            if isinstance(known, str) and len(known) == pixels.ndim
            else Axes.named(labels, colour=rgb, shape=pixels.shape)
        )
    except AmbiguousAxesError as error:
        axes = Axes(error.choices[-1])  # as napari shows them
    sizes = zip(axes.letters, attributes.get("scale", ()), attributes.get("units") or (), strict=False)
    pixel_size = {
        letter: (float(size), f"{unit:~}")
        for letter, size, unit in sizes
        if letter in "ZYX" and f"{unit}" != "pixel"
    }
    alpha = None
    if attributes.get("rgb") and pixels.shape[-1] == 4:
        pixels, alpha = pixels[..., :3], Alpha(pixels[..., 3])
    source = ImageFile(pixels, axes.letters, pixel_size, alpha=alpha)
    write_image(Path(path), pixels, source, axes=axes.letters, provenance=provenance, keep_dtype=True)
    return [path]
