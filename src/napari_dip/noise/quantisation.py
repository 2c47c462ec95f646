"""The step between the grey levels of an image."""

import numpy as np

#: Rounding error of a difference, in the rounding of float32, and largest error of a step, as its share.
_ROUNDED, _APART = 4.0, 0.2


def quantisation_step(values: np.ndarray) -> float:
    """Return the largest number of which all differences between grey levels are multiples.

    It is 1 for whole numbers, unless they have gaps in common, and 0 for real numbers.

    Parameters
    ----------
    values : ndarray of float
        Grey levels, finite, rounded to float32 at most.
    """
    levels = np.unique(np.asarray(values, np.float64))
    if len(levels) < 2:
        return 0.0
    least = _ROUNDED * float(np.finfo(np.float32).eps) * float(np.abs(levels).max())
    left = np.diff(levels)
    step = float(left.min())
    while step > least:  # Euclid's algorithm, for all differences at once
        times = np.rint(left / step)
        rest = np.abs(left - step * times)
        left = rest[rest > np.minimum(least * (1 + times), _APART * step)]
        if not left.size:
            return step
        left = np.append(left, step)
        step = float(left.min())
    return 0.0
