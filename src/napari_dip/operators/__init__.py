"""Linear operators A, which turn an image x into noise-free data A x."""

from napari_dip.image.grid import Grid
from napari_dip.operators.base import Compose, Identity, Operator
from napari_dip.operators.blur import Blur
from napari_dip.operators.resample import Resample

__all__ = ["Blur", "Compose", "Grid", "Identity", "Operator", "Resample"]
