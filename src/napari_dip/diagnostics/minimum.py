"""Was the minimum of the error on held-out pixels clear?"""

import numpy as np

from napari_dip.diagnostics.misfit import mean_square
from napari_dip.diagnostics.report import Estimate, Minimum


def minimum(best: np.ndarray, last: np.ndarray) -> Minimum | None:
    """Compare the fit with the lowest error on held-out pixels with the one at the end of the run.

    Both are judged on the same pixels, so the noise of these pixels largely cancels. The standard error of
    the difference is therefore much smaller than that of either error.

    Parameters
    ----------
    best, last : ndarray of float, 1-D
        (y − A x) / σ of both images, at pixels that neither has seen.

    Returns
    -------
    Minimum or None
        None for too few pixels.
    """
    change = mean_square(last - best)
    if change is None:
        return None
    rises = np.square(last) - np.square(best)
    rise = Estimate.of(rises.mean(), rises.std() / len(rises) ** 0.5)
    return None if rise is None else Minimum(rise, float(f"{change.value**0.5:.4g}"))
