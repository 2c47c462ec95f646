"""Whatever else the installed napari readers can read."""

from pathlib import Path

import numpy as np

from napari_dip.errors import FileError
from napari_dip.io.image_file import Picture


def read(path: Path) -> Picture:
    """Read the first image layer that an installed npe2 reader makes of a file."""
    if path.suffix.lower() == ".py":  # napari's own reader would run it
        raise FileError(f"{path} is a program, not an image")
    from npe2 import PluginManager
    from npe2 import read as read_layers

    PluginManager.instance().discover()
    try:
        layers = read_layers([str(path)], stack=False)
    except ValueError as error:
        raise FileError(
            f"{path}: no reader for {path.suffix or 'files without a suffix'}; TIFF, PNG, JPEG, npy and FITS "
            "are built in, and napari reader plugins add more"
        ) from error
    for layer in layers:
        data, meta, kind = (*layer, {}, "image")[:3] if len(layer) < 3 else layer
        if kind == "image":
            array = np.asarray(data[0] if isinstance(data, list) or meta.get("multiscale") else data)
            labels = "".join(meta.get("axis_labels", ())).upper()
            if meta.get("rgb"):
                labels += "C"
            known = labels.isalpha() and len(labels) == array.ndim and {"Y", "X"} <= set(labels)
            return Picture(array, labels if known else None)
    raise FileError(f"{path} holds no image layer")
