"""Ways to restore: frozen settings with ``solve``."""

from napari_dip.methods.base import Method
from napari_dip.methods.dip import DIP
from napari_dip.methods.presets import PRESETS

__all__ = ["DIP", "PRESETS", "Method"]
