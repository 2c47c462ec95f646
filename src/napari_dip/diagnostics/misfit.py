"""χ² of a residual: whether it is as strong as the noise, and where it is not."""

import numpy as np

from napari_dip.diagnostics.report import Estimate, Misfit

#: Shares of the pixels that count as quiet, as bright and as steep.
_QUIET, _BRIGHT, _STEEP = 0.5, 0.05, 0.05
#: Number of pixels below which a mean square is not worth stating.
_FEWEST = 30


def misfit(
    residual: np.ndarray, gradient: np.ndarray, brightness: np.ndarray, counts: np.ndarray
) -> Misfit | None:
    """Return χ² of the pixels that count, and of the quiet, bright and steep ones among them.

    Parameters
    ----------
    residual : ndarray of float, 1-D
        (y − A x) / σ of each pixel.
    gradient, brightness : ndarray of float, the same shape
        Of A x, for all pixels. They tell the places apart, so the places do not depend on which pixels count.
    counts : ndarray of bool, the same shape
        Which pixels count.

    Returns
    -------
    Misfit or None
        None if too few pixels count.

    Notes
    -----
    The standard errors follow from the spread of the squares, so they hold for noise that is not normal, as
    long as it is independent in each pixel.
    """
    whole = mean_square(residual[counts])
    if whole is None:
        return None
    quiet = gradient <= np.quantile(gradient, _QUIET)
    steep = gradient > np.quantile(gradient, 1 - _STEEP)
    bright = brightness > np.quantile(brightness, 1 - _BRIGHT)
    places = (mean_square(residual[counts & place]) for place in (quiet, bright, steep))
    return Misfit(int(counts.sum()), whole, *places)


def mean_square(values: np.ndarray) -> Estimate | None:
    """Return the mean square of some values with its standard error, or None if they are too few."""
    if len(values) < _FEWEST:
        return None
    squares = np.square(values)
    return Estimate.of(squares.mean(), squares.std() / len(squares) ** 0.5)


def rms_error(unseen: Estimate) -> Estimate | None:
    """Return the root mean square error of an image from χ² on pixels that it has not seen.

    The noise of these pixels is independent of the image, so χ² − 1 is the image's own mean square error in
    units of the variance of the noise.

    Parameters
    ----------
    unseen : Estimate
        χ².

    Returns
    -------
    Estimate
        In standard deviations of the noise.
    """
    square = max(unseen.value - 1, 0.0)
    return Estimate.of(square**0.5, unseen.error / (2 * max(square, unseen.error, 1e-12) ** 0.5))
