"""The data as patches: all of them, random parts, a coarser version, and synthetic images like them."""

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from napari_dip.finetuning.intensity_mapping import IntensityMapping
from napari_dip.finetuning.patches import EVERYTHING, Patch, padded, whole_patch, x_margins
from napari_dip.finetuning.pieces import Pieces
from napari_dip.finetuning.plausible import within_noise
from napari_dip.image.fill import filled_planes
from napari_dip.image.grid import middle
from napari_dip.noise.clipping import clipping_levels, near_clipping
from napari_dip.noise.models import PoissonNoise
from napari_dip.noise.per_pixel import PerPixelNoise
from napari_dip.operators import Identity
from napari_dip.problem import Problem
from napari_dip.synthetic.crops import crops

#: Approximate side of a patch in pixels of x. Images up to the second size are one patch.
_SIDE, _WHOLE = 96, 224
#: Margins of a patch in pixels of the data: pixels whose comparison would lack a part of what A sees, and
#: pixels whose restoration would lack a part of what the network could see.
_EDGE, _REACH = 4, 8
#: Patches per iteration.
_BATCH = 4
#: Least side of data that A has made coarser, in pixels, and the share of the rows that is held out.
_LEAST_SIDE, _HELD_OUT = 16, 1 / 3
#: Stein's estimate is used if the noise of more than this share of the pixels is not clipped.
_UNCLIPPED = 0.1
#: Standard deviations of the noise from the median to the grey levels that a denoiser need not see: at most,
#: at least, and such that this share of the pixels lies between them.
_WIDEST, _NARROWEST, _MOST = 128.0, 32.0, 0.97
#: Side of the square over which data are averaged to lose most of their noise, in pixels.
_SMOOTHED = 5


