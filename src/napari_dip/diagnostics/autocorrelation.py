"""Correlation of a residual with itself: noise that is independent from pixel to pixel has none."""

from collections.abc import Sequence

import numpy as np

from napari_dip.diagnostics.report import Correlation, Estimate
from napari_dip.diagnostics.residual import Block

#: Number of pairs of pixels below which a correlation is not worth stating.
_FEWEST = 100


def autocorrelations(blocks: Sequence[Block]) -> tuple[Correlation, ...]:
    """Return the correlation of the residual with itself at lags 1 and 2 along each axis.

    Parameters
    ----------
    blocks : sequence of Block
        At least one.

    Returns
    -------
    tuple of Correlation
        One for each spatial axis; none at all if there are too few pairs of observed pixels along one.

    Notes
    -----
    The coefficient is the mean of r(p) r(q) over pairs of observed pixels, divided by the mean of r². For
    independent residuals its standard error is one over the square root of the number of pairs. An estimate
    that follows the noise leaves a slightly negative correlation. Structure that is missing from the estimate
    makes it positive.
    """
    power = sum(float(np.square(block.residual).sum()) for block in blocks)
    observed = sum(int(block.observed.sum()) for block in blocks)
    if not power > 0:
        return ()
    found = []
    for axis in range(blocks[0].data.ndim):
        lags = [_correlation(blocks, axis, lag, power / observed) for lag in (1, 2)]
        if lags[0] is None or lags[1] is None:
            return ()
        found.append(Correlation(lags[0], lags[1]))
    return tuple(found)


def _correlation(blocks: Sequence[Block], axis: int, lag: int, variance: float) -> Estimate | None:
    products, pairs = 0.0, 0
    for block in blocks:
        first, second = (np.moveaxis(one, axis, 0) for one in (block.residual, block.observed))
        products += float((first[lag:] * first[:-lag]).sum())  # 0 where one of the two is missing
        pairs += int((second[lag:] & second[:-lag]).sum())
    return None if pairs < _FEWEST else Estimate.of(products / pairs / variance, pairs**-0.5)
