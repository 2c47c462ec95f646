"""Data as a network is shown them, whole or in random parts, and how what it makes of them is compared."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from napari_dip.filling import filled
from napari_dip.grid import cut, middle
from napari_dip.operators import Identity
from napari_dip.pkn.examples import crops
from napari_dip.problem import Problem

#: Pixels of the restored image in a part along each axis, about; images of twice as many are taken whole.
_PART, _WHOLE = 96, 224
#: Pixels of the data around a part: those that are compared with less than all that A sees, and those that
#: the network makes of less than all that it could see.
_EDGE, _REACH = 4, 8
#: Parts of an update.
_BATCH = 4
#: Pixels along each axis that data which are made coarser must have left; the share of the rows that is for
#: judging.
_FEWEST, _HELD = 16, 1 / 3


@dataclass(frozen=True, eq=False)
class Part:
    """What a network is shown, and what A x is compared with.

    Parameters
    ----------
    shown : Tensor, shape ``(N, C, h, w)``
        Data with more around them.
    data, weights, sigma : Tensor, shape ``(N, C, H, W)``
        y, 0 where a pixel is missing and else 1, and the noise's standard deviation.
    inside : tuple of slice
        Of what the network makes of them, what A is applied to.
    compared : tuple of slice
        Of the result, what lies on `data`.
    problem : Problem
        Names A.
    mirrored : bool
        What is shown around the data mirrors them, and is not more of the image.
    """

    shown: Tensor
    data: Tensor
    weights: Tensor
    sigma: Tensor
    inside: tuple[slice, ...]
    compared: tuple[slice, ...]
    problem: Problem
    mirrored: bool

    @property
    def factor(self) -> int:
        """Pixels of x for one of the data."""
        return self.problem.grid.factors[0]

    def moved(self, moves: Tensor) -> Tensor:
        """Return what is shown when the data move, by moves of their shape."""
        margin = (self.shown.shape[2] - self.data.shape[2]) // 2
        return self.shown + (_widened(moves, margin) if self.mirrored else F.pad(moves, (margin,) * 4))

    def x(self, outputs: Tensor) -> Tensor:
        """Return the part of the network's outputs that A is applied to."""
        return cut(outputs, self.inside)

    def on_data(self, x: Tensor) -> Tensor:
        """Return the part of x that lies on the data that are compared, not on what is around them."""
        return middle(x, (self.factor * n for n in self.data.shape[2:]))

    def explained(self, outputs: Tensor) -> Tensor:
        """Return A x, shape of `data`, for what the network makes of what it is shown."""
        return cut(self.problem.operator(self.x(outputs)), self.compared)


