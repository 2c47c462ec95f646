"""Grey levels that may stand for pixels without data."""

from typing import Any

import numpy as np

_OFTEN = 4
#: Pixels that the range of the others is estimated from, and the fewest different values that they have.
_SAMPLE, _DISTINCT = 100_000, 16


def suspected(values: np.ndarray) -> tuple[Any, int] | None:
    """Return a value that occurs often and is far from all others, and how often; None if there is none.

    Parameters
    ----------
    values : ndarray
        Grey levels of an image; those that are not finite are ignored.
    """
    values = values[np.isfinite(values)] if values.dtype.kind == "f" else values.ravel()
    if values.dtype.kind not in "iuf" or values.size < 2 * _OFTEN:
        return None
    for value in (values.min(), values.max()):
        same = values == value
        count = int(np.count_nonzero(same))
        if value == 0 or count < _OFTEN or count == values.size:
            continue
        rest = values[~same]
        sample = rest[:: max(1, rest.size // _SAMPLE)].astype(np.float64)
        if np.unique(sample).size < _DISTINCT:
            continue
        low, high = np.percentile(sample, (1, 99))
        nearest = rest.min() if value < rest.min() else rest.max()
        gap = abs(float(value) - float(nearest))
        if gap > _distance(value) * (high - low):
            return value, count
    return None


def _distance(value: Any) -> float:
    """Return how far from the others a value must be, in ranges of the others.

    Numbers that programs like to choose for pixels without data may be nearer.
    """
    number = float(value)
    limits = np.iinfo(value.dtype) if value.dtype.kind in "iu" else None
    digits = f"{abs(number):.0f}"
    if number < 0 and (set(digits) == {"9"} or number in (-32768, -32767, -(2.0**31), -1 - 2.0**31)):
        return 0.25
    if abs(number) >= 1e10 or (limits is not None and number == limits.min):
        return 0.25
    return 1.0 if limits is not None and number == limits.max else 5.0
