"""E(x), what a restored image has to explain."""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from napari_dip.noise.models import NoiseModel, weighted_mean
from napari_dip.operators import Grid, Operator


@dataclass(frozen=True, eq=False)
class Problem:
    """Data y = A x + noise, and how much each pixel of them counts.

    Parameters
    ----------
    data : Tensor, shape ``(1, C, *spatial)``
        y in grey levels, finite everywhere.
    operator : Operator
        A.
    noise : NoiseModel
        p(y | A x).
    weights : Tensor, shape ``(1, 1 or C, *spatial)``
        0 where a pixel is missing, else 1.
    floor : float, optional
        Grey level that x does not fall below.
    only_missing : bool
        Of x, nothing but the missing pixels is asked for.
    """

    data: Tensor
    operator: Operator
    noise: NoiseModel
    weights: Tensor
    floor: float | None = None
    only_missing: bool = False

    def __call__(self, x: Tensor) -> Tensor:
        """Return E(x), what a fit minimises: the noise model's misfit of A x, 0-d."""
        return self.noise.misfit(self.operator(x), self.data, self.weights)

    def score(self, x: Tensor) -> Tensor:
        """Return the mean of −log p(y | A x) in nats per pixel, which judges pixels held out of a fit."""
        return self.noise.nll(self.operator(x), self.data, self.weights)

    def discrepancy(self, x: Tensor, measured: Tensor | None = None) -> Tensor:
        """Return the weighted mean of (y − A x)² / variance, which is 1 for the truth.

        Parameters
        ----------
        x : Tensor, shape ``(1, C, *grid)``
            A restored image.
        measured : Tensor, shape ``(1, C, 1, ...)``, optional
            Variance of the noise as measured in the data, in grey levels², for a noise model without one.
        """
        u = self.operator(x)
        variance = self.noise.variance(u) if self.noise.known or measured is None else measured
        return weighted_mean((self.data - u).square() / variance, self.weights)

    @property
    def gain(self) -> float:
        """Grey level of the data for an x of 1: other than 1 where A gathers light, as projections do."""
        with torch.no_grad():
            return float(self.operator(self.data.new_ones(1, 1, *self.grid.shape)).mean())

    @property
    def grid(self) -> Grid:
        """Where the samples of x lie."""
        return self.operator.grid(tuple(self.data.shape[2:]))

    @property
    def complete_data(self) -> Tensor:
        """The data, where missing pixels have the mean of their channel; shape ``(1, C, *spatial)``."""
        seen = (self.weights > 0).expand_as(self.data)
        axes = tuple(range(2, seen.ndim))
        total = self.data.where(seen, 0).sum(axes, keepdim=True)
        return self.data.where(seen, total / seen.sum(axes, keepdim=True).clamp_min(1))

    def widened(self, x: Tensor) -> Tensor:
        """Return an image of what the data show on the whole grid: beyond it its border is repeated."""
        beyond = [(n - m) // 2 for n, m in zip(self.grid.shape, x.shape[2:], strict=True)]
        if not any(beyond):
            return x
        return F.pad(x, [margin for n in reversed(beyond) for margin in (n, n)], mode="replicate")

    @property
    def observed(self) -> Tensor:
        """Pixels of which at least one channel counts; bool, shape ``(1, 1, *spatial)``."""
        return (self.weights > 0).any(1, keepdim=True)

    def rolled(self, shifts: tuple[int, ...]) -> "Problem":
        """Return the problem of the same scene further along its spatial axes; what leaves comes in again."""
        if not any(shifts):
            return self
        return replace(self, data=rolled(self.data, shifts), weights=rolled(self.weights, shifts))

    def split(self, fraction: float, generator: Generator) -> tuple["Problem", "Problem"]:
        """Deal the observed pixels into fitted and held-out ones, whole pixels with all their channels.

        Parameters
        ----------
        fraction : float
            Share of the observed pixels to hold out, in (0, 1); at least one pixel is.
        generator : torch.Generator
            On the processor, whatever device the data are on.
        """
        places = self.observed.flatten().nonzero().flatten()
        count = max(1, round(fraction * len(places)))
        chosen = places[torch.randperm(len(places), generator=generator)[:count].to(places.device)]
        held = torch.zeros_like(self.observed)
        held.view(-1)[chosen] = True
        return replace(self, weights=self.weights * ~held), replace(self, weights=self.weights * held)


def rolled(x: Tensor, shifts: tuple[int, ...]) -> Tensor:
    """Return x, shape ``(N, C, *spatial)``, further along its spatial axes; what leaves comes in again."""
    return x.roll(shifts, tuple(range(2, 2 + len(shifts)))) if any(shifts) else x
