"""The step between the grey levels of an image."""

import numpy as np

#: Differences below this multiple of float32's rounding error are no step.
_ROUNDED = 8.0


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
        rest = left - step * np.rint(left / step)
        left = np.abs(rest[np.abs(rest) > least])
        if not left.size:
            return step
        left = np.append(left, step)
        step = float(left.min())
    return 0.0
