"""E(x), what a restored image has to explain."""

from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor

from napari_dip.noise import NoiseModel
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
    """

    data: Tensor
    operator: Operator
    noise: NoiseModel
    weights: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """Return E(x), what a fit minimises: the noise model's misfit of A x, 0-d."""
        return self.noise.misfit(self.operator(x), self.data, self.weights)

    def score(self, x: Tensor) -> Tensor:
        """Return the mean of −log p(y | A x) in nats per pixel, which judges pixels held out of a fit."""
        return self.noise.nll(self.operator(x), self.data, self.weights)

    @property
    def grid(self) -> Grid:
        """Where the samples of x lie."""
        return self.operator.grid(tuple(self.data.shape[2:]))

    @property
    def observed(self) -> Tensor:
        """Pixels of which at least one channel counts; bool, shape ``(1, 1, *spatial)``."""
        return (self.weights > 0).any(1, keepdim=True)

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
