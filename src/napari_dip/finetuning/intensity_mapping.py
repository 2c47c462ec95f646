"""The relation between the grey levels of the data and those of a network."""

from dataclasses import dataclass, replace
from typing import Self

from torch import Tensor


@dataclass(frozen=True)
class IntensityMapping:
    """How grey levels of the data are mapped to those of a network.

    Parameters
    ----------
    low, high : float
        Grey levels that become the darkest and the brightest level of the network.
    scale : float
        The network's brightest level, 1 or 255.
    reversed_channels : bool
        Whether the network takes blue, green, red in place of red, green, blue.
    """

    low: float
    high: float
    scale: float = 1.0
    reversed_channels: bool = False

    @classmethod
    def of(cls, data: Tensor, observed: Tensor) -> Self:
        """Return the range of the data.

        Parameters
        ----------
        data : Tensor, shape ``(1, C, H, W)``
            Grey levels.
        observed : Tensor, shape ``(1, 1 or C, H, W)``
            Pixels that count.
        """
        values = data[observed.expand_as(data)]
        low, high = float(values.min()), float(values.max())
        return cls(low, high if high > low else low + 1)

    @property
    def span(self) -> float:
        """Grey levels from the darkest to the brightest."""
        return self.high - self.low

    def with_contrast(self, contrast: float, around: float) -> Self:
        """Return a mapping that multiplies the contrast and keeps the brightness of one grey level."""
        low, high = (around + (end - around) / contrast for end in (self.low, self.high))
        return replace(self, low=low, high=high)
