"""What all descriptions of networks have in common."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_dip.settings import check

if TYPE_CHECKING:
    from napari_dip.networks.blocks import Untrained


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
