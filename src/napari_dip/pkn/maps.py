"""A filter's parameters as maps to look at."""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from napari_dip.optim.iterate import Map

if TYPE_CHECKING:
    from torch import Tensor

    from napari_dip.pkn.filtering import Filtering

#: Name of the map that is no parameter.
NOISE_GAIN = "noise gain"


def maps_of(filtering: "Filtering") -> dict[str, Map]:
    """Return the maps of the parameters by name, and the map of the noise gain."""
    maps = {
        name: Map(
            parameter.meaning,
            parameter.unit,
            parameter.low,
            parameter.high,
            partial(_parameter, filtering, *divmod(at, len(filtering.kernel.parameters))),
            parameter.identity if parameter.signed else None,
        )
        for at, (name, parameter) in enumerate(filtering.named_parameters.items())
    }
    meaning = "Standard deviation of the noise after the filter over that before, for constant weights."
    return {**maps, NOISE_GAIN: Map(meaning, "noise", 0.0, 1.0, filtering.noise_gain)}


@dataclass(frozen=True, eq=False)
class Elongations:
    """Places where a filter is longer along one direction than across it.

    Parameters
    ----------
    positions : ndarray, shape ``(N, 2)``
        Centres of square cells, in pixels, row first.
    directions : ndarray, shape ``(N, 2)``
        Direction of the longer axis. Its length, in sides of a cell, is 1 − variance across / variance along:
        0 where the filter is round, nearly 1 where it is a line.
    ratios : ndarray, shape ``(N,)``
        Longer axis over shorter axis.
    side : int
        Side of a cell, in pixels.
    """

    positions: np.ndarray
    directions: np.ndarray
    ratios: np.ndarray
    side: int


def elongations(a: np.ndarray, b: np.ndarray, *, across: int = 40, least: float = 1.25) -> Elongations:
    """Return the direction in which a filter is longer, in square cells.

    The precision Q = exp [[m + a, b], [b, m − a]], row axis first, has its longer axis along the eigenvector
    of the smaller eigenvalue; the ratio of the axes is exp(√(a² + b²)). In each cell a and b are averaged,
    since directions can't be.

    Parameters
    ----------
    a, b : ndarray, shape ``(H, W)``
        Maps of the two parameters.
    across : int
        Number of cells along the longer side of the image.
    least : float
        Cells with a smaller ratio of the axes are left out.
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


def _parameter(filtering: "Filtering", component: int, at: int) -> "Tensor":
    return filtering.parameters()[component, at]
