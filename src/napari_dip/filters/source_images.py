"""Images of sources: each is the Gaussian of the matched filter that measures it."""

from typing import TYPE_CHECKING

import numpy as np

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
    from scipy.sparse import csc_array, diags_array
    from scipy.sparse.linalg import spsolve

    templates, above = _templates(filters, rows)
    measures = above.T @ diags_array(filters.weights.ravel())
    system = csc_array(measures @ templates)
    system += diags_array(system.diagonal() * (1 - share) / share)
    flux = np.atleast_1d(spsolve(system, measures @ residual.ravel()))
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
    templates, _ = _templates(filters, rows)
    information = np.array([filters.information(width)[tuple(place)] for width, *place in rows])
    image: np.ndarray = (templates @ (losses / np.sqrt(information))).reshape(filters.weights.shape)
    return image


def _templates(filters: MatchedFilters, rows: np.ndarray) -> "tuple[csc_array, csc_array]":
    """Return the images of sources of flux 1, and how far they lie above their surroundings.

    Both have the shape ``(pixels, sources)``.
    """
    from scipy.sparse import csc_array

    shape = filters.weights.shape
    pixels, owners, values, above = [], [], [], []
    for owner, (width, *place) in enumerate(rows):
        template = kernel(filters.usable[width], len(shape))
        reach = template.shape[0] // 2
        window = [
            np.arange(max(0, at - reach), min(n, at + reach + 1)) for at, n in zip(place, shape, strict=True)
        ]
        part = template[np.ix_(*(one - at + reach for one, at in zip(window, place, strict=True)))]
        inside = np.ix_(*window)
        weights = filters.weights[inside]
        pixels.append(np.ravel_multi_index(inside, shape).ravel())
        owners.append(np.full(part.size, owner))
        values.append(part.ravel())
        above.append((part - (weights * part).sum() / weights.sum()).ravel())
    place = (np.concatenate(pixels), np.concatenate(owners))
    size = (filters.weights.size, len(rows))
    return csc_array((np.concatenate(values), place), size), csc_array((np.concatenate(above), place), size)
