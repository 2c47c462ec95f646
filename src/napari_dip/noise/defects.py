"""Dead pixels: those that are 0, far below all that surrounds them."""

import numpy as np

#: Least side of an image in which dead pixels are looked for, in pixels.
_SIDE = 24
#: What makes a pixel of value 0 a dead one: standard deviations of the noise by which it lies below its
#: surroundings, and their least brightness as a share of that of the brightest places. The side of the
#: surroundings, and the largest share of dead pixels.
_DEEP, _BRIGHT, _AROUND, _MANY = 8.0, 0.1, 5, 0.2
#: The median of the magnitude of normal numbers.
_MAGNITUDE = 0.6745


def dead_pixels(image: np.ndarray, seen: np.ndarray) -> int:
    """Return the number of pixels that are 0, far below all that surrounds them.

    Parameters
    ----------
    image : ndarray of float, shape ``(H, W)``
        Grey levels.
    seen : ndarray of bool, shape ``(H, W)``
        False where a pixel is missing.
    """
    from scipy.ndimage import median_filter, minimum_filter

    dark = seen & (image == 0)
    if min(image.shape) < _SIDE or not dark.any() or dark.mean() > _MANY:
        return 0
    around = median_filter(image, _AROUND)
    apart = np.abs(image - around)[seen & ~dark]
    sigma = float(np.median(apart)) / _MAGNITUDE if apart.size else 0.0
    # The dark parts of a scene are surrounded by other dark pixels.
    darkest = minimum_filter(np.where(dark, np.inf, image), 3)
    bright = max(_DEEP * sigma, _BRIGHT * float(np.quantile(image[seen], 0.99)))
    return int(np.count_nonzero(dark & (around > bright) & (darkest > around / 2)))
