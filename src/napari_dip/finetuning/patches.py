"""Patches: what a network is shown of the data, and how its output is compared with them."""

import math
from dataclasses import dataclass
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from napari_dip.image.grid import cut, middle
from napari_dip.problem import Problem

#: Slices that cut nothing away.
EVERYTHING = slice(None), slice(None)


@dataclass(frozen=True, eq=False)
class Patch:
    """A network's input, and the data with which A x is compared.

    Parameters
    ----------
    shown : Tensor, shape ``(N, C, h, w)``
        The network's input: data with a margin.
    data, weights, sigma : Tensor, shape ``(N, C, H, W)``
        The data y, their weights (0 where a pixel is missing, else 1), and the standard deviation of the
        noise.
    output_slices : tuple of slice
        The part of the network's output that is x.
    data_slices : tuple of slice
        The part of A x that lies on `data`.
    problem : Problem
        Its operator is A.
    mirrored : bool
        Whether the margin mirrors the data, rather than continuing the image.
    """

    shown: Tensor
    data: Tensor
    weights: Tensor
    sigma: Tensor
    output_slices: tuple[slice, ...]
    data_slices: tuple[slice, ...]
    problem: Problem
    mirrored: bool

    @property
    def factor(self) -> int:
        """Pixels of x per pixel of the data, along each axis."""
        return self.problem.grid.factors[0]

    def perturbed(self, perturbation: Tensor) -> Tensor:
        """Return the network's input after a perturbation is added to the data."""
        margin = (self.shown.shape[2] - self.data.shape[2]) // 2
        return self.shown + (
            padded(perturbation, margin) if self.mirrored else F.pad(perturbation, (margin,) * 4)
        )

    def x(self, outputs: Tensor) -> Tensor:
        """Return x, the part of the network's output to which A is applied."""
        return cut(outputs, self.output_slices)

    def on_data(self, x: Tensor) -> Tensor:
        """Return the part of x that lies on the data, without what A needs around them."""
        return middle(x, (self.factor * n for n in self.data.shape[2:]))

    def predicted(self, outputs: Tensor) -> Tensor:
        """Return A x for the network's output, in the shape of `data`."""
        return cut(self.problem.operator(self.x(outputs)), self.data_slices)


def whole_patch(problem: Problem, data: Tensor, weights: Tensor, sigma: Tensor) -> Patch:
    """Return all data of a problem as one patch.

    Parameters
    ----------
    problem : Problem
        The data may have gaps.
    data, weights, sigma : Tensor
        The data without gaps, their weights, and the standard deviation of the noise.
    """
    f, margins = problem.grid.factors[0], x_margins(problem)
    margin = math.ceil(max(margins) / f)
    starts = [f * margin - one for one in margins]
    slices = tuple(slice(start, start + n) for start, n in zip(starts, problem.grid.shape, strict=True))
    shown = padded(data, margin)
    return Patch(shown, problem.data, weights, sigma, slices, EVERYTHING, problem, mirrored=True)


def x_margins(problem: Problem) -> list[int]:
    """Return how many pixels x extends beyond the data, at each end of each axis."""
    grid, shape = problem.grid, problem.data.shape[2:]
    return [(n - f * m) // 2 for n, f, m in zip(grid.shape, grid.factors, shape, strict=True)]


def padded(data: Tensor, margin: int) -> Tensor:
    """Return data with a margin on all sides: mirrored, or repeated where there is too little to mirror."""
    if not margin:
        return data
    mode: Any = "reflect" if margin < min(data.shape[2:]) else "replicate"
    return F.pad(data, (margin,) * 4, mode=mode)
