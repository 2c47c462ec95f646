"""The deep decoder (Heckel and Hand, ICLR 2019, section 2)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge

from napari_dip.networks.settings import Architecture

if TYPE_CHECKING:
    from napari_dip.networks.blocks import Untrained

_SMALLEST = 2  # pixels along an axis; one alone has no variance to be normalised by


@dataclass(frozen=True)
class Decoder(Architecture):
    """Few weights and no filters: channels are mixed pixel by pixel, and upsampled.

    It has too few weights to fit noise, so it hardly depends on when it is stopped; it loses fine texture
    too. Give it fewer weights, about `layers` x `width`², than the image has values.

    Parameters
    ----------
    width : int
        Channels of each layer: 128 for colour images of 512 x 512 pixels, 64 or 32 for smaller ones.
    layers : int
        Layers; each but the last doubles the size.
    """

    width: Annotated[int, Ge(1)] = 128
    layers: Annotated[int, Ge(1)] = 6

    def build(self, channels_in: int, channels_out: int, spatial: tuple[int, ...]) -> "Untrained":
        """Return the network, its weights not yet drawn."""
        from napari_dip.networks.deep_decoder import DecoderNetwork

        return DecoderNetwork(self, channels_in, channels_out, spatial)

    def input_shape(self, spatial: tuple[int, ...]) -> tuple[int, ...]:
        """Return the spatial shape of z: the image's, halved for all layers but the last."""
        return self.sizes(spatial)[0]

    def sizes(self, spatial: tuple[int, ...]) -> list[tuple[int, ...]]:
        """Return the spatial shape of z and of each layer's output; halves are rounded up."""
        halvings = [*reversed(range(self.layers)), 0]
        return [tuple(max(-(-n // 2**k), min(n, _SMALLEST)) for n in spatial) for k in halvings]
