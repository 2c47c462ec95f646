"""Filters that average a window on the image's own pixels, as sums over pairs of neighbours."""

import math
from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import ClassVar

import torch
from torch import Tensor

from napari_dip.pkn.kernels.base import ProceduralKernel
from napari_dip.pkn.observation import Observation, reflected, shifted

#: Returns, for an offset d = (dy, dx), the weights of the pixels p + d and p - d at all p, each of shape
#: ``(N, 1, H, W)``, or the same tensor twice where they are equal. They need not be normalised; at d = 0 they
#: are 1.
Weights = Callable[[int, int], tuple[Tensor, Tensor]]

#: log₂ e. Weights are computed as powers of 2, three times as fast as powers of e.
LOG2E = math.log2(math.e)
#: A sum of weights below this counts as 0: nothing is observed near enough for float32.
_NOTHING = 1e-12


class WindowKernel(ProceduralKernel):
    """A filter that takes a weighted mean over a square window."""

    beyond: ClassVar[int] = 0  #: pixels beyond the window on which its weights depend

    @abstractmethod
    def weights(self, observation: Observation, maps: Tensor) -> Weights:
        """Return the weights as a function of d.

        Parameters
        ----------
        observation : Observation
            The image and its noise.
        maps : Tensor, shape ``(N, P, H, W)``
            The parameters in their units, in the order of `parameters`.
        """

    @property
    def reach(self) -> int:
        """Radius of the window, and the pixels beyond it on which its weights depend."""
        return self.radius + self.beyond

    def apply(self, observation: Observation, maps: Tensor) -> Tensor:
        """Return A x."""
        return averaged(observation, self.weights(observation, maps), self.radius)

    def noise_gain(self, observation: Observation, maps: Tensor) -> Tensor:
        """Return √Σ_q w²."""
        return squares(observation, self.weights(observation, maps), self.radius).sqrt()


def half_window(radius: int) -> Iterator[tuple[int, int]]:
    """Yield one of d and −d for each offset d ≠ 0 of a square window."""
    for dy in range(radius + 1):
        for dx in range(-radius if dy else 1, radius + 1):
            yield dy, dx


def averaged(observation: Observation, weights: Weights, radius: int) -> Tensor:
    """Return Σ w x / Σ w over the window; NaN where Σ w is 0."""
    image, seen = observation.image, observation.seen
    known = image if seen is None else image * seen
    around = reflected(known, radius)
    beside = None if seen is None else reflected(seen.to(image.dtype), radius)
    total, weight = (
        known.clone(),
        torch.ones_like(image[:, :1]) if seen is None else seen.to(image.dtype, copy=True),
    )
    # The sums are changed in place. Differentiation allows this, since it does not need their old values.
    for dy, dx in half_window(radius):
        ahead, behind = weights(dy, dx)
        before, after = (shifted(around, radius, s * dy, s * dx) for s in (-1, 1))
        total.addcmul_(ahead, after).addcmul_(behind, before)
        if beside is None:
            weight.add_(ahead).add_(behind) if ahead is not behind else weight.add_(ahead, alpha=2)
        else:
            before, after = (shifted(beside, radius, s * dy, s * dx) for s in (-1, 1))
            weight.addcmul_(ahead, after).addcmul_(behind, before)
    if seen is None:
        return total / weight
    # Elsewhere the divisor is 1: dividing by 0 would turn the gradient 0 into NaN.
    enough = weight > _NOTHING
    return (total / weight.where(enough, 1)).where(enough, torch.nan)


def squares(observation: Observation, weights: Weights, radius: int) -> Tensor:
    """Return Σ w² / (Σ w)² over the window."""
    image, seen = observation.image, observation.seen
    one = torch.ones_like(image[:, :1]) if seen is None else seen[:, :1].to(image.dtype, copy=True)
    beside = reflected(one, radius)
    weight, square = one.clone(), one.clone()
    for dy, dx in half_window(radius):
        for s, w in zip((1, -1), weights(dy, dx), strict=True):
            counts = w * shifted(beside, radius, s * dy, s * dx)
            weight.add_(counts)
            square.addcmul_(counts, counts)
    return (square / weight**2).where(weight > _NOTHING, torch.nan)
