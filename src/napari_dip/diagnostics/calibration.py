"""Standard errors of a restored image, scaled until they agree with pixels that nothing has seen."""

from dataclasses import dataclass

import numpy as np

#: Shares of the pixels, from the flattest on, that end a class of places: quiet, middle and steep ones.
_PLACES = (0.7, 0.95)
#: Factor by which the squares of the errors of refits were too small on average, and its relative deviation
#: from image to image.
_USUAL, _DEVIATION = 1.5, 0.4
#: Standard errors that are added to this factor, so that intervals are rather too wide than too narrow.
_CAUTION = 0.5
#: Width of the average over neighbours, in pixels: errors of a few refits vary more than the error itself.
_SMOOTHING = 2.0


@dataclass(frozen=True, eq=False)
class Calibrated:
    """The standard error of each pixel of an image, and how well it fits to pixels that nothing has seen.

    Parameters
    ----------
    standard_error : ndarray, shape ``(C, *spatial)``
        Of the image, not of the data.
    scores : ndarray, 1-D
        |y − x| / √(σ² + s²) of the pixels that nothing has seen, in ascending order, where σ is the standard
        deviation of their noise and s the standard error of the image.
    """

    standard_error: np.ndarray
    scores: np.ndarray


def calibrated(
    x: np.ndarray, errors: np.ndarray, variance: np.ndarray, data: np.ndarray, unseen: np.ndarray
) -> Calibrated:
    """Return the standard errors of an image from the errors of refits, and from unseen pixels.

    The mean square of the errors of refits, averaged over neighbours, is s². It lacks what the image has lost
    for good. So in quiet, middle and steep places apart, it is multiplied by a factor k² that explains the
    unseen pixels, where the mean of (y − x)² is σ² + k² s². The estimate

        k² = Σ w ((y − x)² − σ²) / Σ w s²,   w = s² / (σ² + s²)²,

    has a large standard error, since the noise of the pixels themselves dominates. It is therefore combined
    with what was usual for other images, weighted by the inverse variances of both. Half of the standard
    deviation of the combination is added, so that intervals are rather too wide than too narrow.

    Parameters
    ----------
    x : ndarray, shape ``(C, *spatial)``
        The image.
    errors : ndarray, shape ``(N, C, *spatial)``
        What N refits to simulated data of x differ from x by.
    variance : ndarray, shape ``(C, *spatial)``
        Variance σ² of the noise of each pixel.
    data : ndarray, shape ``(C, *spatial)``
        The data y.
    unseen : ndarray of bool, shape ``(C, *spatial)``
        Where y is observed, and no part of the run has seen it.
    """
    from scipy.ndimage import gaussian_filter

    widths = (0.0, *(_SMOOTHING,) * (x.ndim - 1))
    spread = gaussian_filter(np.square(errors).mean(0) / variance, widths) * variance
    square = np.square(data - x)
    place = _place(gaussian_filter(x, (0.0, *(1.0,) * (x.ndim - 1))) / np.sqrt(variance))
    result = np.empty_like(spread)
    for one in range(len(_PLACES) + 1):
        here = place == one
        result[here] = spread[here] * _factor(
            *(part[here & unseen] for part in (square - variance, spread, variance))
        )
    scores = np.sort(np.sqrt(square[unseen] / (variance + result)[unseen]))
    return Calibrated(np.sqrt(result), scores)


def _factor(excess: np.ndarray, spread: np.ndarray, variance: np.ndarray) -> float:
    """Return k² from the unseen pixels of one class."""
    usual_weight = 1 / (_DEVIATION * _USUAL) ** 2
    weights = spread / np.square(variance + spread)
    information = float((weights * spread).sum())
    if information <= 0:
        return _USUAL * (1 + _CAUTION * _DEVIATION)
    error = np.sqrt(2 * np.square(weights * (variance + spread)).sum()) / information
    found = float((weights * excess).sum()) / information
    weight = 1 / error**2
    mean = (weight * max(found, 0.0) + usual_weight * _USUAL) / (weight + usual_weight)
    return float(mean + _CAUTION * (weight + usual_weight) ** -0.5)


def _place(image: np.ndarray) -> np.ndarray:
    """Return the class of each pixel by its slope: 0 for quiet places, 2 for steep ones."""
    axes = [axis for axis in range(1, image.ndim) if image.shape[axis] > 1]
    slope = np.sqrt(sum((np.square(np.gradient(image, axis=axis)) for axis in axes), np.zeros(image.shape)))
    return np.digitize(slope, np.quantile(slope, _PLACES))
