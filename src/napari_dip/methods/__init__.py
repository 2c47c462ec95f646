"""Methods of restoration: frozen settings with a ``solve``."""

from napari_dip.methods.auto import Auto
from napari_dip.methods.base import Method
from napari_dip.methods.classic import RichardsonLucy, Wiener
from napari_dip.methods.dip import DIP
from napari_dip.methods.finetune import FineTune
from napari_dip.methods.nonlocal_bayes import NonLocalBayes
from napari_dip.methods.pkn import PKN
from napari_dip.methods.presets import PRESETS

#: All methods, in the order in which they are offered to the user.
METHODS: tuple[type[Method], ...] = (Auto, DIP, PKN, FineTune, NonLocalBayes, RichardsonLucy, Wiener)

__all__ = [
    "DIP",
    "METHODS",
    "PKN",
    "PRESETS",
    "Auto",
    "FineTune",
    "Method",
    "NonLocalBayes",
    "RichardsonLucy",
    "Wiener",
]
