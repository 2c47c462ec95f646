"""Whether an image has any noise at all."""

import numpy as np

from napari_dip.image.units import Units
from napari_dip.noise.second_difference import immerkaer_sigma

#: Standard deviation, as a share of the range, which rounding alone explains, and what is taken in its place.
_ROUNDING, _NOISELESS = 1e-6, 1e-3
#: Share of pixels that stand out from all of their neighbours, which few pixels of a scene do.
_STRAY = 1e-3


def shows_noise(image: np.ndarray) -> bool:
    """Return whether an image shows noise, however little.

    Noise differs from pixel to pixel. An image without noise is smooth, or constant in most places. In sparse
    images, such as those of single photons, most places are constant too; but there, pixels stand out from
    all of their neighbours.

    Parameters
    ----------
    image : ndarray of float, 2-D or 3-D
        Grey levels without missing pixels.
    """
    from scipy.ndimage import maximum_filter, minimum_filter

    tolerance = _ROUNDING * Units.of(image.ravel()).range
    if immerkaer_sigma(image) > tolerance:
        return True
    around = np.ones((3,) * image.ndim, bool)
    around[(1,) * image.ndim] = False
    above = image > maximum_filter(image, footprint=around) + tolerance
    below = image < minimum_filter(image, footprint=around) - tolerance
    return float((above | below).mean()) > _STRAY


def positive_sigma(sigma: float, values: np.ndarray) -> float:
    """Return the standard deviation of the noise if there is any, or else a thousandth of the range.

    Few pixels, such as bright stars, don't change the range.

    Parameters
    ----------
    sigma : float
        The standard deviation as it was measured, perhaps 0.
    values : ndarray of float, 1-D
        The observed pixels.
    """
    span = Units.of(values).range
    return sigma if sigma > _ROUNDING * span else _NOISELESS * span
