"""A mixture of an original image and its restored version."""

import numpy as np


def blended(original: np.ndarray, restored: np.ndarray, strength: float) -> np.ndarray:
    """Return original + strength · (restored − original). Where one image is missing, return the other.

    Parameters
    ----------
    original, restored : ndarray
        Grey levels, both of the same shape. Pixels that are not finite are missing.
    strength : float
        0 gives the original, 1 the restored image.

    Returns
    -------
    ndarray of float32 or float64
        In the dtype of the restored image.
    """
    if not 0 <= strength <= 1:
        raise ValueError(f"strength must lie in [0, 1], got {strength}")
    dtype = np.result_type(np.asarray(restored), np.float32)
    with np.errstate(over="ignore"):  # what float32 can't hold becomes infinite, and so missing
        before, after = (np.array(image, dtype) for image in (original, restored))
    if before.shape != after.shape:
        raise ValueError(f"restored must have the original's shape {before.shape}, got {after.shape}")
    hidden = ~np.isfinite(before)
    before[hidden] = 0  # 0 · NaN would be NaN
    blend = dtype.type(1 - strength) * before + dtype.type(strength) * after
    blend[hidden] = after[hidden]
    if strength < 1:
        blank = ~np.isfinite(after)  # frames that were not restored
        blend[blank] = before[blank]
    return blend
