"""Data as a network is shown them, whole or in random parts, and how what it makes of them is compared."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from napari_dip.finetuning.restorer import IntensityMapping
from napari_dip.image.fill import filled_planes
from napari_dip.image.grid import cut, middle
from napari_dip.noise.clipping import clipping_levels, near_clipping
from napari_dip.noise.models import PoissonNoise
from napari_dip.operators import Identity
from napari_dip.problem import Problem
from napari_dip.synthetic.crops import crops

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
#: Share of the pixels whose noise is not cut off, if these alone are to say anything.
_FAIR = 0.1
#: Side of the square whose mean has little noise, in pixels.
_CALM = 5
#: Nothing is cut away.
_ALL = slice(None), slice(None)


@dataclass(frozen=True, eq=False)
class Patch:
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

    def moved(self, perturbation: Tensor) -> Tensor:
        """Return what is shown when the data move, by moves of their shape."""
        margin = (self.shown.shape[2] - self.data.shape[2]) // 2
        return self.shown + (
            _widened(perturbation, margin) if self.mirrored else F.pad(perturbation, (margin,) * 4)
        )

    def x(self, outputs: Tensor) -> Tensor:
        """Return the part of the network's outputs that A is applied to."""
        return cut(outputs, self.inside)

    def on_data(self, x: Tensor) -> Tensor:
        """Return the part of x that lies on the data that are compared, not on what is around them."""
        return middle(x, (self.factor * n for n in self.data.shape[2:]))

    def explained(self, outputs: Tensor) -> Tensor:
        """Return A x, shape of `data`, for what the network makes of what it is shown."""
        return cut(self.problem.operator(self.x(outputs)), self.compared)


