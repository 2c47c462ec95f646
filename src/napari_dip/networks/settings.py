"""Architectures of untrained networks, as frozen settings."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Len

from napari_dip.settings import check

#: Fewest pixels along an axis: a single one has no variance to normalise by.
_SMALLEST = 2


@dataclass(frozen=True)
class Architecture(ABC):
    """The architecture of a network f that maps an input z to an image f(z) of any size, in 2-D or 3-D.

    `networks.build.build` makes the network.
    """

    def __post_init__(self) -> None:
        check(self)

    @abstractmethod
    def input_shape(self, spatial: tuple[int, ...]) -> tuple[int, ...]:
        """Return the spatial shape of z for an image of this shape."""

    def sees_images(self, spatial: tuple[int, ...]) -> bool:
        """Whether z has the pixels of an image of this shape, so that images can be channels of z."""
        return self.input_shape(spatial) == spatial


@dataclass(frozen=True)
class Hourglass(Architecture):
    """The encoder-decoder with skip connections of Deep Image Prior.

    Source: Ulyanov et al., IJCV 2020, section 4 and supplement.

    Parameters
    ----------
    widths : tuple of int
        Number of channels at each scale, the finest first. Scales without room in a small image are left out.
    skips : tuple of int
        Number of channels of the skip connection at each scale; 0 means no connection.
    kernel_down, kernel_up : int
        Width of the filters in the encoder and in the decoder, in pixels; odd.
    upsampling : {"bilinear", "nearest", "mixed"}
        How a coarse scale is enlarged to the next finer one (bilinear is trilinear in volumes); "mixed" is
        nearest at the two finest scales and bilinear at the others.
    downsampling : {"stride", "average"}
        How a scale is halved: by a filter with a stride of two, or by the mean of 2 x 2 pixels after one.
    padding : {"zeros", "reflect"}
        How the image is continued beyond its border: by zeros, or by reflection.
    projection : bool
        Add a 1 x 1 filter after each scale.
    joint_normalisation : bool
        Normalise the joined skip and coarse channels once more, as published, although both have already been
        normalised.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_dip import DIP, Denoise, Hourglass, restore
    >>> image = np.random.default_rng(0).normal(100, 10, (32, 32))
    >>> network = Hourglass(widths=(8, 16), skips=(4, 4))
    >>> restore(image, Denoise(), DIP(iterations=5, network=network)).image.shape
    (32, 32)
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

    def input_shape(self, spatial: tuple[int, ...]) -> tuple[int, ...]:
        """Return the spatial shape of z: that of the image."""
        return spatial


@dataclass(frozen=True)
class Decoder(Architecture):
    """The deep decoder: it mixes channels pixel by pixel and enlarges them, without spatial filters.

    It has too few weights to fit noise, so the result hardly depends on when it is stopped; but it also loses
    fine texture. It has about ``layers * width²`` weights, which should be fewer than the values of the
    image. Source: Heckel and Hand, ICLR 2019, section 2.

    Parameters
    ----------
    width : int
        Number of channels of each layer: 128 for colour images of 512 x 512 pixels, 64 or 32 for less.
    layers : int
        Number of layers; each one but the last doubles the size.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_dip import DIP, Decoder, Denoise, restore
    >>> image = np.random.default_rng(0).normal(100, 10, (32, 32))
    >>> method = DIP(iterations=5, network=Decoder(width=16, layers=3))
    >>> restore(image, Denoise(), method).image.shape
    (32, 32)
    """

    width: Annotated[int, Ge(1)] = 128
    layers: Annotated[int, Ge(1)] = 6

    def input_shape(self, spatial: tuple[int, ...]) -> tuple[int, ...]:
        """Return the spatial shape of z: that of the image, halved once for every layer but the last."""
        return self.sizes(spatial)[0]

    def sizes(self, spatial: tuple[int, ...]) -> list[tuple[int, ...]]:
        """Return the spatial shape of z and of the output of each layer; halves are rounded up."""
        halvings = [*reversed(range(self.layers)), 0]
        return [tuple(max(-(-n // 2**k), min(n, _SMALLEST)) for n in spatial) for k in halvings]
