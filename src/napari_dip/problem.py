"""What a restored image has to explain: the energy E(x)."""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from napari_dip.noise.models import NoiseModel, weighted_mean
from napari_dip.operators import Grid, Operator


@dataclass(frozen=True, eq=False)
class Problem:
    """Data y = A x + noise, some pixels of which may be missing.

    Parameters
    ----------
    data : Tensor, shape ``(1, C, *spatial)``
        Data y in grey levels, finite everywhere.
    operator : Operator
        A.
    noise : NoiseModel
        p(y | A x).
    weights : Tensor, shape ``(1, 1 or C, *spatial)``
        0 where a pixel is missing, else 1.
    floor : float, optional
        Lower bound of x, in grey levels.
    only_missing : bool
        Only the missing pixels of x are wanted.
    """

    data: Tensor
    operator: Operator
    noise: NoiseModel
    weights: Tensor
    floor: float | None = None
    only_missing: bool = False

    def __call__(self, x: Tensor) -> Tensor:
        """Return E(x), which a fit minimises: the misfit of A x under the noise model, 0-d."""
        return self.noise.misfit(self.operator(x), self.data, self.weights)

    def score(self, x: Tensor) -> Tensor:
        """Return the mean of −log p(y | A x) in nats per pixel, 0-d; it judges held-out pixels."""
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
        """Mean grey level of the data for x = 1. It differs from 1 if A sums light, as projections do."""
        with torch.no_grad():
            return float(self.operator(self.data.new_ones(1, 1, *self.grid.shape)).mean())

    @property
    def grid(self) -> Grid:
        """The grid of x."""
        return self.operator.grid(tuple(self.data.shape[2:]))

    @property
    def complete_data(self) -> Tensor:
        """The data, where missing pixels have the mean of their channel; shape ``(1, C, *spatial)``."""
        seen = (self.weights > 0).expand_as(self.data)
        axes = tuple(range(2, seen.ndim))
        total = self.data.where(seen, 0).sum(axes, keepdim=True)
        return self.data.where(seen, total / seen.sum(axes, keepdim=True).clamp_min(1))

    def widened(self, x: Tensor) -> Tensor:
        """Return an image of the data's shape on the wider grid of x, where its border is repeated."""
        beyond = [(n - m) // 2 for n, m in zip(self.grid.shape, x.shape[2:], strict=True)]
        if not any(beyond):
            return x
        return F.pad(x, [margin for n in reversed(beyond) for margin in (n, n)], mode="replicate")

    @property
    def observed(self) -> Tensor:
        """Where at least one channel is observed; bool, shape ``(1, 1, *spatial)``."""
        return (self.weights > 0).any(1, keepdim=True)

    def rolled(self, shifts: tuple[int, ...]) -> "Problem":
        """Return the problem with its pixels shifted along the spatial axes, periodically."""
        if not any(shifts):
            return self
        return replace(self, data=rolled(self.data, shifts), weights=rolled(self.weights, shifts))

    def split(self, fraction: float, generator: Generator) -> tuple["Problem", "Problem"]:
        """Divide the problem into one of fitted and one of held-out pixels, with all their channels.

        Parameters
        ----------
        fraction : float
            Share of the observed pixels to hold out, in (0, 1); at least one pixel is held out.
        generator : torch.Generator
            Draws the pixels; on the CPU, whatever the device of the data.
        """
        places = self.observed.flatten().nonzero().flatten()
        count = max(1, round(fraction * len(places)))
        chosen = places[torch.randperm(len(places), generator=generator)[:count].to(places.device)]
        held = torch.zeros_like(self.observed)
        held.view(-1)[chosen] = True
        return replace(self, weights=self.weights * ~held), replace(self, weights=self.weights * held)


def rolled(x: Tensor, shifts: tuple[int, ...]) -> Tensor:
    """Return x, shape ``(N, C, *spatial)``, with its pixels shifted along the spatial axes, periodically."""
    return x.roll(shifts, tuple(range(2, 2 + len(shifts)))) if any(shifts) else x
