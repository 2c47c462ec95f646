"""Grey levels and the unit range that networks like to work in."""

from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True, eq=False)
class Range:
    """x = low + (high − low) g takes unit values g to grey levels x, channel by channel.

    Parameters
    ----------
    low, high : Tensor, shape ``(1, C, 1, ...)``
        Grey levels; `high` is above `low`.
    """

    low: Tensor
    high: Tensor

    @classmethod
    def of(cls, data: Tensor, observed: Tensor, *, quantile: float = 0.005) -> Self:
        """Measure the range of the observed pixels of `data` between two quantiles.

        A single hot pixel does not stretch it. Nothing is clipped to it either.

        Parameters
        ----------
        data : Tensor, shape ``(1, C, *spatial)``
            Grey levels.
        observed : Tensor, shape ``(1, 1 or C, *spatial)``
            Pixels that count.
        quantile : float
            Share of the pixels below `low`, and above `high`.
        """
        ends = []
        for values, counts in zip(data[0], observed.expand_as(data)[0], strict=True):
            seen = values[counts].sort().values
            if not len(seen):  # this channel is missing everywhere
                seen = values.new_zeros(1)
            k = int(quantile * len(seen))
            low, high = seen[k], seen[-1 - k]
            if high <= low:
                low, high = seen[0], seen[-1]
            ends.append(torch.stack([low, high if high > low else low + 1]))
        low, high = torch.stack(ends, 1).reshape(2, 1, -1, *(1,) * (data.ndim - 2))
        return cls(low, high)

    def through(self, gain: float) -> Self:
        """Return the range of images that an operator makes this range of, by multiplying grey levels."""
        return type(self)(self.low / gain, self.high / gain)

    def to_unit(self, x: Tensor) -> Tensor:
        """Return g."""
        return (x - self.low) / (self.high - self.low)

    def from_unit(self, g: Tensor) -> Tensor:
        """Return x."""
        return self.low + (self.high - self.low) * g


class ToGreyLevels(nn.Module):
    """The fixed last layer of every network: float32 grey levels from its unit output.

    Parameters
    ----------
    network : nn.Module
        Gives g in the unit range, centred on 0.
    range : Range
        Of the data.
    sieve : nn.Module, optional
        Takes away details finer than any that the data can tell.
    floor : float, optional
        Grey level that x does not fall below. It bends towards it within a fiftieth of the range, so that
        there is a gradient everywhere.
    """

    def __init__(
        self,
        network: nn.Module,
        range: Range,
        sieve: nn.Module | None = None,
        floor: float | None = None,
    ) -> None:
        super().__init__()
        self.network, self.range, self.sieve, self.floor = network, range, sieve, floor

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return x in grey levels; an output of 0 is the middle of the range."""
        g = self.network(*inputs).float()
        x = self.range.from_unit((g if self.sieve is None else self.sieve(g)) + 0.5)
        if self.floor is None:
            return x
        bend = (self.range.high - self.range.low) / 50
        return self.floor + bend * F.softplus((x - self.floor) / bend)
