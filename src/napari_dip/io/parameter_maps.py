"""Maps of a filter's parameters as files, which other programs can edit."""

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_dip.errors import FileError
from napari_dip.image.axes import Axes
from napari_dip.io import ImageFile, provenance, read, reserved, write

#: Suffixes of files that hold maps.
MAPS_SUFFIXES = (".tif", ".tiff")


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
        The file holds another number of maps, or maps of other parameters, or does not name them.
    """
    data = read(path).data
    record = provenance(path) or {}
    stated = record.get("maps", list(names))
    if not isinstance(stated, list) or not all(isinstance(name, str) for name in stated):
        raise FileError(f"{path} is broken: the names of its maps can't be read")
    # TIFF leaves out an axis of length 1.
    alone = data.ndim == 2 or ("maps" in record and data.shape[0] != 1)
    if len(names) == 1 and stated == list(names) and alone:
        data = data[None]
    if stated != list(names) or data.shape[0] != len(names):
        found = ", ".join(stated) if stated != list(names) else f"{data.shape[0]} planes"
        raise FileError(f"{path} must hold the maps {', '.join(names)}, one after another, got {found}")
    return dict(zip(names, data, strict=True))


def write_maps(
    path: Path,
    maps: Mapping[str, np.ndarray],
    restored: ImageFile,
    axes: Axes,
    provenance: dict[str, Any],
    *,
    overwrite: bool = True,
) -> None:
    """Write maps as the channels of one image.

    Parameters
    ----------
    path : Path
        A TIFF file.
    maps : mapping of str to ndarray
        The map of each parameter, with the shape of the restored image without its channels.
    restored : ImageFile
        The restored image, which has the pixel size of the maps.
    axes : Axes
        Axes of the restored image.
    provenance : dict
        Provenance of the restored image, as plain JSON values.
    overwrite : bool
        Replace an existing file.

    Raises
    ------
    FileError
        As for `write`.
    """
    data = np.stack(list(maps.values()))
    blank, letters = _blank(len(maps), restored, axes)
    provenance = {**provenance, "maps": list(maps)}
    write(path, data, blank, axes=letters, provenance=provenance, overwrite=overwrite)


def reserved_maps(
    path: Path, count: int, restored: ImageFile, axes: Axes
) -> contextlib.AbstractContextManager[None]:
    """Hold the space of a number of maps on their disk, as `reserved` does for an image.

    Raises
    ------
    FileError
        The message says why the maps can't be written, and what to do.
    """
    blank, letters = _blank(count, restored, axes)
    return reserved(path, blank, letters, keep_dtype=False)


def _blank(count: int, restored: ImageFile, axes: Axes) -> tuple[ImageFile, str]:
    """Return an image of the shape of this number of maps, and its axes."""
    kept = [axis for axis in range(len(axes.letters)) if axis != axes.channel]
    shape = (count, *(restored.data.shape[axis] for axis in kept))
    blank = ImageFile(np.broadcast_to(np.float32(0), shape), pixel_size=restored.pixel_size)
    return blank, "C" + "".join(axes.letters[axis] for axis in kept)


def refuse_maps_file(path: Path, axes: Axes) -> None:
    """Check before a run that a file can hold its maps.

    Raises
    ------
    FileError
        The message says why not, and what to do.
    """
    if path.suffix.lower() not in MAPS_SUFFIXES:
        raise FileError(f"can't write maps to {path}: the suffix must be one of {', '.join(MAPS_SUFFIXES)}")
    if axes.channel is None and set(axes.letters) & set("CS"):
        raise FileError(
            f"can't write maps to {path}: channels that are restored separately have different maps; restore "
            "them together, or in separate runs"
        )
