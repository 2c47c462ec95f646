"""Where noise is cut off, because grey levels reach an end of the camera's range."""

import numpy as np

#: Share and number of equal pixels from which their value counts as an end of the range.
_SHARED, _SEVERAL = 1e-3, 4
#: Side of a neighbourhood, and share of its pixels at an end of the range from which noise is cut off there.
_AROUND, _SOME = 11, 0.03


def clipping_levels(values: np.ndarray, *, counts: bool = False) -> list[float]:
    """Return the ends of the camera's range: the smallest and the largest value, if many pixels have them.

    Parameters
    ----------
    values : ndarray
        Grey levels.
    counts : bool
        The values count photons. Many pixels may have no photon, so the smallest value is not an end.

    Returns
    -------
    list of float
        No value, one or two.
    """
    enough = max(_SEVERAL, _SHARED * values.size)
    low, high = values.min(), values.max()
    return [
        end
        for end in (low, high)
        if np.count_nonzero(values == end) >= enough and not (counts and end == low)
    ]


def near_clipping(image: np.ndarray, ends: list[float]) -> np.ndarray:
    """Return where many pixels lie at an end of the range, so that the noise is cut off.

    The other pixels of such a place are no fair sample of the noise either, since they are the ones that it
    moved away from the end.

    Parameters
    ----------
    image : ndarray, shape ``(H, W)``
        Grey levels.
    ends : list of float
        Ends of the range, from `clipping_levels`.

    Returns
    -------
    ndarray of bool, shape ``(H, W)``
        True where the noise is cut off.
    """
    from scipy.ndimage import uniform_filter

    if not ends:
        return np.zeros(image.shape, bool)
    found: np.ndarray = uniform_filter(np.isin(image, ends).astype(np.float32), _AROUND) > _SOME
    return found
