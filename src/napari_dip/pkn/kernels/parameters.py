"""What a filter can be told for each pixel, and how a network says it."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

#: How near to its limits an encoded value may lie, as a share of the range.
_MARGIN = 1e-4


@dataclass(frozen=True)
class Parameter:
    """A number θ that a filter takes at each pixel, between two limits.

    A network predicts r, any number; with s = 1 / (1 + e⁻ʳ)

        θ = low (high / low)ˢ   where it is positive by nature,   θ = low + (high − low) s   elsewhere.

    Maps of r are interpolated, and then decoded: so θ never leaves its limits.

    Parameters
    ----------
    name : str
        As maps and files call it.
    meaning : str
        What it does, for the user.
    unit : str
        Such as "px"; "noise" stands for the standard deviation of the noise.
    low, high : float
        Limits of θ.
    default : float
        The best single value, found on made images.
    identity : float, optional
        With which the filter leaves the image as it is, all other parameters being so too.
    positive : bool
        Whether ratios count rather than differences.
    """

    name: str
    meaning: str
    unit: str
    low: float
    high: float
    default: float
    identity: float | None = None
    positive: bool = True

    @property
    def signed(self) -> bool:
        """Whether it may lie to either side of the identity."""
        return not self.positive and self.identity is not None and self.low < self.identity < self.high

    def decode(self, raw: Tensor) -> Tensor:
        """Return θ."""
        share = raw.sigmoid()
        if self.positive:
            return self.low * (share * math.log(self.high / self.low)).exp()
        return self.low + (self.high - self.low) * share

    def encode(self, value: Tensor) -> Tensor:
        """Return r; values at the limits or beyond come as near to them as makes no difference."""
        if self.positive:
            share = (value.clamp_min(self.low) / self.low).log() / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return torch.logit(share, _MARGIN)

    def scaled(self, value: Tensor, strength: float) -> Tensor:
        """Return θ so many times as far from the identity, in ratios where these count, within its limits.

        A positive parameter without an identity is multiplied.
        """
        if not self.positive:
            identity = self.identity or 0.0
            scaled = identity + strength * (value - identity)
        elif self.identity is None:
            scaled = strength * value
        else:
            scaled = self.identity * (value / self.identity) ** strength
        return scaled.clamp(self.low, self.high)
