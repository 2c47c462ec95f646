"""The photon transfer curve: how the variance of the noise grows with the mean grey level."""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np

from napari_dip.noise.neighbourhoods import Levels

#: Fewest levels that determine the line, and number of standard errors that makes a difference significant.
_LEAST_LEVELS, SIGNIFICANT = 8, 3.0


@dataclass(frozen=True, eq=False)
class PhotonTransfer:
    """The line variance = slope · (mean − centre) + height.

    Parameters
    ----------
    slope : float
        In grey levels: the gain of the camera.
    height : float
        Variance at the centre, in grey levels².
    centre : float
        Mean grey level of the measurement.
    covariance : ndarray, shape ``(2, 2)``
        Covariance of slope and height.
    """

    slope: float
    height: float
    centre: float
    covariance: np.ndarray

    @classmethod
    def through(cls, levels: Levels) -> Self:
        """Fit the line by least squares of relative errors. Levels that lie far from it have less weight.

        Raises
        ------
        ValueError
            There are too few levels, or the noise does not grow with brightness.
        """
        if len(levels.mean) < _LEAST_LEVELS:
            raise ValueError(
                f"the noise could be measured at {len(levels.mean)} levels of brightness, but "
                f"{_LEAST_LEVELS} are needed to determine how it grows: use a larger or less "
                "saturated image, or choose Gaussian noise"
            )
        centre, width = float(levels.mean.mean()), float(np.ptp(levels.mean)) or 1.0
        terms = np.stack([(levels.mean - centre) / width, np.ones_like(levels.mean)], axis=1)
        # Neighbourhoods overlap: this is twice the variance of a variance of independent ones.
        expected = math.sqrt(4 / levels.count)
        fitted = np.full_like(levels.variance, np.median(levels.variance))
        floor = 0.02 * fitted
        off = np.zeros_like(fitted)
        for _ in range(50):
            weights = 1 / (fitted * np.hypot(1, off / (2 * expected)))
            line = np.linalg.lstsq(terms * weights[:, None], levels.variance * weights, rcond=None)[0]
            fitted = np.maximum(terms @ line, floor)
            off = (levels.variance - fitted) / fitted
        scatter = max(expected, 1.4826 * float(np.median(np.abs(off))))
        covariance = scatter**2 * np.linalg.pinv((terms * weights[:, None]).T @ (terms * weights[:, None]))
        if line[0] <= SIGNIFICANT * math.sqrt(covariance[0, 0]):
            dark, bright = line[1] + line[0] * terms[[0, -1], 0]
            raise ValueError(
                "the noise doesn't grow with brightness, as photon noise does: its variance goes from "
                f"{dark:.3g} to {bright:.3g} between grey levels {levels.mean[0]:.4g} and "
                f"{levels.mean[-1]:.4g}. Choose Gaussian noise, or give the gain yourself"
            )
        scale = np.array([1 / width, 1])
        return cls(float(line[0]) / width, float(line[1]), centre, covariance * np.outer(scale, scale))

    @property
    def root(self) -> float:
        """Mean grey level at which the variance is 0."""
        return self.centre - self.height / self.slope

    def at(self, mean: float) -> tuple[float, float]:
        """Return the variance at a mean grey level, and its standard error."""
        terms = np.array([mean - self.centre, 1.0])
        return self.slope * terms[0] + self.height, math.sqrt(terms @ self.covariance @ terms)
