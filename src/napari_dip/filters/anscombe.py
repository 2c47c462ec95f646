"""The generalised Anscombe transform of photon counts, and its exact unbiased inverse."""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Step of the table in units of the transform, and number of photons at which it ends.
_STEP, _END = 0.05, 100.0
#: Half the width, in standard deviations, over which read noise is integrated, and number of points.
_REACH, _POINTS = 6.0, 401


@dataclass(frozen=True)
class Anscombe:
    """The transform t = 2 √(k + 3/8 + r²) of photon counts k with read noise r, which gives them variance 1.

    The mean of t over data is no more than 2 √(mean of k + 3/8 + r²), so the algebraic inverse of an average
    is too dark, above all in faint places. Here the inverse is that of the mean: `inverse` takes `mean` back
    to the expected number of photons, as in [1]_ and [2]_. Both interpolate one table linearly.

    Parameters
    ----------
    read_noise : float
        Standard deviation r of the read noise, in photons.

    References
    ----------
    .. [1] M. Mäkitalo and A. Foi, A closed-form approximation of the exact unbiased inverse of the Anscombe
       variance-stabilizing transformation, IEEE Trans. Image Processing 20, 2011.
    .. [2] M. Mäkitalo and A. Foi, Optimal inversion of the generalized Anscombe transformation for
       Poisson-Gaussian noise, IEEE Trans. Image Processing 22, 2013.

    Examples
    --------
    >>> import numpy as np
    >>> counts = np.random.default_rng(0).poisson(1.0, 100_000)
    >>> transform = Anscombe.of(0.0)
    >>> float(transform.inverse(transform(counts).mean()).round(2))
    1.0
    """

    read_noise: float

    @classmethod
    @lru_cache(maxsize=16)
    def of(cls, read_noise: float) -> Self:
        """Return the transform for a read noise; its table is computed once."""
        return cls(read_noise)

    def __call__(self, counts: Array) -> Array:
        """Return the transform of data, in units of their noise; it is 0 far below no light."""
        return 2 * np.sqrt(np.maximum(counts + self._shift, 0))

    def mean(self, photons: Array) -> Array:
        """Return the mean of the transform over data around an expected number of photons."""
        expected, means, beyond = self._table
        bright = 2 * np.sqrt(np.maximum(photons + beyond, 0))
        inside = np.interp(photons, expected, means) + self._dark_slope * np.minimum(photons, 0)
        return np.where(photons > expected[-1], bright, inside)

    def inverse(self, transformed: Array) -> Array:
        """Return the expected number of photons whose data have this mean transform.

        Below the mean without light it is negative, in proportion, so that errors there average out.
        """
        expected, means, beyond = self._table
        bright = np.square(transformed / 2) - beyond
        inside = np.interp(transformed, means, expected)
        inside = inside + np.minimum(transformed - means[0], 0) / self._dark_slope
        return np.where(transformed > means[-1], bright, inside)

    @property
    def _shift(self) -> float:
        return 3 / 8 + self.read_noise**2

    @property
    def _dark_slope(self) -> float:
        """Slope of the mean transform without light."""
        expected, means, _ = self._table
        return float((means[1] - means[0]) / (expected[1] - expected[0]))

    @cached_property
    def _table(self) -> tuple[Array, Array, float]:
        """Numbers of photons, the mean transform of each, and what `mean` adds to photons beyond them."""
        from scipy.stats import poisson

        start = np.sqrt(self._shift)
        expected = np.square(np.arange(start, np.sqrt(_END + self._shift), _STEP / 2)) - self._shift
        expected[0] = 0
        counts = np.arange(_END + 12 * np.sqrt(_END))
        normal = np.linspace(-_REACH, _REACH, _POINTS)
        weights = np.exp(-0.5 * normal**2)
        of_count = self(counts[:, None] + self.read_noise * normal) @ (weights / weights.sum())
        means = poisson.pmf(counts, expected[:, None]) @ of_count
        return expected, means, float(np.square(means[-1] / 2) - expected[-1])
