"""Networks that come with the package."""

from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Literal

from napari_dip.pretrained.files import load
from napari_dip.pretrained.model import Pretrained

Purpose = Literal["denoise", "super-resolve"]


def shipped(purpose: Purpose, factor: int = 1, *, pre_upsampled: bool = False) -> Pretrained | None:
    """Return the network for grey images that comes with the package; None where there is none.

    Parameters
    ----------
    purpose : {"denoise", "super-resolve"}
        What it is for.
    factor : int
        Of super-resolution.
    enlarged : bool
        Whether it is to take images that were enlarged before.
    """
    name = "dncnn" if purpose == "denoise" else f"{'vdsr' if pre_upsampled else 'compact'}-{factor}"
    path = Path(str(files("napari_dip.pretrained") / "weights" / f"{name}.safetensors"))
    return replace(load(path), source=f"napari-dip {name}") if path.is_file() else None
