"""Where the samples of an image lie, in pixels of the data."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Grid:
    """Positions of an image's samples, in pixels of the data.

    Parameters
    ----------
    shape : tuple of int
        Number of samples along each spatial axis.
    step : tuple of float
        Distance between neighbouring samples.
    origin : tuple of float
        Position of the first sample; 0 is the centre of the first data pixel.
    """

    shape: tuple[int, ...]
    step: tuple[float, ...]
    origin: tuple[float, ...]

    @classmethod
    def of_data(cls, shape: tuple[int, ...]) -> Self:
        """Return the grid whose samples are the pixels of data of this shape."""
        return cls(tuple(shape), (1.0,) * len(shape), (0.0,) * len(shape))

    @classmethod
    def refined(cls, shape: tuple[int, ...], factors: tuple[int, ...]) -> Self:
        """Return the grid that divides each pixel of data of this shape by a factor along each axis."""
        return cls(
            tuple(n * f for n, f in zip(shape, factors, strict=True)),
            tuple(1 / f for f in factors),
            tuple(-(1 - 1 / f) / 2 for f in factors),
        )

    @classmethod
    def widened(cls, shape: tuple[int, ...], margins: tuple[int, ...]) -> Self:
        """Return the grid of data of this shape with a margin of pixels at both ends of each axis."""
        return cls(
            tuple(n + 2 * margin for n, margin in zip(shape, margins, strict=True)),
            (1.0,) * len(shape),
            tuple(-float(margin) for margin in margins),
        )

    @property
    def factors(self) -> tuple[int, ...]:
        """Number of samples per pixel along each axis, rounded to an integer."""
        return tuple(round(1 / step) for step in self.step)

    @property
    def finer(self) -> bool:
        """Whether there are several samples per pixel along an axis."""
        return max(self.factors) > 1

    def part_of(self, wider: "Grid") -> tuple[slice, ...]:
        """Return the index of this grid's samples among those of a wider grid with the same step."""
        starts = (
            round((a - b) / step) for a, b, step in zip(self.origin, wider.origin, wider.step, strict=True)
        )
        return tuple(slice(start, start + n) for start, n in zip(starts, self.shape, strict=True))


def cut(x: "Tensor", where: Iterable[slice]) -> "Tensor":
    """Return a part of a batch of shape ``(N, C, *spatial)``, with one slice for each spatial axis."""
    index: Any = (..., *where)
    return x[index]


def middle(x: "Tensor", sizes: Iterable[int]) -> "Tensor":
    """Return the central part of a batch of shape ``(N, C, *spatial)``.

    Parameters
    ----------
    x : Tensor, shape ``(N, C, *spatial)``
        Any batch.
    sizes : iterable of int
        Largest number of samples along each spatial axis.
    """
    starts = ((max(0, n - size) // 2, size) for n, size in zip(x.shape[2:], sizes, strict=True))
    return cut(x, (slice(start, start + size) for start, size in starts))


def format_shape(shape: Iterable[int]) -> str:
    """Return a shape as text, such as ``64 x 48``."""
    return " x ".join(map(str, shape))
