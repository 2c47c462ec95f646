"""Images of sources: each is the Gaussian of the matched filter that measures it."""

from typing import TYPE_CHECKING

import numpy as np

from napari_dip.diagnostics.separable import around
from napari_dip.diagnostics.sources import MatchedFilters, kernel

if TYPE_CHECKING:
    from scipy.sparse import csc_array


def fitted_sources(
    filters: MatchedFilters, residual: np.ndarray, rows: np.ndarray, share: np.ndarray
) -> np.ndarray:
    """Return the image of sources whose fluxes are fitted to a residual, all together.

    A source that overlaps with no other has the given share of its flux. Where sources overlap, the shares
    are their prior: without it, noise would make one of two neighbours bright and the other dark.

    Parameters
    ----------
    filters : MatchedFilters
        The filters that measure the sources.
    residual : ndarray, shape ``(*spatial)``
        What the sources have to explain.
    rows : ndarray of int, shape ``(number, 1 + axes)``
        Number of the filter and the place of each source.
    share : ndarray, shape ``(number,)``
        Shares of the fluxes, above 0.
    """
    from scipy.sparse import diags_array
    from scipy.sparse.linalg import spsolve

    templates, measures = _templates(filters, rows)
    system = (measures.T @ templates).tocsc()
    system += diags_array(system.diagonal() * (1 - share) / share)
    flux = np.atleast_1d(spsolve(system, measures.T @ residual.ravel()))
    image: np.ndarray = (templates @ flux).reshape(residual.shape)
    return image


def sources_of_losses(filters: MatchedFilters, rows: np.ndarray, losses: np.ndarray) -> np.ndarray:
    """Return the image of sources whose fluxes are given in standard errors of each.

    Parameters
    ----------
    filters : MatchedFilters
        The filters that measure the sources.
    rows : ndarray of int, shape ``(number, 1 + axes)``
        As for `fitted_sources`.
    losses : ndarray, shape ``(number,)``
        The fluxes.
    """
    templates, measures = _templates(filters, rows)
    information = templates.multiply(measures).sum(0)
    image: np.ndarray = (templates @ (losses / np.sqrt(information))).reshape(filters.weights.shape)
    return image


def _templates(filters: MatchedFilters, rows: np.ndarray) -> "tuple[csc_array, csc_array]":
    """Return the images of sources of flux 1, and what their images are multiplied by to measure the flux.

    Both have the shape ``(pixels, sources)``. The second is the weighted height above the surroundings.
    """
    from scipy.sparse import csc_array

    shape = filters.weights.shape
    kernels = [kernel(width, len(shape)) for width in filters.usable]
    pixels, values, measures, ends = [], [], [], [0]
    for width, *place in rows:
        template = kernels[width]
        inside, own = around(shape, place, len(template) // 2)
        part, weights = template[own], filters.weights[inside].astype(np.float64)
        ranges = (np.arange(one.start, one.stop) for one in inside)
        pixels.append(np.ravel_multi_index(np.ix_(*ranges), shape).ravel())
        values.append(part.ravel())
        measures.append((weights * (part - (weights * part).sum() / weights.sum())).ravel())
        ends.append(ends[-1] + part.size)
    place = (np.concatenate(pixels), np.array(ends))
    size = (filters.weights.size, len(rows))
    return csc_array((np.concatenate(values), *place), size), csc_array(
        (np.concatenate(measures), *place), size
    )
