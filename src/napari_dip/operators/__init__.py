"""Linear operators A that take an image x to noise-free data A x."""

from napari_dip.grid import Grid
from napari_dip.operators.base import Compose, Identity, Operator

__all__ = ["Compose", "Grid", "Identity", "Operator"]
