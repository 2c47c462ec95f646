"""The second difference, which removes smooth structure, and the strength of the noise measured with it."""

import numpy as np


def second_difference(image: np.ndarray, step: int = 1) -> np.ndarray:
    """Return [1, −2, 1] ⊗ [1, −2, 1] / 6 at each pixel, for pixels that are `step` apart.

    Constant and linear structure vanishes. The variance of independent noise stays as it is [1]_.

    Parameters
    ----------
    image : ndarray of float, shape ``(H, W)``
        Grey levels. Beyond the border it is taken to be 0.
    step : int
        Distance between the pixels that are compared.

    References
    ----------
    .. [1] J. Immerkær, Fast noise variance estimation, Computer Vision and Image Understanding 64, 1996.
    """
    from scipy.ndimage import correlate1d

    apart = [0.0] * (step - 1)
    weights = [1.0, *apart, -2.0, *apart, 1.0]
    along_columns = correlate1d(image, weights, 0, mode="constant")
    return correlate1d(along_columns, weights, 1, mode="constant") / 6


def immerkaer_sigma(image: np.ndarray) -> float:
    """Return the standard deviation of Gaussian noise that is independent and equally strong in each pixel.

    It is the median of the absolute second difference, divided by the value that it has for noise of standard
    deviation 1. Immerkær [1]_ takes the mean. The median is robust against edges, as long as they are rare.

    Parameters
    ----------
    image : ndarray of float, shape ``(H, W)`` or ``(D, H, W)``
        Grey levels without missing pixels. Differences are taken along the last two axes.

    Returns
    -------
    float
        In grey levels; 0 for an image with fewer than three pixels along one of these axes.

    References
    ----------
    .. [1] J. Immerkær, Fast noise variance estimation, Computer Vision and Image Understanding 64, 1996.
    """
    difference = image
    for axis in range(image.ndim - 2, image.ndim):
        difference = np.diff(difference, 2, axis)
    # The median of |n| is 0.6745 for normal n; the weights of the difference have the root-sum-square 6.
    return float(np.median(np.abs(difference))) / (0.6745 * 6) if difference.size else 0.0
