"""The architectures that are known without spandrel, and which of them weights are of."""

from napari_dip.pretrained.architectures.base import Architecture, Weights
from napari_dip.pretrained.architectures.compact import Compact
from napari_dip.pretrained.architectures.dncnn import DnCNN
from napari_dip.pretrained.architectures.edsr import EDSR
from napari_dip.pretrained.architectures.rrdb import RRDB
from napari_dip.pretrained.architectures.srresnet import SRResNet
from napari_dip.pretrained.architectures.vdsr import VDSR

#: Each of them.
ARCHITECTURES: tuple[type[Architecture], ...] = (Compact, DnCNN, EDSR, RRDB, SRResNet, VDSR)

__all__ = [
    "ARCHITECTURES",
    "EDSR",
    "RRDB",
    "VDSR",
    "Architecture",
    "Compact",
    "DnCNN",
    "SRResNet",
    "Weights",
    "recognised",
]


def recognised(weights: Weights) -> Architecture | None:
    """Return the network that has these weights; None where they are of no architecture that is known."""
    found = (architecture.of(weights) for architecture in ARCHITECTURES)
    return next((network for network in found if network is not None), None)
