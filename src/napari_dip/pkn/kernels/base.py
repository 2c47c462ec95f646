"""The base of all filters whose parameters differ from pixel to pixel."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from typing import ClassVar, Literal

import torch
from torch import Tensor

from napari_dip.pkn.kernels.parameters import Parameter
from napari_dip.pkn.observation import Observation

#: Returns the parameters of some rows and columns, shape ``(N, P, rows, columns)``.
MapsOf = Callable[[slice, slice], Tensor]

#: Pixels of a tile: enough to keep all cores busy, and few enough to fit into their caches.
_TILE = 2**18


class ProceduralKernel(ABC):
    """A classic filter with its own parameters at each pixel (after Wronski, arXiv 2112.09318).

    (A x)(p) = Σ_q w(p, q) x(q) over a square window around p, with Σ_q w = 1 and

        w(p, q) ∝ exp(−½ dᵀ Q(p) d − Δ(p, q) / 2ρ(p)²),   d = q − p.

    A subclass defines Q, Δ and ρ. Missing pixels q have weight 0. Beyond its border the image is mirrored.
    """

    name: ClassVar[str]  #: in files and on the command line
    title: ClassVar[str]  #: in forms and messages
    parameters: ClassVar[tuple[Parameter, ...]]
    radius: ClassVar[int]  #: of the window, in pixels
    stride: ClassVar[int] = 4  #: pixels from one prediction of a network to the next, along each axis
    guided: ClassVar[bool] = False  #: whether grey levels of a guide may be compared instead of the image's
    purpose: ClassVar[Literal["denoise", "deblur", "refine"]] = "denoise"  #: "deblur" needs to know the blur
    factor: int = 1  #: pixels of the result per pixel of the image, along each axis

    @abstractmethod
    def apply(self, observation: Observation, maps: Tensor) -> Tensor:
        """Return the filtered image, differentiable with respect to the maps.

        Pixels without an observed pixel in their window are NaN.

        Parameters
        ----------
        observation : Observation
            The image and its noise.
        maps : Tensor, shape ``(N, P, factor H, factor W)``
            The parameters in their units.

        Returns
        -------
        Tensor, shape ``(N, C, factor H, factor W)``
        """

    @abstractmethod
    def noise_gain(self, observation: Observation, maps: Tensor) -> Tensor:
        """Return √Σ_q w², the noise gain: the noise's standard deviation after the filter over that before.

        It is exact for weights that do not depend on the noise.

        Returns
        -------
        Tensor, shape ``(N, 1, factor H, factor W)``
        """

    @property
    def reach(self) -> int:
        """Distance in pixels beyond which other pixels have no influence on a filtered one."""
        return self.radius

    @property
    def margin(self) -> int:
        """Number of pixels that are mirrored at the border; the image must be larger."""
        return self.reach

    def default(self) -> Tensor:
        """Return the best constant setting, shape ``(P,)``."""
        return torch.tensor([parameter.default for parameter in self.parameters], dtype=torch.float32)

    def decode(self, raw: Tensor) -> Tensor:
        """Return a network's output as parameters in their units; both have the shape ``(N, P, ...)``."""
        pairs = zip(self.parameters, raw.unbind(1), strict=True)
        return torch.stack([parameter.decode(one) for parameter, one in pairs], 1)

    def encode(self, maps: Tensor) -> Tensor:
        """Return the network output that decodes to these parameters."""
        pairs = zip(self.parameters, maps.unbind(1), strict=True)
        return torch.stack([parameter.encode(one) for parameter, one in pairs], 1)

    def scaled(self, maps: Tensor, strength: float) -> Tensor:
        """Return the parameters at `strength` times their distance from those that change nothing."""
        pairs = zip(self.parameters, maps.unbind(1), strict=True)
        return torch.stack([parameter.scaled(one, strength) for parameter, one in pairs], 1)

    def weights_at(self, observation: Observation, maps: MapsOf, row: int, column: int) -> Tensor:
        """Return the weights of the image's pixels in one pixel of the result.

        Grey-level distances are held constant: where the weights depend on the image, these are the weights
        that were applied to it.

        Parameters
        ----------
        observation : Observation
            A single image.
        maps : callable
            Returns the parameters of a part of the result.
        row, column : int
            Position in the result.

        Returns
        -------
        Tensor, shape ``(2 reach + 1, 2 reach + 1)``
            Centred on the pixel ``row // factor, column // factor`` of the image; 0 outside the image.
        """
        f, reach = self.factor, self.reach
        at = row // f, column // f
        size = observation.image.shape[2:]
        ends = [(max(0, p - reach), min(n, p + reach + 1)) for p, n in zip(at, size, strict=True)]
        (top, bottom), (left, right) = ends
        part = observation.rows(top, bottom).columns(left, right)
        one = part.image[:, :1].detach().clone().requires_grad_()
        seen = None if part.seen is None else part.seen[:, :1]
        guide = part.image if part.guide is None else part.guide
        with torch.enable_grad():
            y = self.apply(
                replace(part, image=one, seen=seen, guide=guide),
                maps(slice(f * top, f * bottom), slice(f * left, f * right)),
            )[0, 0, row - f * top, column - f * left]
            (weights,) = torch.autograd.grad(y, one)
        window = weights.new_zeros(2 * reach + 1, 2 * reach + 1)
        first = top - at[0] + reach, left - at[1] + reach
        window[first[0] : first[0] + bottom - top, first[1] : first[1] + right - left] = weights[0, 0]
        return window

    def in_tiles(
        self, function: Callable[[Observation, Tensor], Tensor], observation: Observation, maps: MapsOf
    ) -> Iterator[tuple[tuple[slice, slice], Tensor]]:
        """Yield `apply` or `noise_gain` tile by tile, so that memory does not grow with the image.

        Parameters
        ----------
        function : callable
            The kernel's `apply` or `noise_gain`.
        observation : Observation
            The whole image.
        maps : callable
            Returns the parameters of a part of the result.

        Yields
        ------
        part : (slice, slice)
            Rows and columns of the result.
        tile : Tensor, shape ``(N, C, rows, columns)``
        """
        f, (height, width) = self.factor, observation.image.shape[2:]
        # Nearly square tiles waste the least time on their surroundings, which are filtered too.
        across = -(-width // -(-width * f // math.isqrt(_TILE)))
        down = max(1, _TILE // (f * f * across))
        for top, left in product(range(0, height, down), range(0, width, across)):
            part = slice(top, min(top + down, height)), slice(left, min(left + across, width))
            around = [
                slice(max(0, one.start - self.reach), min(n, one.stop + self.reach))
                for one, n in zip(part, (height, width), strict=True)
            ]
            rows, columns = around
            wider = observation.rows(rows.start, rows.stop).columns(columns.start, columns.stop)
            filtered = function(wider, maps(*(_times(one, f) for one in around)))
            inner = (_times(one, f, whole.start) for one, whole in zip(part, around, strict=True))
            yield (_times(part[0], f), _times(part[1], f)), filtered[:, :, *inner]


def _times(part: slice, factor: int, start: int = 0) -> slice:
    """Return a part of the image in pixels of the result, counted from `start`."""
    return slice(factor * (part.start - start), factor * (part.stop - start))
