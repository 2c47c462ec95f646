"""Images in a window, for Fourier transforms."""

import numpy as np

#: Share of each axis over which the window falls to 0, both ends together.
_TAPER = 0.5


def window(shape: tuple[int, ...]) -> np.ndarray:
    """Return a window that is 1 in the middle and falls to 0 at the borders.

    The Fourier transform continues the image periodically, so opposite borders would meet in a step. The
    steeper a spectrum, the smoother the window has to be: otherwise what the strong low frequencies leak
    hides the high ones. The edge is sin² (π/2 · sin² (π/2 · t)), whose first three derivatives vanish at both
    ends.

    Parameters
    ----------
    shape : tuple of int
        Shape of the image or volume.
    """
    product = np.ones(shape)
    for axis, n in enumerate(shape):
        place = np.arange(n) + 0.5
        edge = np.minimum(np.minimum(place, n - place) / (_TAPER * n / 2), 1)
        profile = np.sin(np.pi / 2 * np.sin(np.pi / 2 * edge) ** 2) ** 2
        product *= np.expand_dims(profile, [other for other in range(len(shape)) if other != axis])
    return product


def centred(image: np.ndarray, window: np.ndarray) -> np.ndarray:
    """Return an image in a window, without its mean there; pixels that are not finite are at the mean.

    Parameters
    ----------
    image : ndarray of float64
        Grey levels.
    window : ndarray of float64
        The window.
    """
    weights = np.where(np.isfinite(image), window, 0.0)
    if not weights.any():
        return np.zeros(image.shape)
    rest = np.where(np.isfinite(image), image, 0.0)
    return weights * (rest - np.average(rest, weights=weights))
