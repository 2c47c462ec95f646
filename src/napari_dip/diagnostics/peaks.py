"""Sources, and holes, that a restored image has left in its residual."""

from collections.abc import Sequence

import numpy as np

from napari_dip.diagnostics.report import Peak
from napari_dip.diagnostics.residual import Block
from napari_dip.diagnostics.sources import MatchedFilters, threshold
from napari_dip.steps import finished

#: Widths of the matched filters: standard deviations of Gaussians, in pixels.
_WIDTHS = (1.0, 1.3, 1.7, 2.3)
#: Standard errors above which a peak is one, in a small image.
_SIGNIFICANT = 5.0


def peaks_left(blocks: Sequence[Block]) -> list[Peak]:
    """Return the peaks of the residual above 5 standard errors, the most significant first.

    In a large image, noise alone would exceed 5 standard errors somewhere. There the bound is the one that
    noise exceeds at less than 0.1 places on average.

    A peak counts above its surroundings, so a residual that is too bright as a whole has none. It may be
    dark: then the restored image has light that the data do not have.

    Parameters
    ----------
    blocks : sequence of Block
        Any blocks of the data.
    """
    found = [peak for block in blocks for peak in _of_block(block)]
    pixels = sum(int(block.observed.sum()) for block in blocks)
    bound = max(_SIGNIFICANT, threshold(pixels, len(_WIDTHS)))
    return sorted((one for one in found if abs(one.significance) > bound), key=_weakness)


def _weakness(peak: Peak) -> float:
    return -abs(peak.significance)


def _of_block(block: Block) -> list[Peak]:
    filters = MatchedFilters(block.observed / block.sigma**2, block.skewness, _WIDTHS)
    residual = np.where(block.observed, block.left, 0.0)
    peaks = filters.peaks(finished(filters.significance(residual)))
    return [
        Peak(
            tuple(int(n + first) for n, first in zip(place, block.start, strict=True)),
            block.channel,
            float(f"{significance:.3g}"),
            filters.usable[width],
        )
        for place, width, significance in zip(
            peaks.places.tolist(), peaks.width.tolist(), peaks.significance.tolist(), strict=True
        )
    ]
