"""Edits of a parameter's map inside a region; the rest of the map stays as it is."""

import numpy as np


def set_to(values: np.ndarray, region: np.ndarray, value: float) -> np.ndarray:
    """Return a map with one value inside a region.

    Parameters
    ----------
    values : ndarray
        The map; it is not modified.
    region : ndarray of bool
        The region, in the shape of the map.
    value : float
        The new value, in the unit of the map.
    """
    return np.where(region, np.float32(value), values)


def scaled(values: np.ndarray, region: np.ndarray, factor: float) -> np.ndarray:
    """Return a map multiplied by a factor inside a region."""
    return np.where(region, np.float32(factor) * values, values)


def smoothed(values: np.ndarray, region: np.ndarray, sigma: float) -> np.ndarray:
    """Return a map that is smoothed inside a region, by a Gaussian of σ pixels in each plane.

    Values around the region contribute. If all values are positive, their logarithms are averaged, so that
    ratios count.
    """
    from scipy.ndimage import gaussian_filter

    if sigma < 0:
        raise ValueError(f"sigma must be >= 0 pixels, got {sigma:g}")
    positive = bool((values > 0).all())
    x = np.log(values) if positive else values
    x = gaussian_filter(x, (0,) * (values.ndim - 2) + (sigma, sigma), mode="nearest")
    return np.where(region, np.exp(x) if positive else x, values)
