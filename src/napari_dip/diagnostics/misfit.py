"""χ² of a residual: whether it is as strong as the noise, and where it is not."""

import numpy as np

from napari_dip.diagnostics.report import Estimate, Misfit

#: Shares of the pixels that count as quiet, as bright and as steep.
_QUIET, _BRIGHT, _STEEP = 0.5, 0.05, 0.05
#: Number of pixels below which a mean square is not worth stating.
_FEWEST = 30


def misfit(
    residual: np.ndarray,
    power: np.ndarray,
    gradient: np.ndarray,
    brightness: np.ndarray,
    counts: np.ndarray,
) -> Misfit | None:
    """Return χ² of the pixels that count, and of the quiet, bright and steep ones among them.

    Parameters
    ----------
    residual : ndarray of float, 1-D
        (y − A x) / σ of each pixel, with the variance σ² of noise around A x.
    power : ndarray of float, the same shape
        An unbiased estimate of the variance of the noise in units of σ². It differs from 1 where A x errs
        and the noise depends on the brightness.
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
    χ² is the mean of (y − A x)² / σ² divided by the mean of `power`. The standard errors follow from the
    spread of both, so they hold for noise that is not normal, as long as it is independent in each pixel.
    """
    whole = mean_square(residual[counts], power[counts])
    if whole is None:
        return None
    quiet = gradient <= np.quantile(gradient, _QUIET)
    steep = gradient > np.quantile(gradient, 1 - _STEEP)
    bright = brightness > np.quantile(brightness, 1 - _BRIGHT)
    chosen = (counts & place for place in (quiet, bright, steep))
    return Misfit(int(counts.sum()), whole, *(mean_square(residual[one], power[one]) for one in chosen))


def mean_square(values: np.ndarray, power: np.ndarray | None = None) -> Estimate | None:
    """Return the mean square of some values, divided by the mean of their power, with its standard error.

    Parameters
    ----------
    values : ndarray of float, 1-D
        The values. If they are too few, the result is None.
    power : ndarray of float, the same shape, optional
        Their power. By default it is 1.
    """
    if len(values) < _FEWEST:
        return None
    squares, power = np.square(values), np.ones_like(values) if power is None else power
    mean = power.mean()
    if not mean > 0:
        return None
    ratio = squares.mean() / mean
    return Estimate.of(ratio, (squares - ratio * power).std() / mean / len(squares) ** 0.5)


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
