"""The parameters of a filter, and how a network encodes them."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

#: Distance that encoded values keep from their limits, as a share of the range.
_MARGIN = 1e-4


@dataclass(frozen=True)
class Parameter:
    """A number θ between two limits that a filter takes at each pixel.

    A network predicts any real number r; with s = 1 / (1 + e⁻ʳ)

        θ = low (high / low)ˢ   for positive parameters,   θ = low + (high − low) s   for others.

    Maps of r are interpolated before they are decoded, so θ never leaves its limits.

    Parameters
    ----------
    name : str
        Name in maps and files.
    meaning : str
        What it does, in a sentence for the user.
    unit : str
        For example "px"; "noise" stands for the standard deviation of the noise.
    low, high : float
        Limits of θ.
    default : float
        The best constant value, found on synthetic images.
    identity : float, optional
        The value at which the filter leaves the image unchanged, if all other parameters have theirs.
    positive : bool
        Whether ratios of values matter rather than differences.
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
        """Whether it can lie on either side of the identity."""
        return not self.positive and self.identity is not None and self.low < self.identity < self.high

    def decode(self, raw: Tensor) -> Tensor:
        """Return θ."""
        share = raw.sigmoid()
        if self.positive:
            return self.low * (share * math.log(self.high / self.low)).exp()
        return self.low + (self.high - self.low) * share

    def encode(self, value: Tensor) -> Tensor:
        """Return r. Values at the limits or beyond are moved just inside them."""
        if self.positive:
            share = (value.clamp_min(self.low) / self.low).log() / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return torch.logit(share, _MARGIN)

    def scaled(self, value: Tensor, strength: float) -> Tensor:
        """Return θ at `strength` times its distance from the identity, clipped to its limits.

        The distance is a ratio for positive parameters. One without an identity is multiplied by `strength`.
        """
        if not self.positive:
            identity = self.identity or 0.0
            scaled = identity + strength * (value - identity)
        elif self.identity is None:
            scaled = strength * value
        else:
            scaled = self.identity * (value / self.identity) ** strength
        return scaled.clamp(self.low, self.high)
