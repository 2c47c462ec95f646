"""Grey levels of the data, and the unit range in which networks work."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Range:
    """The map x = low + (high − low) g from unit values g to grey levels x, channel by channel.

    Parameters
    ----------
    low, high : Tensor, shape ``(1, C, 1, ...)``
        Grey levels of g = 0 and g = 1; `high` is above `low`.
    """

    low: "Tensor"
    high: "Tensor"

    @classmethod
    def of(cls, data: "Tensor", observed: "Tensor", *, quantile: float = 0.005) -> Self:
        """Measure the range of the observed pixels between two quantiles.

        A single hot pixel therefore does not stretch it. Values outside the range are not clipped.

        Parameters
        ----------
        data : Tensor, shape ``(1, C, *spatial)``
            Grey levels.
        observed : Tensor of bool, shape ``(1, 1 or C, *spatial)``
            False where a pixel is missing.
        quantile : float
            Share of the pixels below `low`, and share above `high`.
        """
        import torch

        ends = []
        for values, counts in zip(data[0], observed.expand_as(data)[0], strict=True):
            seen = values[counts].sort().values
            if not len(seen):  # every pixel of this channel is missing
                seen = values.new_zeros(1)
            k = int(quantile * len(seen))
            low, high = seen[k], seen[-1 - k]
            if high <= low:
                low, high = seen[0], seen[-1]
            ends.append(torch.stack([low, high if high > low else low + 1]))
        low, high = torch.stack(ends, 1).reshape(2, 1, -1, *(1,) * (data.ndim - 2))
        return cls(low, high)

    def through(self, gain: float) -> Self:
        """Return the range of x, where this is the range of A x and A multiplies grey levels by `gain`."""
        return type(self)(self.low / gain, self.high / gain)

    def to_unit(self, x: "Tensor") -> "Tensor":
        """Return the unit values g of grey levels x."""
        return (x - self.low) / (self.high - self.low)

    def from_unit(self, g: "Tensor") -> "Tensor":
        """Return the grey levels x of unit values g."""
        return self.low + (self.high - self.low) * g
