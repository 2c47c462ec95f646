"""The grey level of the background of an image."""

from dataclasses import dataclass
from typing import Self

import numpy as np

#: Robust standard deviations from the background beyond which a pixel is not background.
_OUTLIER, _ROUNDS = 3.0, 10
#: Number of pixels that are enough to find it.
_SAMPLE = 2**16


@dataclass(frozen=True, slots=True)
class Background:
    """The background of an image.

    Parameters
    ----------
    level : float
        Its grey level.
    reach : float
        Distance from the level within which a pixel counts as background, in grey levels.
    """

    level: float = 0.0
    reach: float = 0.0

    @classmethod
    def of(cls, values: np.ndarray) -> Self:
        """Return the median of some grey levels, where those that lie far from it are left out in turn.

        Parameters
        ----------
        values : ndarray of float, 1-D
            If there are none, the background is 0.
        """
        values = values[:: max(1, -(-values.size // _SAMPLE))]
        level = reach = 0.0
        for _ in range(_ROUNDS if values.size else 0):
            level = float(np.median(values))
            apart = np.abs(values - level)
            reach = _OUTLIER * 1.4826 * float(np.median(apart))
            near = apart <= reach
            if near.all():
                break
            values = values[near]
        return cls(level, reach)
