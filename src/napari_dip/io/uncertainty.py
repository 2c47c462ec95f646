"""Planes that state the uncertainty of each pixel."""

from typing import Literal

import numpy as np

#: What such a plane holds.
Scale = Literal["standard deviation", "variance", "inverse variance"]


def standard_deviation(values: np.ndarray, scale: Scale) -> np.ndarray:
    """Return standard deviations in grey levels: NaN where a pixel carries no information.

    Parameters
    ----------
    values : ndarray
        Uncertainty of each pixel.
    scale : {"standard deviation", "variance", "inverse variance"}
        What the values are.
    """
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        sigma = np.asarray(values, np.float64)
        if scale == "variance":
            sigma = np.sqrt(sigma)
        elif scale == "inverse variance":
            sigma = 1 / np.sqrt(sigma)
        return np.where(np.isfinite(sigma) & (sigma > 0), sigma, np.nan).astype(np.float32)
