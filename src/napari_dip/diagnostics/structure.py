"""Does the residual hold structure of the restored image, or light?"""

from collections.abc import Sequence

import numpy as np

from napari_dip.diagnostics.report import Estimate
from napari_dip.diagnostics.residual import Block, observed_of

#: Standard deviations of the noise above which fine structure counts, and the fewest pixels that have it.
_STRONG, _FEWEST = 2.0, 50
#: Standard errors that the light above the background has to have for a ratio to be stated.
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
    """Return the light of bright places in A x divided by their light in the data.

    Bright places stand out of the background of A x. In both images, their light counts above the mean level
    of the background in the same channel.

    Parameters
    ----------
    blocks : sequence of Block
        The blocks of all channels.

    Returns
    -------
    Estimate or None
        None if there is no background, or hardly any light above it.
    """
    lost = light = variance = 0.0
    for channel in {block.channel for block in blocks}:
        own = [block for block in blocks if block.channel == channel]
        height = np.concatenate([(one.explained - one.background.level)[one.observed] for one in own])
        left, noise = (observed_of(own, name) for name in ("left", "sigma"))
        reach = own[0].background.reach
        bright, dim = height > reach, np.abs(height) <= reach
        if not dim.any():
            return None
        offset = left[dim].mean()
        lost += float((left[bright] - offset).sum())
        light += float((height[bright] + left[bright] - offset).sum())
        of_offset = np.square(noise[dim]).mean() / dim.sum()
        variance += float(np.square(noise[bright]).sum() + bright.sum() ** 2 * of_offset)
    error = variance**0.5
    return Estimate.of(1 - lost / light, error / light) if light > _BRIGHT * error else None
