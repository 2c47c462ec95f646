"""All other formats, by the napari reader plugins that are installed."""

from pathlib import Path

import numpy as np

from napari_dip.errors import FileError
from napari_dip.io.image_file import ImageFile

#: Cameras' raw files, in which neighbouring pixels show different colours.
_RAW = {".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".raf", ".rw2", ".pef", ".srw"}


def read(path: Path) -> ImageFile:
    """Return the first image layer that an installed reader plugin (npe2) makes from a file."""
    if path.suffix.lower() == ".py":  # napari's own reader would execute it
        raise FileError(f"{path} is a program, not an image")
    if path.suffix.lower() in _RAW:
        raise FileError(
            f"can't read {path}: it holds the raw pixels of a camera, a colour-filter mosaic; convert it to "
            "a TIFF in colour"
        )
    from npe2 import PluginManager
    from npe2 import read as read_layers

    PluginManager.instance().discover()
    try:
        layers = read_layers([str(path)], stack=False)
    except Exception as error:
        # napari's own reader takes on files that imageio then has no backend for.
        if not isinstance(error, ValueError) and "backend" not in str(error):
            raise
        raise FileError(
            f"can't read {path}: there is no reader for {path.suffix or 'files without a suffix'}. "
            "TIFF, PNG, JPEG, GIF, npy and FITS are built in; napari reader plugins add more formats"
        ) from error
    for layer in layers:
        data, meta, kind = (*layer, {}, "image")[:3] if len(layer) < 3 else layer
        if kind == "image":
            array = np.asarray(data[0] if isinstance(data, list) or meta.get("multiscale") else data)
            labels = "".join(meta.get("axis_labels", ())).upper()
            if meta.get("rgb"):
                labels += "C"
            known = labels.isalpha() and len(labels) == array.ndim and {"Y", "X"} <= set(labels)
            return ImageFile(array, labels if known else None)
    raise FileError(f"{path} contains no image layer")