class PatchSampler:
    """Draws patches from data whose missing pixels have been filled in.

    Pixels whose noise is clipped at an end of the range have no weight: there the noise has neither mean 0
    nor its full strength.

    Parameters
    ----------
    problem : Problem
        Has two axes, and the same factor along both.
    sigma : Tensor
        Standard deviation of the noise. Broadcasts to the data.
    """

    def __init__(self, problem: Problem, sigma: Tensor) -> None:
        self.problem = problem
        data, observed = problem.data, problem.weights.expand_as(problem.data) > 0
        #: Pixels of x per pixel of the data, along each axis.
        self.factor = problem.grid.factors[0]
        self._margins = x_margins(problem)
        self._weights = problem.weights.expand_as(data)
        self._sigmas = sigma.expand_as(data)
        #: The data without gaps.
        self.data = data if bool(observed.all()) else filled_planes(data, observed)
        #: Whether Stein's estimate may be used: the noise of enough pixels is not clipped.
        self.sure_applies, self._ends = True, (-math.inf, math.inf)
        if self.noisy:
            counts = isinstance(problem.noise, PoissonNoise)
            unclipped, self._ends = _unclipped(self.data, observed, counts=counts)
            self.sure_applies = float(unclipped.mean()) > _UNCLIPPED
            self._weights = self._weights * unclipped if self.sure_applies else self._weights

    @cached_property
    def sigma(self) -> float:
        """Standard deviation of the noise in grey levels, as the root mean square over the pixels."""
        return float(self._sigmas.square().mean().sqrt())

    @property
    def noisy(self) -> bool:
        """There is noise."""
        return self.sigma > 0

    @property
    def only_noise(self) -> bool:
        """There is noise, and A changes nothing."""
        return self.noisy and isinstance(self.problem.operator, Identity)

    @cached_property
    def smoothed(self) -> Tensor:
        """The data without most of their noise and their finest detail."""
        return self._smooth(self.data)

    def _smooth(self, data: Tensor) -> Tensor:
        if not self.noisy:
            return data
        return F.avg_pool2d(data, _SMOOTHED, 1, _SMOOTHED // 2, count_include_pad=False)

    @cached_property
    def mapping(self) -> IntensityMapping:
        """The mapping that suits most networks: the range of the data, but for single pixels."""
        # A hot pixel that is brighter than all others does not last through a median, and a star does.
        calm = _median(self.data)
        return IntensityMapping.of(self._smooth(calm), self.problem.weights > 0)

    @cached_property
    def limits(self) -> tuple[float, float]:
        """The grey levels between which the noise is strong enough, next to the contrast, to be removed."""
        around, sigma = self.smoothed.median(), self._sigmas.median()
        away = ((self.smoothed - around).abs() / sigma).flatten()
        reach = _WIDEST
        if float(away.max()) > _WIDEST:  # a few pixels are much brighter than the others
            reach = min(max(float(away.sort().values[int(_MOST * (len(away) - 1))]), _NARROWEST), _WIDEST)
        return float(around - reach * sigma), float(around + reach * sigma)

    @cached_property
    def limited_mapping(self) -> IntensityMapping:
        """The mapping that suits a denoiser which sees grey levels between the limits only."""
        return IntensityMapping.of(self.smoothed.clamp(*self.limits), self.problem.weights > 0)

    @property
    def contrast(self) -> float:
        """Standard deviation of the smoothed data, whatever a few of the pixels are, times that of a ramp."""
        low, high = self.smoothed.flatten().quantile(self.smoothed.new_tensor((0.1, 0.9)))
        return float(high - low) / 0.8

    @property
    def levels(self) -> tuple[float, float]:
        """The grey levels between which the smoothed data lie, except for a hundredth at either end."""
        values = self.smoothed.flatten().sort().values
        few = len(values) // 100
        return float(values[few]), float(values[-1 - few])

    def within_noise(self, x: Tensor) -> Pieces[Tensor]:
        """Return an image near x whose residual is nowhere stronger than noise can be."""
        return within_noise(replace(self.problem, weights=self._weights), x, self._sigmas)

    @cached_property
    def whole(self) -> Patch:
        """All of the data as one patch."""
        return whole_patch(self.problem, self.data, self._weights, self._sigmas)

    def central_patch(self, side: int) -> Patch:
        """Return a square in the middle of data that A does not change."""
        data, weights, sigma = (middle(x, (side, side)) for x in (self.data, self._weights, self._sigmas))
        return Patch(data, data, weights, sigma, EVERYTHING, EVERYTHING, self.problem, mirrored=True)

    @property
    def small(self) -> bool:
        """The image is small enough to be one patch."""
        return max(self.problem.grid.shape) <= _WHOLE

    def patches(self, generator: Generator, *, held_out: bool = False) -> Patch:
        """Return random patches, so that an iteration takes as long for any image; all of a small image.

        Parameters
        ----------
        generator : torch.Generator
            Draws the positions.
        held_out : bool
            Take them from the rows that are held out for validation, and else from the others. If there are
            too few rows, or there is no noise that could be learnt, all rows serve for both.
        """
        first, last = self._rows(held_out=held_out) if self.noisy else (0, self.data.shape[2])
        if not self.small:
            return self._random(generator, first, last)
        inside = torch.zeros_like(self._weights)
        inside[:, :, first:last] = 1
        return replace(self.whole, weights=self._weights * inside)

    def _rows(self, *, held_out: bool) -> tuple[int, int]:
        """Return the first row and the end of the rows that are held out, or of the others."""
        height = self.data.shape[2]
        split = round((1 - _HELD_OUT) * height)
        if self._coarse_side(height - split, 0) < _LEAST_SIDE:
            return 0, height
        return (split, height) if held_out else (0, split)

    @cached_property
    def _padded(self) -> tuple[Tensor, int]:
        """The data with the margin that a patch needs, and the width of the margin."""
        margin = _EDGE + math.ceil(max(self._margins) / self.factor) + _REACH
        return padded(self.data, margin), margin

    def _random(self, generator: Generator, first: int, last: int) -> Patch:
        """Return random patches from the rows between `first` and `last`."""
        f, width = self.factor, self.data.shape[3]
        side = min(max(8, _SIDE // f), last - first, width)
        wide, margin = self._padded

        def drawn(start: int, n: int) -> int:
            return start + int(torch.randint(n - side + 1, (), generator=generator))

        corners = [(drawn(first, last - first), drawn(0, width)) for _ in range(_BATCH)]

        def taken(x: Tensor, more: int = 0) -> Tensor:
            return torch.cat([x[:, :, r : r + side + more, c : c + side + more] for r, c in corners])

        size = f * (side + 2 * _EDGE)
        starts = [f * (margin - _EDGE) - one for one in self._margins]
        output_slices = tuple(
            slice(start, start + size + 2 * one) for start, one in zip(starts, self._margins, strict=True)
        )
        data_slices = (slice(_EDGE, _EDGE + side),) * 2
        data, weights, sigma = (taken(x) for x in (self.problem.data, self._weights, self._sigmas))
        shown = taken(wide, 2 * margin)
        return Patch(shown, data, weights, sigma, output_slices, data_slices, self.problem, mirrored=False)

    def coarser_pair(self, generator: Generator, *, held_out: bool = False) -> tuple[Patch, Tensor] | None:
        """Return data that A has made coarser once more, with noise as before, and the data as their x.

        Returns None if A does not change images, or would leave too few pixels.

        Parameters
        ----------
        generator : torch.Generator
            Draws the position and the noise.
        held_out : bool
            Take the data from the rows that are held out for validation. If there are too few, all rows serve
            for both.
        """
        f, width = self.factor, self.data.shape[3]
        if isinstance(self.problem.operator, Identity):
            return None
        first, last = self._rows(held_out=held_out)
        rows, columns = self._coarse_side(last - first, 0), self._coarse_side(width, 1)
        if min(rows, columns) < _LEAST_SIDE:
            return None
        sides = f * rows + 2 * self._margins[0], f * columns + 2 * self._margins[1]
        top = first + int(torch.randint(last - first - sides[0] + 1, (), generator=generator))
        left = int(torch.randint(width - sides[1] + 1, (), generator=generator))
        return self._degraded(self.data[:, :, top : top + sides[0], left : left + sides[1]], generator)

    def synthetic_pair(self, images: Sequence[Tensor], generator: Generator) -> tuple[Patch, Tensor]:
        """Return what would be measured of a part of a synthetic image, and that part.

        Parameters
        ----------
        images : sequence of Tensor, each of shape ``(H, W)``
            Synthetic images in the grey levels of the data.
        generator : torch.Generator
            Draws the part and the noise.
        """
        side = _SIDE // self.factor * self.factor
        channels = self.data.shape[1]
        parts = crops(images, _BATCH * channels, side + 2 * max(self._margins), generator)
        sides = [side + 2 * one for one in self._margins]
        parts = parts[:, 0, : sides[0], : sides[1]].reshape(_BATCH, channels, *sides)
        return self._degraded(parts.to(self.data), generator)

    def _degraded(self, truth: Tensor, generator: Generator) -> tuple[Patch, Tensor]:
        """Return A x with noise like that of the data, as a patch, and x."""
        sigma = self._sigmas.mean((2, 3), keepdim=True)
        with torch.no_grad():
            data = self.problem.operator(truth)
        if self.problem.noise.known and not isinstance(self.problem.noise, PerPixelNoise):
            data = self.problem.noise.sample(data.cpu(), generator).to(data)
        else:
            data = data + sigma * torch.randn(data.shape, generator=generator, dtype=torch.float32).to(data)
        data = data.clamp(*self._ends)
        weights = torch.ones_like(data)
        problem = replace(self.problem, data=data, weights=weights)
        return whole_patch(problem, data, weights, sigma.expand_as(data)), truth

    def _coarse_side(self, n: int, axis: int) -> int:
        """Return how many pixels A makes of n pixels of the data, at most as many as in a patch."""
        return min(_SIDE // self.factor, (n - 2 * self._margins[axis]) // self.factor)


def _median(data: Tensor) -> Tensor:
    """Return the median of 3 x 3 pixels around each pixel, shape ``(1, C, H, W)``."""
    wide = F.pad(data, (1, 1, 1, 1), mode="replicate")
    return wide.unfold(2, 3, 1).unfold(3, 3, 1).flatten(4).median(4).values


def _unclipped(data: Tensor, observed: Tensor, *, counts: bool) -> tuple[Tensor, tuple[float, float]]:
    """Return 1 where the noise is not clipped and else 0, and the grey levels at which it is clipped.

    Parameters
    ----------
    data, observed : Tensor
        Grey levels, and which of them were measured.
    counts : bool
        The data count photons, so that the noise is not clipped at the lowest level.
    """
    images, values = data.cpu().numpy(), data[observed].cpu().numpy()
    low, high = values.min(), values.max()
    ends = clipping_levels(values, counts=counts)
    unclipped = ~np.stack([[near_clipping(plane, ends) for plane in image] for image in images])
    limits = float(low) if low in ends else -math.inf, float(high) if high in ends else math.inf
    return torch.from_numpy(unclipped).to(data), limits