class View:
    """Data filled in where they miss pixels, and widened by as much as A reaches beyond them.

    Parameters
    ----------
    problem : Problem
        Of two axes, and the same factor along both.
    sigma : Tensor
        The noise's standard deviation; broadcasts to the data.
    """

    def __init__(self, problem: Problem, sigma: Tensor) -> None:
        self.problem = problem
        data, shape = problem.data, problem.data.shape[2:]
        grid = problem.grid
        #: Pixels of x for one of the data.
        self.factor = grid.factors[0]
        #: Pixels of x beyond the data at each end of each axis.
        self._beyond = [(n - self.factor * m) // 2 for n, m in zip(grid.shape, shape, strict=True)]
        self._weights = problem.weights.expand_as(data)
        self._sigma = sigma.expand_as(data)
        #: The data without gaps.
        self.data = data if bool((self._weights > 0).all()) else _filled(data, self._weights > 0)

    @cached_property
    def whole(self) -> Part:
        """All of the data as one part, compared as the problem says."""
        margin = math.ceil(max(self._beyond) / self.factor)
        inside = tuple(
            slice(self.factor * margin - beyond, self.factor * margin - beyond + n)
            for beyond, n in zip(self._beyond, self.problem.grid.shape, strict=True)
        )
        everything = (slice(None), slice(None))
        shown = _widened(self.data, margin)
        data, weights = self.problem.data, self._weights
        return Part(shown, data, weights, self._sigma, inside, everything, self.problem, mirrored=True)

    @property
    def small(self) -> bool:
        """Whether an update takes all of it."""
        return max(self.problem.grid.shape) <= _WHOLE

    def parts(self, generator: Generator) -> Part:
        """Return random parts, so that an update costs the same whatever the image; of a small one all."""
        return self.whole if self.small else self._random(generator)

    @cached_property
    def _wide(self) -> tuple[Tensor, int]:
        """The data with as many more pixels at each end as a part needs around it."""
        margin = _EDGE + math.ceil(max(self._beyond) / self.factor) + _REACH
        return _widened(self.data, margin), margin

    def _random(self, generator: Generator) -> Part:
        f, height, width = self.factor, *self.data.shape[2:]
        side = min(max(8, _PART // f), height, width)
        wide, margin = self._wide
        places = [
            [int(torch.randint(n - side + 1, (), generator=generator)) for n in (height, width)]
            for _ in range(_BATCH)
        ]

        def taken(x: Tensor, more: int = 0) -> Tensor:
            return torch.cat([x[:, :, r : r + side + more, c : c + side + more] for r, c in places])

        size = f * (side + 2 * _EDGE)
        starts = [f * (margin - _EDGE) - beyond for beyond in self._beyond]
        inside = tuple(
            slice(start, start + size + 2 * beyond)
            for start, beyond in zip(starts, self._beyond, strict=True)
        )
        compared = (slice(_EDGE, _EDGE + side),) * 2
        data, weights, sigma = (taken(x) for x in (self.problem.data, self._weights, self._sigma))
        shown = taken(wide, 2 * margin)
        return Part(shown, data, weights, sigma, inside, compared, self.problem, mirrored=False)

    def pair(self, generator: Generator, *, held: bool = False) -> tuple[Part, Tensor] | None:
        """Return data that A has made coarser once more, as noisy as they are, and the x that they come from.

        Nothing where A leaves images as they are, or would leave too little of these.

        Parameters
        ----------
        generator : torch.Generator
            Draws the place and the noise.
        held : bool
            From the rows that are kept for judging. Where there are too few, all rows serve for both.
        """
        f, (height, width) = self.factor, self.data.shape[2:]
        if isinstance(self.problem.operator, Identity):
            return None
        first, last = 0, height
        split = round((1 - _HELD) * height)
        if self._coarse(height - split, 0) >= _FEWEST:
            first, last = (split, height) if held else (0, split)
        rows, columns = self._coarse(last - first, 0), self._coarse(width, 1)
        if min(rows, columns) < _FEWEST:
            return None
        sides = f * rows + 2 * self._beyond[0], f * columns + 2 * self._beyond[1]
        top = first + int(torch.randint(last - first - sides[0] + 1, (), generator=generator))
        left = int(torch.randint(width - sides[1] + 1, (), generator=generator))
        return self._degraded(self.data[:, :, top : top + sides[0], left : left + sides[1]], generator)

    def made(self, pictures: Sequence[Tensor], generator: Generator) -> tuple[Part, Tensor]:
        """Return what the data would be of a part of a made picture, and that part.

        Parameters
        ----------
        pictures : sequence of Tensor, each of shape ``(H, W)``
            In the grey levels of the data.
        generator : torch.Generator
            Draws the part and the noise.
        """
        side = _PART // self.factor * self.factor
        channels = self.data.shape[1]
        images = crops(pictures, _BATCH * channels, side + 2 * max(self._beyond), generator)
        sides = [side + 2 * beyond for beyond in self._beyond]
        images = images[:, 0, : sides[0], : sides[1]].reshape(_BATCH, channels, *sides)
        return self._degraded(images.to(self.data), generator)

    def _degraded(self, truth: Tensor, generator: Generator) -> tuple[Part, Tensor]:
        """Return what an image becomes by A and noise as strong as that of the data, and the image."""
        sigma = self._sigma.mean((2, 3), keepdim=True)
        with torch.no_grad():
            data = self.problem.operator(truth)
        if self.problem.noise.known:
            data = self.problem.noise.sample(data.cpu(), generator).to(data)
        else:
            data = data + sigma * torch.randn(data.shape, generator=generator).to(data)
        problem = replace(self.problem, data=data, weights=torch.ones_like(data))
        return View(problem, sigma).whole, truth

    def _coarse(self, n: int, axis: int) -> int:
        """Return how many pixels A leaves of so many of the data, at the most that of a part."""
        return min(_PART // self.factor, (n - 2 * self._beyond[axis]) // self.factor)


def _filled(data: Tensor, seen: Tensor) -> Tensor:
    """Return data whose missing pixels are the mean of what is around them."""
    pairs = zip(data.flatten(0, 1).double().cpu().numpy(), seen.flatten(0, 1).cpu().numpy(), strict=True)
    return torch.stack([torch.from_numpy(filled(*pair)) for pair in pairs]).view_as(data).to(data)


def _widened(data: Tensor, margin: int) -> Tensor:
    """Return data with so many more pixels at each end, mirrored where there are enough to be mirrored."""
    if not margin:
        return data
    mode: Any = "reflect" if margin < min(data.shape[2:]) else "replicate"
    return F.pad(data, (margin,) * 4, mode=mode)
