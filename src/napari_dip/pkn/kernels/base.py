"""What every filter is whose parameters differ from pixel to pixel."""

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

#: Parameters of some rows and columns, shape ``(N, P, rows, columns)``.
MapsOf = Callable[[slice, slice], Tensor]

#: Pixels of a tile: enough to keep the cores busy, and few enough to stay in their caches.
_TILE = 2**18


class ProceduralKernel(ABC):
    """A classic filter with parameters of its own at each pixel (after Wronski, arXiv 2112.09318).

    (A x)(p) = Σ_q w(p, q) x(q) over a square window around p, with Σ_q w = 1 and

        w(p, q) ∝ exp(−½ dᵀ Q(p) d − Δ(p, q) / 2ρ(p)²),   d = q − p.

    A subclass says what Q, Δ and ρ are made of. Missing pixels q have no weight. Beyond the border the image
    is mirrored.
    """

    name: ClassVar[str]  #: as the command line and files call it
    title: ClassVar[str]  #: as users call it
    parameters: ClassVar[tuple[Parameter, ...]]
    radius: ClassVar[int]  #: of the window, in pixels
    coarse: ClassVar[int] = 4  #: pixels between those for which a network predicts parameters
    guided: ClassVar[bool] = False  #: whether another image may say how far grey levels are apart
    purpose: ClassVar[Literal["denoise", "deblur", "refine"]] = "denoise"  #: deblurring has to know the blur
    factor: int = 1  #: pixels of the result for one of the image

    @abstractmethod
    def apply(self, observation: Observation, maps: Tensor) -> Tensor:
        """Return the filtered image, differentiable by the maps; NaN where nothing was observed in reach.

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
    def noise_left(self, observation: Observation, maps: Tensor) -> Tensor:
        """Return √Σ_q w², which is the share of the noise that is left where w doesn't depend on it.

        Returns
        -------
        Tensor, shape ``(N, 1, factor H, factor W)``
        """

    @property
    def reach(self) -> int:
        """From so many pixels away, and no further, others have an influence."""
        return self.radius

    @property
    def margin(self) -> int:
        """So many pixels are mirrored at the border: an image has to have more."""
        return self.reach

    def default(self) -> Tensor:
        """Return the best single setting, shape ``(P,)``."""
        return torch.tensor([parameter.default for parameter in self.parameters])

    def decode(self, raw: Tensor) -> Tensor:
        """Return parameters in their units of what a network says, both of shape ``(N, P, ...)``."""
        pairs = zip(self.parameters, raw.unbind(1), strict=True)
        return torch.stack([parameter.decode(one) for parameter, one in pairs], 1)

    def encode(self, maps: Tensor) -> Tensor:
        """Undo `decode`."""
        pairs = zip(self.parameters, maps.unbind(1), strict=True)
        return torch.stack([parameter.encode(one) for parameter, one in pairs], 1)

    def scaled(self, maps: Tensor, strength: float) -> Tensor:
        """Return parameters further from those that leave the image as it is, or nearer to them."""
        pairs = zip(self.parameters, maps.unbind(1), strict=True)
        return torch.stack([parameter.scaled(one, strength) for parameter, one in pairs], 1)

    def weights_at(self, observation: Observation, maps: MapsOf, row: int, column: int) -> Tensor:
        """Return what each pixel of the image counts for one of the result.

        Grey-level distances are held as they are: of a filter that depends on the image these are the weights
        with which it was applied.

        Parameters
        ----------
        observation : Observation
            A single image.
        maps : callable
            Gives the parameters of a part of the result.
        row, column : int
            Of the result.

        Returns
        -------
        Tensor, shape ``(2 reach + 1, 2 reach + 1)``
            Around the pixel ``row // factor, column // factor``; 0 outside of the image.
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
            (counts,) = torch.autograd.grad(y, one)
        whole = counts.new_zeros(2 * reach + 1, 2 * reach + 1)
        first = top - at[0] + reach, left - at[1] + reach
        whole[first[0] : first[0] + bottom - top, first[1] : first[1] + right - left] = counts[0, 0]
        return whole

    def in_tiles(
        self, function: Callable[[Observation, Tensor], Tensor], observation: Observation, maps: MapsOf
    ) -> Iterator[tuple[tuple[slice, slice], Tensor]]:
        """Yield `apply` or `noise_left` tile by tile: memory stays flat, whatever the size of the image.

        Parameters
        ----------
        function : callable
            One of these two.
        observation : Observation
            Of the whole image.
        maps : callable
            Gives the parameters of a part of the result.

        Yields
        ------
        part : (slice, slice)
            Rows and columns of the result.
        tile : Tensor, shape ``(N, C, rows, columns)``
        """
        f, (height, width) = self.factor, observation.image.shape[2:]
        # Nearly square, as the surroundings of a tile are filtered in vain.
        across = -(-width // -(-width * f // math.isqrt(_TILE)))
        down = max(1, _TILE // (f * f * across))
        for top, left in product(range(0, height, down), range(0, width, across)):
            part = slice(top, min(top + down, height)), slice(left, min(left + across, width))
            around = [
                slice(max(0, one.start - self.reach), min(n, one.stop + self.reach))
                for one, n in zip(part, (height, width), strict=True)
            ]
            rows, columns = around
            seen = observation.rows(rows.start, rows.stop).columns(columns.start, columns.stop)
            wider = function(seen, maps(*(_times(one, f) for one in around)))
            inner = (_times(one, f, whole.start) for one, whole in zip(part, around, strict=True))
            yield (_times(part[0], f), _times(part[1], f)), wider[:, :, *inner]


def _times(part: slice, factor: int, start: int = 0) -> slice:
    """Return where a part lies in finer pixels, counted from a start."""
    return slice(factor * (part.start - start), factor * (part.stop - start))
