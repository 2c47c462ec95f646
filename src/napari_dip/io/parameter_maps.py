"""Maps of a filter's parameters as files: to be edited elsewhere, and applied again."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_dip.errors import FileError
from napari_dip.image.axes import Axes
from napari_dip.io import Picture, provenance, read, write

_SUFFIXES = (".tif", ".tiff")


def read_maps(path: Path, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Return the maps of a file by name: one along its first axis for each parameter.

    Parameters
    ----------
    path : Path
        As `write_maps` made it, or any image with as many planes, in the order of the names.
    names : sequence of str
        Of the parameters.

    Raises
    ------
    FileError
        It holds another number of maps, or those of other parameters.
    """
    data = read(path).data
    told = (provenance(path) or {}).get("maps", list(names))
    if len(names) == 1 and told == list(names) and data.ndim == 2:
        data = data[None]
    if told != list(names) or data.shape[0] != len(names):
        found = ", ".join(told) if told != list(names) else f"{data.shape[0]} planes"
        raise FileError(f"{path} must hold the maps {', '.join(names)}, one after another, got {found}")
    return dict(zip(names, data, strict=True))


def write_maps(
    path: Path, maps: Mapping[str, np.ndarray], restored: Picture, axes: Axes, record: dict[str, Any]
) -> None:
    """Write maps as the channels of one image.

    Parameters
    ----------
    path : Path
        An existing file is replaced.
    maps : mapping of str to ndarray
        Each of the restored image's shape, without its channels.
    restored : Picture
        Whose pixel size they have.
    axes : Axes
        Of the restored image.
    record : dict
        Provenance, as plain JSON values.
    """
    letters = "".join(letter for axis, letter in enumerate(axes.letters) if axis != axes.channel)
    data = np.stack(list(maps.values()))
    beside = Picture(np.broadcast_to(np.float32(0), data.shape), pixel_size=restored.pixel_size)
    write(path, data, beside, axes=f"C{letters}", provenance={**record, "maps": list(maps)})


def refuse_maps_file(path: Path, axes: Axes) -> None:
    """Refuse, before a run, a file that can't hold its maps.

    Raises
    ------
    FileError
        Says why, and what to do.
    """
    if path.suffix.lower() not in _SUFFIXES:
        raise FileError(f"can't write maps to {path}: the suffix must be one of {', '.join(_SUFFIXES)}")
    if axes.channel is None and set(axes.letters) & set("CS"):
        raise FileError(
            f"can't write maps to {path}: channels that are restored alone have maps of their own; restore "
            "them together, or one after another"
        )
