"""The photon transfer curve: how the variance of the noise grows with the mean grey level."""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np

from napari_dip.noise.neighbourhoods import Levels

#: Fewest levels that determine the line, and number of standard errors that makes a difference significant.
_LEAST_LEVELS, SIGNIFICANT = 8, 3.0
#: Error of the variance from structure, as a share of what structure adds at middle orders.
_STRUCTURE = 0.5
#: Relative error of all variances. The finest structure, and a photograph's own noise, look like noise.
_UNAVOIDABLE = 0.02
#: Possible numbers of grey levels per photon, in units of the noise at the mean grey level, and how probable
#: they are before the measurement.
_GAINS = np.concatenate([[0.0], np.geomspace(0.01, 10, 300)])
_PRIOR = np.concatenate([[0.1], np.full(300, 0.9 / 300)])


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
        Covariance of slope and height. It contains what structure may have added.
    """

    slope: float
    height: float
    centre: float
    covariance: np.ndarray

    @classmethod
    def flat(cls, levels: Levels) -> Self:
        """Fit a variance that is the same at all levels."""
        centre = float(levels.mean.mean())
        line, covariance = _fitted(levels, np.ones((len(levels.mean), 1)))
        whole = np.zeros((2, 2))
        whole[1, 1] = covariance[0, 0]
        return cls(0.0, float(line[0]), centre, whole)

    @classmethod
    def through(cls, levels: Levels) -> Self:
        """Fit the line by least squares of relative errors.

        Levels that lie far from it and levels with much structure have less weight.

        Raises
        ------
        ValueError
            There are too few levels.
        """
        if len(levels.mean) < _LEAST_LEVELS:
            raise ValueError(
                f"the noise could be measured at {len(levels.mean)} levels of brightness, but "
                f"{_LEAST_LEVELS} are needed to determine how it grows: use a larger or less "
                "saturated image, or choose Gaussian noise"
            )
        centre, width = float(levels.mean.mean()), float(np.ptp(levels.mean)) or 1.0
        terms = np.stack([(levels.mean - centre) / width, np.ones_like(levels.mean)], axis=1)
        line, covariance = _fitted(levels, terms)
        scale = np.array([1 / width, 1])
        return cls(float(line[0]) / width, float(line[1]), centre, covariance * np.outer(scale, scale))

    @classmethod
    def of_photons(cls, levels: Levels) -> Self:
        """Fit the line, and refuse one that does not grow clearly.

        Raises
        ------
        ValueError
            There are too few levels, or the noise does not grow with brightness.
        """
        line = cls.through(levels)
        if line.slope <= SIGNIFICANT * line.slope_error:
            ends = levels.mean[[0, -1]]
            dark, bright = (line.at(end)[0] for end in ends)
            raise ValueError(
                "the noise doesn't grow with brightness, as photon noise does, or not clearly: its variance "
                f"goes from {dark:.3g} to {bright:.3g} between grey levels {ends[0]:.4g} and {ends[1]:.4g}. "
                "Choose Gaussian noise, or give the gain yourself"
            )
        return line

    @property
    def slope_error(self) -> float:
        """Standard error of the slope."""
        return math.sqrt(self.covariance[0, 0])

    @property
    def expected_slope(self) -> float:
        """Mean of the slope's posterior distribution, for what is known of photon noise in general.

        Before the measurement, there is no photon noise with a probability of 10 %. Otherwise all orders of
        magnitude are equally probable for which the noise at the mean grey level is that of 0.01 to 10 000
        photons. The measured slope has a normal distribution.
        """
        gains = math.sqrt(max(self.height, 0.0)) * _GAINS
        log_likelihood = -np.square((gains - self.slope) / max(self.slope_error, 1e-30)) / 2
        likelihood = np.exp(log_likelihood - log_likelihood.max())
        return float((_PRIOR * likelihood * gains).sum() / (_PRIOR * likelihood).sum())

    @property
    def root(self) -> float:
        """Mean grey level at which the variance is 0."""
        return self.centre - self.height / self.slope

    @property
    def root_error(self) -> float:
        """Standard error of `root`."""
        terms = np.array([self.root - self.centre, 1.0]) / self.slope
        return math.sqrt(terms @ self.covariance @ terms)

    def at(self, mean: float) -> tuple[float, float]:
        """Return the variance at a mean grey level, and its standard error."""
        terms = np.array([mean - self.centre, 1.0])
        return self.slope * terms[0] + self.height, math.sqrt(terms @ self.covariance @ terms)


def _fitted(levels: Levels, terms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the coefficients of some terms, shape ``(levels, terms)``, in the variance; their covariance."""
    fitted = np.full_like(levels.variance, np.median(levels.variance))
    floor = 0.02 * fitted
    off = np.zeros_like(fitted)
    for _ in range(50):
        # Structure adds to the variance, in a level by itself as in all of them together.
        error = np.hypot(levels.error * fitted, _STRUCTURE * levels.excess)
        weights = 1 / (error * np.hypot(1, off / (2 * error)))
        inverse = np.linalg.pinv(terms * weights[:, None]) * weights
        line = inverse @ levels.variance
        fitted = np.maximum(terms @ line, floor)
        off = levels.variance - fitted
    scatter = max(1.0, 1.4826 * float(np.median(np.abs(off) / error)))
    covariance = scatter**2 * (inverse * error**2) @ inverse.T
    for common in (_STRUCTURE * inverse @ levels.excess, _UNAVOIDABLE * line):
        covariance += np.outer(common, common)
    return line, covariance
