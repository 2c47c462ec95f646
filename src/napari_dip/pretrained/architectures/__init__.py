"""The architectures that need no spandrel, and how to recognise them by their weights."""

from napari_dip.pretrained.architectures.base import KnownArchitecture, Weights
from napari_dip.pretrained.architectures.compact import Compact
from napari_dip.pretrained.architectures.dncnn import DnCNN
from napari_dip.pretrained.architectures.edsr import EDSR
from napari_dip.pretrained.architectures.rrdb import RRDB
from napari_dip.pretrained.architectures.srresnet import SRResNet
from napari_dip.pretrained.architectures.vdsr import VDSR

#: All of them, in the order in which they are tried.
ARCHITECTURES: tuple[type[KnownArchitecture], ...] = (Compact, DnCNN, EDSR, RRDB, SRResNet, VDSR)

__all__ = [
    "ARCHITECTURES",
    "EDSR",
    "RRDB",
    "VDSR",
    "Compact",
    "DnCNN",
    "KnownArchitecture",
    "SRResNet",
    "Weights",
    "recognised",
]


def recognised(weights: Weights) -> KnownArchitecture | None:
    """Return the network that has these weights, or None if no architecture fits them."""
    found = (architecture.of(weights) for architecture in ARCHITECTURES)
    return next((network for network in found if network is not None), None)
