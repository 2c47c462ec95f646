"""The shapes of untrained networks, as frozen settings that build them."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Ge, Len

from napari_dip.settings import check

if TYPE_CHECKING:
    from napari_dip.networks.blocks import Untrained


#: Pixels along an axis at the least: one alone has no variance to be normalised by.
_SMALLEST = 2


@dataclass(frozen=True)
class Architecture(ABC):
    """The shape of a network f that makes an image f(z) of an input z; any image size, 2-D or 3-D."""

    def __post_init__(self) -> None:
        check(self)

    @abstractmethod
    def build(self, channels_in: int, channels_out: int, spatial: tuple[int, ...]) -> "Untrained":
        """Return the network, its weights not yet drawn.

        Parameters
        ----------
        channels_in, channels_out : int
            Of z and of the image.
        spatial : tuple of int
            Spatial shape of the image.
        """

    def input_shape(self, spatial: tuple[int, ...]) -> tuple[int, ...]:
        """Return the spatial shape of z for an image of this shape."""
        return spatial


@dataclass(frozen=True)
class Hourglass(Architecture):
    """Shape of Deep Image Prior's encoder-decoder with skip connections.

    Source: Ulyanov et al., IJCV 2020, section 4 and supplement.

    Parameters
    ----------
    widths : tuple of int
        Channels at each scale, the finest first. Scales that a small image has no room for are left out.
    skips : tuple of int
        Channels of the skip connection at each scale; 0 is none.
    kernel_down, kernel_up : int
        Width of the filters on the way down and up, in pixels; odd.
    upsampling : {"bilinear", "nearest", "mixed"}
        How a coarse scale is brought to the next finer one (bilinear is trilinear in volumes); "mixed" is
        nearest at the two finest scales, bilinear at the others.
    downsampling : {"stride", "average"}
        A filter moved in steps of two, or the mean of 2 x 2 pixels right after it.
    padding : {"zeros", "reflect"}
        What filters see beyond the border.
    projection : bool
        A 1 x 1 filter after each scale.
    joint_normalisation : bool
        Normalise skip and coarse channels together once more, as published. Both are normalised already.
    """

    widths: Annotated[tuple[Annotated[int, Ge(1)], ...], Len(1)] = (16, 32, 64, 128, 128)
    skips: Annotated[tuple[Annotated[int, Ge(0)], ...], Len(1)] = (4, 4, 4, 4, 4)
    kernel_down: Annotated[int, Ge(1)] = 3
    kernel_up: Annotated[int, Ge(1)] = 3
    upsampling: Literal["bilinear", "nearest", "mixed"] = "bilinear"
    downsampling: Literal["stride", "average"] = "stride"
    padding: Literal["zeros", "reflect"] = "zeros"
    projection: bool = True
    joint_normalisation: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.widths) != len(self.skips):
            raise ValueError(
                f"Hourglass.skips must have one entry per scale: {len(self.widths)} widths, "
                f"{len(self.skips)} skips"
            )
        for name in ("kernel_down", "kernel_up"):
            if getattr(self, name) % 2 == 0:
                raise ValueError(f"Hourglass.{name} must be odd, got {getattr(self, name)}")

    def build(self, channels_in: int, channels_out: int, spatial: tuple[int, ...]) -> "Untrained":
        """Return the network, its weights not yet drawn."""
        from napari_dip.networks.skip import SkipNetwork

        return SkipNetwork(self, channels_in, channels_out, spatial)


@dataclass(frozen=True)
class Decoder(Architecture):
    """Shape of the deep decoder: few weights and no filters, channels mixed pixel by pixel and upsampled.

    It has too few weights to fit noise, so it hardly depends on when it is stopped; it loses fine texture
    too. Give it fewer weights, about ``layers * width²``, than the image has values. Source: Heckel and Hand,
    ICLR 2019, section 2.

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
