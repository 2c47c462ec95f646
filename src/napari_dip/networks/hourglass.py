"""The encoder-decoder of Deep Image Prior (Ulyanov et al., IJCV 2020, section 4 and supplement)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Ge, Len

from napari_dip.networks.settings import Architecture

if TYPE_CHECKING:
    from napari_dip.networks.blocks import Untrained


@dataclass(frozen=True)
class Hourglass(Architecture):
    """Shape of an encoder-decoder with skip connections; any image size, 2-D or 3-D.

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
