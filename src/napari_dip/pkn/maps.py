"""A filter's parameters as maps to look at."""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from napari_dip.optim.iterate import Map

if TYPE_CHECKING:
    from torch import Tensor

    from napari_dip.pkn.filtering import Filtering

NOISE_LEFT = "noise left"


def maps_of(filtering: "Filtering") -> dict[str, Map]:
    """Return the parameters by name, and the share of the noise that is left."""
    maps = {
        parameter.name: Map(
            parameter.meaning,
            parameter.unit,
            parameter.low,
            parameter.high,
            partial(_parameter, filtering, at),
            parameter.identity if parameter.signed else None,
        )
        for at, parameter in enumerate(filtering.kernel.parameters)
    }
    meaning = "Share of the noise's standard deviation that is left, by the weights alone."
    return {**maps, NOISE_LEFT: Map(meaning, "noise", 0.0, 1.0, filtering.noise_left)}


@dataclass(frozen=True, eq=False)
class Elongations:
    """Where a filter is longer along one direction than across it, and how much so.

    Parameters
    ----------
    positions : ndarray, shape ``(N, 2)``
        Middles of square cells, in pixels, row first.
    directions : ndarray, shape ``(N, 2)``
        Along the longer axis. Their length, in sides of a cell, is the share by which the variance across
        falls short of that along: 0 where the filter is round, nearly 1 where it is a line.
    ratios : ndarray, shape ``(N,)``
        The longer axis over the shorter one.
    side : int
        Of a cell, in pixels.
    """

    positions: np.ndarray
    directions: np.ndarray
    ratios: np.ndarray
    side: int


def elongations(a: np.ndarray, b: np.ndarray, *, across: int = 40, least: float = 1.25) -> Elongations:
    """Return the direction in which a filter is longer, in square cells.

    With log Q = [[m + a, b], [b, m − a]] of its precision, row axis first, the longer axis is the eigenvector
    of the smaller eigenvalue, and exp(√(a² + b²)) times as long as the shorter one. Of a cell a and b are
    averaged, which directions could not be.

    Parameters
    ----------
    a, b : ndarray, shape ``(H, W)``
        Maps of the two parameters.
    across : int
        Cells along the longer side of the image.
    least : float
        Ratio of the axes below which a cell is left out.
    """
    side = max(1, -(-max(a.shape) // across))
    starts = [np.arange(0, n, side) for n in a.shape]
    sizes = [np.diff([*start, n]) for start, n in zip(starts, a.shape, strict=True)]
    counts = np.multiply.outer(*sizes)
    a, b = (np.add.reduceat(np.add.reduceat(x, starts[0], 0), starts[1], 1) / counts for x in (a, b))
    middles = [start + (size - 1) / 2 for start, size in zip(starts, sizes, strict=True)]
    positions = np.stack(np.meshgrid(*middles, indexing="ij"), -1)
    ratios, half = np.exp(np.hypot(a, b)), np.arctan2(b, a) / 2
    directions = (1 - ratios**-2)[..., None] * np.stack([-np.sin(half), np.cos(half)], -1)
    shown = ratios >= least
    return Elongations(positions[shown], directions[shown], ratios[shown], side)


def _parameter(filtering: "Filtering", at: int) -> "Tensor":
    return filtering.parameters()[0, at]
