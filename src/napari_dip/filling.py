"""Missing pixels, filled in from their surroundings."""

import numpy as np


def filled(image: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Return an image whose missing pixels are the mean of their surroundings, as near as there are any.

    Parameters
    ----------
    image : ndarray of float
        Finite where it is seen.
    seen : ndarray of bool
        Of the same shape; an image that is nowhere seen becomes 0.
    """
    from scipy.ndimage import gaussian_filter

    if not seen.any():
        return np.zeros_like(image)
    result, known = np.where(seen, image, 0), seen
    enough = min(0.05, seen.mean() / 2)  # of the weight: from far away there is never more than the mean
    width = 1.0
    while not known.all():
        weight = gaussian_filter(seen.astype(float), width)
        mean = gaussian_filter(np.where(seen, image, 0), width)
        new = ~known & (weight > enough)
        result[new] = mean[new] / weight[new]
        known, width = known | new, 2 * width
    return result