class PatchSampler:
    """Data filled in where they miss pixels, and widened by as much as A reaches beyond them.

    Where their noise is cut off at an end of the range they have no weight: there it is neither of mean 0,
    nor as strong as elsewhere.

    Parameters
    ----------
    problem : Problem
        Of two axes, and the same factor along both.
    sigma : Tensor
        The noise's standard deviation; broadcasts to the data.
    """

    def __init__(self, problem: Problem, sigma: Tensor) -> None:
        self.problem = problem
        data, seen = problem.data, problem.weights.expand_as(problem.data) > 0
        #: Pixels of x for one of the data.
        self.factor = problem.grid.factors[0]
        #: Pixels of x beyond the data at each end of each axis.
        self._beyond = _beyond(problem)
        self._weights = problem.weights.expand_as(data)
        self._sigma = sigma.expand_as(data)
        #: The data without gaps.
        self.data = data if bool(seen.all()) else filled_planes(data, seen)
        #: Whether enough pixels have noise that is not cut off.
        self.fair, self._ends = True, (-math.inf, math.inf)
        if self.noisy:
            whole, self._ends = _uncut(self.data, seen, counts=isinstance(problem.noise, PoissonNoise))
            self.fair = float(whole.mean()) > _FAIR
            self._weights = self._weights * whole if self.fair else self._weights

    @cached_property
    def noise(self) -> float:
        """Its standard deviation, root-mean-square, in grey levels."""
        return float(self._sigma.square().mean().sqrt())

    @property
    def noisy(self) -> bool:
        """There is noise."""
        return self.noise > 0

    @property
    def only_noise(self) -> bool:
        """There is noise, and nothing else to be undone."""
        return self.noisy and isinstance(self.problem.operator, Identity)

    @cached_property
    def calm(self) -> Tensor:
        """The data without most of their noise, and without what is as fine as that."""
        if not self.noisy:
            return self.data
        return F.avg_pool2d(self.data, _CALM, 1, _CALM // 2, count_include_pad=False)

    @cached_property
    def reading(self) -> IntensityMapping:
        """How networks usually read grey levels like these."""
        return IntensityMapping.of(self.calm, self.problem.weights > 0)

    @property
    def levels(self) -> tuple[float, float]:
        """The grey levels between which all lies, but for a hundredth of the pixels at either end."""
        values = self.calm.flatten().sort().values
        few = len(values) // 100
        return float(values[few]), float(values[-1 - few])

    @cached_property
    def whole(self) -> Patch:
        """All of the data as one part, compared as the problem says."""
        return _entire(self.problem, self.data, self._weights, self._sigma)

    def middle(self, side: int) -> Patch:
        """Return so many pixels in the middle, of data that A leaves as they are."""
        data, weights, sigma = (middle(x, (side, side)) for x in (self.data, self._weights, self._sigma))
        return Patch(data, data, weights, sigma, _ALL, _ALL, self.problem, mirrored=True)

    @property
    def small(self) -> bool:
        """Whether an update takes all of it."""
        return max(self.problem.grid.shape) <= _WHOLE

    def parts(self, generator: Generator, *, held: bool = False) -> Patch:
        """Return random parts, so that an update costs the same whatever the image; of a small one all.

        Parameters
        ----------
        generator : torch.Generator
            Draws the places.
        held : bool
            Of the rows that are kept for judging, and not of the others. Where there are too few, or there is
            no noise to be learnt, all rows serve for both.
        """
        first, last = self._rows(held=held) if self.noisy else (0, self.data.shape[2])
        if not self.small:
            return self._random(generator, first, last)
        there = torch.zeros_like(self._weights)
        there[:, :, first:last] = 1
        return replace(self.whole, weights=self._weights * there)

    def _rows(self, *, held: bool) -> tuple[int, int]:
        """Return where the rows begin and end that are kept for judging, or the others."""
        height = self.data.shape[2]
        split = round((1 - _HELD) * height)
        if self._coarse(height - split, 0) < _FEWEST:
            return 0, height
        return (split, height) if held else (0, split)

    @cached_property
    def _wide(self) -> tuple[Tensor, int]:
        """The data with as many more pixels at each end as a part needs around it."""
        margin = _EDGE + math.ceil(max(self._beyond) / self.factor) + _REACH
        return _widened(self.data, margin), margin

    def _random(self, generator: Generator, first: int, last: int) -> Patch:
        """Return random parts of some rows."""
        f, width = self.factor, self.data.shape[3]
        side = min(max(8, _PART // f), last - first, width)
        wide, margin = self._wide

        def place(start: int, n: int) -> int:
            return start + int(torch.randint(n - side + 1, (), generator=generator))

        places = [(place(first, last - first), place(0, width)) for _ in range(_BATCH)]

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
        return Patch(shown, data, weights, sigma, inside, compared, self.problem, mirrored=False)

    def pair(self, generator: Generator, *, held: bool = False) -> tuple[Patch, Tensor] | None:
        """Return data that A has made coarser once more, as noisy as they are, and the x that they come from.

        Nothing where A leaves images as they are, or would leave too little of these.

        Parameters
        ----------
        generator : torch.Generator
            Draws the place and the noise.
        held : bool
            From the rows that are kept for judging. Where there are too few, all rows serve for both.
        """
        f, width = self.factor, self.data.shape[3]
        if isinstance(self.problem.operator, Identity):
            return None
        first, last = self._rows(held=held)
        rows, columns = self._coarse(last - first, 0), self._coarse(width, 1)
        if min(rows, columns) < _FEWEST:
            return None
        sides = f * rows + 2 * self._beyond[0], f * columns + 2 * self._beyond[1]
        top = first + int(torch.randint(last - first - sides[0] + 1, (), generator=generator))
        left = int(torch.randint(width - sides[1] + 1, (), generator=generator))
        return self._degraded(self.data[:, :, top : top + sides[0], left : left + sides[1]], generator)

    def made(self, pictures: Sequence[Tensor], generator: Generator) -> tuple[Patch, Tensor]:
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

    def _degraded(self, truth: Tensor, generator: Generator) -> tuple[Patch, Tensor]:
        """Return what an image becomes by A and noise as strong as that of the data, and the image."""
        sigma = self._sigma.mean((2, 3), keepdim=True)
        with torch.no_grad():
            data = self.problem.operator(truth)
        if self.problem.noise.known:
            data = self.problem.noise.sample(data.cpu(), generator).to(data)
        else:
            data = data + sigma * torch.randn(data.shape, generator=generator).to(data)
        data = data.clamp(*self._ends)
        weights = torch.ones_like(data)
        problem = replace(self.problem, data=data, weights=weights)
        return _entire(problem, data, weights, sigma.expand_as(data)), truth

    def _coarse(self, n: int, axis: int) -> int:
        """Return how many pixels A leaves of so many of the data, at the most that of a part."""
        return min(_PART // self.factor, (n - 2 * self._beyond[axis]) // self.factor)


def _uncut(data: Tensor, seen: Tensor, *, counts: bool) -> tuple[Tensor, tuple[float, float]]:
    """Return 1 where noise is not cut off and else 0, and the grey levels beyond which it is cut off.

    Parameters
    ----------
    data, seen : Tensor
        Grey levels, and which of them were measured.
    counts : bool
        They count photons: noise is not cut off at the darkest one.
    """
    images, values = data.cpu().numpy(), data[seen].cpu().numpy()
    low, high = values.min(), values.max()
    ends = clipping_levels(values, counts=counts)
    whole = ~np.stack([[near_clipping(plane, ends) for plane in image] for image in images])
    limits = float(low) if low in ends else -math.inf, float(high) if high in ends else math.inf
    return torch.from_numpy(whole).to(data), limits


def _beyond(problem: Problem) -> list[int]:
    """Return how many pixels of x there are beyond the data at each end of each axis."""
    grid, shape = problem.grid, problem.data.shape[2:]
    return [(n - f * m) // 2 for n, f, m in zip(grid.shape, grid.factors, shape, strict=True)]


def _entire(problem: Problem, data: Tensor, weights: Tensor, sigma: Tensor) -> Patch:
    """Return all of a problem's data as one part; `data` have no gaps."""
    f, beyond = problem.grid.factors[0], _beyond(problem)
    margin = math.ceil(max(beyond) / f)
    starts = [f * margin - one for one in beyond]
    inside = tuple(slice(start, start + n) for start, n in zip(starts, problem.grid.shape, strict=True))
    shown = _widened(data, margin)
    return Patch(shown, problem.data, weights, sigma, inside, _ALL, problem, mirrored=True)


def _widened(data: Tensor, margin: int) -> Tensor:
    """Return data with so many more pixels at each end, mirrored where there are enough to be mirrored."""
    if not margin:
        return data
    mode: Any = "reflect" if margin < min(data.shape[2:]) else "replicate"
    return F.pad(data, (margin,) * 4, mode=mode)
