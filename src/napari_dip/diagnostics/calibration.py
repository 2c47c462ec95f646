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
#: Standard deviations of the noise above the median of an image from which a pixel is bright.
_BRIGHT = 10.0
#: Standard deviations beyond which a pixel that differs more does not count more, the mean of the squares of
#: normal numbers that are limited so, and the number of times that the limit is computed anew.
_FAR, _LIMITED, _ROUNDS = 2.0, 0.9205, 20
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
    x: np.ndarray,
    errors: np.ndarray,
    lost: np.ndarray,
    variance: np.ndarray,
    data: np.ndarray,
    unseen: np.ndarray,
) -> Calibrated:
    """Return the standard errors of an image from the errors of refits, and from unseen pixels.

    The mean square of the errors of refits, averaged over neighbours, is r². Of the mean square error ℓ² that
    is due to lost sources, refits lack the rest q² = max(ℓ² − r², 0). Whatever else the image has lost, both
    lack. So the square of the standard error is s² = k² r² + q², with a factor k² that explains the unseen
    pixels, where the mean of (y − x)² is σ² + s². There is one factor for each of quiet, middle and steep
    places, and others for bright ones, whose noise may be stronger than was measured. The estimate

        k² = Σ w ((y − x)² − σ² − q²) / Σ w r²,   w = r² / (σ² + r² + q²)²,

    has a large standard error, since the noise of the pixels themselves dominates. It is therefore combined
    with what was usual for other images, weighted by the inverse variances of both. Half of the standard
    deviation of the combination is added, so that intervals are rather too wide than too narrow.

    A few pixels must not decide: at the peak of a bright star, x is far off without the pixel itself, which
    tells nothing of the pixels that x has seen. So (y − x)² counts as no more than 4 (σ² + s²), and is
    divided by the mean square of normal numbers that are limited in the same way.

    Parameters
    ----------
    x : ndarray, shape ``(C, *spatial)``
        The image.
    errors : ndarray, shape ``(N, C, *spatial)``
        What N refits to simulated data of x differ from x by.
    lost : ndarray, shape ``(C, *spatial)``
        Mean square error ℓ² of each pixel that is due to lost sources, from pixels that were seen
        (`lost_variance`).
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
    rest = np.maximum(lost - spread, 0)
    square = np.square(data - x)
    place = _place(x, np.sqrt(variance))
    result = rest.copy()
    for one in np.unique(place):
        here = place == one
        result[here] += spread[here] * _factor(
            *(part[here & unseen] for part in (square, spread, variance + rest))
        )
    scores = np.sort(np.sqrt(square[unseen] / (variance + result)[unseen]))
    return Calibrated(np.sqrt(result), scores)


def _factor(square: np.ndarray, spread: np.ndarray, variance: np.ndarray) -> float:
    """Return k² from the unseen pixels of one class; the variance is σ² + q²."""
    usual_weight = 1 / (_DEVIATION * _USUAL) ** 2
    weights = spread / np.square(variance + spread)
    information = float((weights * spread).sum())
    if information <= 0:
        return _USUAL * (1 + _CAUTION * _DEVIATION)
    error = np.sqrt(2 * np.square(weights * (variance + spread)).sum()) / information
    weight = 1 / error**2
    mean = _USUAL
    for _ in range(_ROUNDS):
        limited = np.minimum(square, _FAR**2 * (variance + mean * spread))
        excess = limited / _LIMITED - variance
        found = float((weights * excess).sum()) / information
        mean = (weight * max(found, 0.0) + usual_weight * _USUAL) / (weight + usual_weight)
    return float(mean + _CAUTION * (weight + usual_weight) ** -0.5)


def _place(image: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Return the class of each pixel: 0 for quiet places to 2 for steep ones, 3 more for bright ones."""
    from scipy.ndimage import gaussian_filter

    smooth = gaussian_filter(image, (0.0, *(1.0,) * (image.ndim - 1))) / sigma
    axes = [axis for axis in range(1, image.ndim) if image.shape[axis] > 1]
    slope = np.sqrt(sum((np.square(np.gradient(smooth, axis=axis)) for axis in axes), np.zeros(image.shape)))
    background = np.median(image, tuple(range(1, image.ndim)), keepdims=True)
    bright = image - background > _BRIGHT * sigma
    return np.digitize(slope, np.quantile(slope, _PLACES)) + (len(_PLACES) + 1) * bright
