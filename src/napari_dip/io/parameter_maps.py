"""Maps of a filter's parameters as files, which other programs can edit."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_dip.errors import FileError
from napari_dip.image.axes import Axes
from napari_dip.io import ImageFile, provenance, read, write

_SUFFIXES = (".tif", ".tiff")


def read_maps(path: Path, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Return the maps in a file, by the names of their parameters.

    Parameters
    ----------
    path : Path
        File that `write_maps` wrote, or any image with one plane for each parameter along its first axis.
    names : sequence of str
        Names of the parameters, in their order.

    Raises
    ------
    FileError
        The file holds another number of maps, or maps of other parameters.
    """
    data = read(path).data
    recorded = (provenance(path) or {}).get("maps")
    stated = list(names) if recorded is None else recorded
    # TIFF leaves out an axis of length 1.
    alone = data.ndim == 2 or (recorded is not None and data.shape[0] != 1)
    if len(names) == 1 and stated == list(names) and alone:
        data = data[None]
    if stated != list(names) or data.shape[0] != len(names):
        found = ", ".join(stated) if stated != list(names) else f"{data.shape[0]} planes"
        raise FileError(f"{path} must hold the maps {', '.join(names)}, one after another, got {found}")
    return dict(zip(names, data, strict=True))


def write_maps(
    path: Path, maps: Mapping[str, np.ndarray], restored: ImageFile, axes: Axes, provenance: dict[str, Any]
) -> None:
    """Write maps as the channels of one image.

    Parameters
    ----------
    path : Path
        An existing file is replaced.
    maps : mapping of str to ndarray
        The map of each parameter, with the shape of the restored image without its channels.
    restored : ImageFile
        The restored image, which has the pixel size of the maps.
    axes : Axes
        Axes of the restored image.
    provenance : dict
        Provenance of the restored image, as plain JSON values.
    """
    letters = "".join(letter for axis, letter in enumerate(axes.letters) if axis != axes.channel)
    data = np.stack(list(maps.values()))
    beside = ImageFile(np.broadcast_to(np.float32(0), data.shape), pixel_size=restored.pixel_size)
    write(path, data, beside, axes=f"C{letters}", provenance={**provenance, "maps": list(maps)})


def refuse_maps_file(path: Path, axes: Axes) -> None:
    """Check before a run that a file can hold its maps.

    Raises
    ------
    FileError
        The message says why not, and what to do.
    """
    if path.suffix.lower() not in _SUFFIXES:
        raise FileError(f"can't write maps to {path}: the suffix must be one of {', '.join(_SUFFIXES)}")
    if axes.channel is None and set(axes.letters) & set("CS"):
        raise FileError(
            f"can't write maps to {path}: channels that are restored separately have different maps; restore "
            "them together, or in separate runs"
        )
