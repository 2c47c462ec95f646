"""The grey level of the background of an image."""

import numpy as np

#: Robust standard deviations from the background beyond which a pixel is not background.
_OUTLIER, _ROUNDS = 3.0, 10
#: Number of pixels that are enough to find it.
_SAMPLE = 2**16


def background(values: np.ndarray) -> float:
    """Return the median of some grey levels, where those that lie far from it are left out in turn.

    Parameters
    ----------
    values : ndarray of float, 1-D
        At least one.
    """
    values = values[:: -(-values.size // _SAMPLE)]
    for _ in range(_ROUNDS):
        level = np.median(values)
        apart = np.abs(values - level)
        near = apart <= _OUTLIER * 1.4826 * np.median(apart)
        if near.all():
            break
        values = values[near]
    return float(level)
