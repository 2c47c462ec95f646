"""Maps of a filter's parameters changed by hand, inside of a region and nowhere else."""

import numpy as np


def set_to(values: np.ndarray, region: np.ndarray, value: float) -> np.ndarray:
    """Return a map with one value in a region.

    Parameters
    ----------
    values : ndarray
        The map; it is left as it is.
    region : ndarray of bool
        Of the same shape.
    value : float
        In the unit of the map.
    """
    return np.where(region, np.float32(value), values)


def scaled(values: np.ndarray, region: np.ndarray, factor: float) -> np.ndarray:
    """Return a map that is so many times as large in a region."""
    return np.where(region, np.float32(factor) * values, values)


def smoothed(values: np.ndarray, region: np.ndarray, sigma: float) -> np.ndarray:
    """Return a map that is blurred in a region, by a Gaussian of so many pixels in each plane.

    What lies around the region is taken into account. Where all values are positive it is their ratios that
    count: logarithms are averaged.
    """
    from scipy.ndimage import gaussian_filter

    if sigma < 0:
        raise ValueError(f"a map is smoothed over 0 pixels or more, got {sigma:g}")
    positive = bool((values > 0).all())
    x = np.log(values) if positive else values
    x = gaussian_filter(x, (0,) * (values.ndim - 2) + (sigma, sigma), mode="nearest")
    return np.where(region, np.exp(x) if positive else x, values)
