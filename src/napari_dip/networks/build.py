"""Builds the network that an architecture describes."""

from functools import singledispatch

from napari_dip.networks.blocks import Untrained
from napari_dip.networks.deep_decoder import DecoderNetwork
from napari_dip.networks.settings import Architecture, Decoder, Hourglass
from napari_dip.networks.skip import SkipNetwork


@singledispatch
def build(
    architecture: Architecture, channels_in: int, channels_out: int, spatial: tuple[int, ...]
) -> Untrained:
    """Return a network whose weights are not drawn yet.

    An architecture of your own is added by ``build.register``.

    Parameters
    ----------
    architecture : Architecture
        Architecture of the network.
    channels_in, channels_out : int
        Number of channels of the input z and of the image.
    spatial : tuple of int
        Spatial shape of the image.

    Raises
    ------
    TypeError
        No network is known for the architecture.
    """
    raise TypeError(f"no network is registered for {type(architecture).__name__}: use build.register")


@build.register
def _(architecture: Hourglass, channels_in: int, channels_out: int, spatial: tuple[int, ...]) -> SkipNetwork:
    return SkipNetwork(architecture, channels_in, channels_out, spatial)


@build.register
def _(architecture: Decoder, channels_in: int, channels_out: int, spatial: tuple[int, ...]) -> DecoderNetwork:
    return DecoderNetwork(architecture, channels_in, channels_out, spatial)
