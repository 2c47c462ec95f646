"""The networks that come with the package."""

import copy
from dataclasses import replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Literal

from napari_dip.pretrained.files import load
from napari_dip.pretrained.model import Pretrained

Purpose = Literal["denoise", "super-resolve"]


def bundled(purpose: Purpose, factor: int = 1, *, pre_upsampled: bool = False) -> Pretrained | None:
    """Return the network for grey images that comes with the package, or None if there is none.

    Each call returns a copy, which may be changed. The file is read once.

    Parameters
    ----------
    purpose : {"denoise", "super-resolve"}
        What the network does.
    factor : int
        Factor of super-resolution.
    pre_upsampled : bool
        Whether the network takes images that have been interpolated to the size of the result.
    """
    name = "dncnn" if purpose == "denoise" else f"{'vdsr' if pre_upsampled else 'compact'}-{factor}"
    found = _read(name)
    return None if found is None else replace(found, network=copy.deepcopy(found.network))


@cache
def _read(name: str) -> Pretrained | None:
    path = Path(str(files("napari_dip.pretrained") / "weights" / f"{name}.safetensors"))
    return replace(load(path), source=f"napari-dip {name}") if path.is_file() else None
