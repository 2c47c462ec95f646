"""Does the residual hold structure of the restored image, or light?"""

from collections.abc import Sequence

import numpy as np

from napari_dip.diagnostics.report import Estimate
from napari_dip.diagnostics.residual import Block

#: Standard deviations of the noise above which fine structure counts, and the fewest pixels that have it.
_STRONG, _FEWEST = 2.0, 50
#: Standard errors by which the data have to be brighter than their background for a ratio to be stated.
_BRIGHT = 10.0


def contrast_loss(residual: np.ndarray, fine: np.ndarray) -> Estimate | None:
    """Return the share of the contrast of fine structure that is missing from a restored image.

    It is the slope of the regression of the residual r on the fine structure f of the image,

        Σ r f / Σ f²,

    over pixels with f² > 4 σ² that the image has not seen. It is 0 for the truth, positive if the image is
    smoother than the truth, and negative if it is sharper. On pixels that the image has seen it would tell
    nothing: an estimate that follows the noise has fine structure that resembles its own residual.

    Parameters
    ----------
    residual, fine : ndarray of float, 1-D
        (y − A x) / σ, and A x less a blurred copy of it, divided by σ.

    Returns
    -------
    Estimate or None
        None if there is too little fine structure.
    """
    strong = np.abs(fine) > _STRONG
    if strong.sum() < _FEWEST:
        return None
    r, f = residual[strong], fine[strong]
    power = float(np.square(f).sum())
    return Estimate.of(float(r @ f) / power, float(np.square(r * f).sum()) ** 0.5 / power)


def flux_ratio(blocks: Sequence[Block]) -> Estimate | None:
    """Return the light in A x divided by the light in the data, both above the background of A x.

    Parameters
    ----------
    blocks : sequence of Block
        The blocks of all channels.

    Returns
    -------
    Estimate or None
        None if the data are hardly brighter than the background on the whole.
    """
    lost = light = variance = 0.0
    for block in blocks:
        seen = block.observed
        lost += float((block.data - block.explained)[seen].sum())
        light += float((block.data[seen] - block.background).sum())
        variance += float(np.square(block.sigma[seen]).sum())
    error = variance**0.5
    return Estimate.of(1 - lost / light, error / light) if light > _BRIGHT * error else None
