"""What a restored image has to explain: the energy E(x)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from napari_dip.image.grid import cut
from napari_dip.image.units import Units
from napari_dip.noise.models import NoiseModel, weighted_mean
from napari_dip.noise.per_pixel import PerPixelNoise
from napari_dip.operators import Grid, Operator

#: Least number of observed pixels.
_LEAST_OBSERVED = 4


@dataclass(frozen=True, eq=False)
class Problem:
    """Data y = A x + noise, some pixels of which may be missing.

    All numbers are in working units, and so are those of the operator, the noise and x.

    Parameters
    ----------
    data : Tensor, shape ``(1, C, *spatial)``
        Data y, finite everywhere.
    operator : Operator
        A.
    noise : NoiseModel
        p(y | A x).
    weights : Tensor, shape ``(1, 1 or C, *spatial)``
        0 where a pixel is missing, and above 0 otherwise: 1 unless some pixels count more than others.
    floor : float, optional
        Lower bound of x.
    only_missing : bool
        Only the missing pixels of x are wanted.
    units : Units
        The working units. By default they are grey levels.
    """

    data: Tensor
    operator: Operator
    noise: NoiseModel
    weights: Tensor
    floor: float | None = None
    only_missing: bool = False
    units: Units = Units()

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
            Variance of the noise as measured in the data, for a noise model without one.
        """
        u = self.operator(x)
        variance = self.noise.variance(u) if self.noise.known or measured is None else measured
        return weighted_mean((self.data - u).square() / variance, self.weights)

    def described(self, noise: NoiseModel) -> str:
        """Return a noise model of the data in words for the user, in grey levels."""
        return noise.rescaled(-self.units.offset / self.units.scale, 1 / self.units.scale).in_words

    @property
    def gain(self) -> float:
        """Mean of A x for x = 1. It differs from 1 if A sums light, as projections do."""
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

    def interpolated(self, data: Tensor) -> Tensor:
        """Return an image of the data's shape on the grid of x: interpolated linearly, and `widened`."""
        if self.grid.finer:
            size = [n * f for n, f in zip(data.shape[2:], self.grid.factors, strict=True)]
            data = F.interpolate(data, size, mode="bilinear" if len(size) == 2 else "trilinear")
        return self.widened(data)

    @property
    def observed(self) -> Tensor:
        """Where at least one channel is observed; bool, shape ``(1, 1, *spatial)``."""
        return (self.weights > 0).any(1, keepdim=True)

    def too_sparse(self, method: str) -> str | None:
        """Return why a method can't restore from so few pixels, as a sentence that begins with its name."""
        if int(self.observed.sum()) >= _LEAST_OBSERVED:
            return None
        return f"{method} needs at least {_LEAST_OBSERVED} observed pixels: mark fewer pixels as missing."

    def rolled(self, shifts: tuple[int, ...]) -> "Problem":
        """Return the problem with its pixels shifted along the spatial axes, periodically."""
        return self._changed(lambda x: rolled(x, shifts)) if any(shifts) else self

    def part(self, index: tuple[slice, ...]) -> "Problem":
        """Return the problem of a part of the data, by its index along the spatial axes."""
        return self._changed(lambda x: cut(x, index).contiguous())

    def of_channels(self, channels: Sequence[int]) -> "Problem":
        """Return the problem of some channels."""
        chosen = list(channels)
        return replace(
            self._changed(lambda x: x[:, chosen] if x.shape[1] > 1 else x),
            operator=self.operator.of_channels(chosen),
        )

    def to(self, device: str) -> "Problem":
        """Return the problem on a device."""
        return replace(self._changed(lambda x: x.to(device)), operator=self.operator.to(device))

    def _changed(self, change: Callable[[Tensor], Tensor]) -> "Problem":
        """Return the problem with everything changed that has an entry for each pixel of the data."""
        noise = self.noise.changed(change) if isinstance(self.noise, PerPixelNoise) else self.noise
        return replace(self, data=change(self.data), weights=change(self.weights), noise=noise)

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
