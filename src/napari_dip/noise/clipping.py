"""Where the camera's range ends, and with it the noise."""

import numpy as np

#: A value that so large a share of the pixels have, and so many, is an end of the range.
_SHARED, _SEVERAL = 1e-3, 4
#: Side of the surroundings in which so large a share of pixels at an end means that noise is cut off there.
_AROUND, _SOME = 11, 0.03


def clipping_levels(values: np.ndarray, *, counts: bool = False) -> list[float]:
    """Return the least and the largest of the values, each if many pixels have it.

    Parameters
    ----------
    values : ndarray
        Grey levels.
    counts : bool
        They count photons: many pixels without any are no sign of a range that ends, so the least is none.
    """
    enough = max(_SEVERAL, _SHARED * values.size)
    low, high = values.min(), values.max()
    return [
        end
        for end in (low, high)
        if np.count_nonzero(values == end) >= enough and not (counts and end == low)
    ]


def near_clipping(image: np.ndarray, ends: list[float]) -> np.ndarray:
    """Return where pixels at an end of the range are common, so that the noise is cut off there.

    Of such a place the other pixels are no fair sample of the noise either: it took them inwards.

    Parameters
    ----------
    image : ndarray, shape ``(H, W)``
        Grey levels.
    ends : list of float
        Of the range.

    Returns
    -------
    ndarray of bool, shape ``(H, W)``
    """
    from scipy.ndimage import uniform_filter

    if not ends:
        return np.zeros(image.shape, bool)
    found: np.ndarray = uniform_filter(np.isin(image, ends).astype(np.float32), _AROUND) > _SOME
    return found
