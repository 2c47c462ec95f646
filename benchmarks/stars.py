"""Are stars as bright after restoration as before? Fluxes in circular apertures."""

import numpy as np
from scipy.ndimage import gaussian_filter, maximum_filter

RADIUS, INNER, OUTER = 4, 7, 10  # of the aperture and of the ring around it that tells the sky, in pixels
BLUR, BRIGHTER = 1.5, 3.0  # stars are sought in a blurred image, by so many times the scatter of its sky


def fluxes(before: np.ndarray, other: np.ndarray, after: np.ndarray, variance: np.ndarray) -> dict:
    """Compare the fluxes of isolated stars before and after, in units of their own noise.

    Parameters
    ----------
    before, after : ndarray, shape ``(H, W)``
        Exposure and restored exposure.
    other : ndarray, shape ``(H, W)``
        A second exposure, in which the stars are found: a noise peak of the first one is no star.
    variance : ndarray, shape ``(H, W)``
        Of the noise of each pixel, in grey levels².
    """
    shine = gaussian_filter(other, BLUR)
    sky = np.median(shine)
    scatter = 1.4826 * np.median(np.abs(shine - sky))
    peaks = (shine == maximum_filter(shine, 2 * OUTER + 1)) & (shine > sky + BRIGHTER * scatter)
    height, width = other.shape
    rows, columns = np.mgrid[:height, :width]
    off, noise = [], []
    for row, column in np.argwhere(peaks):
        if min(row, column, height - 1 - row, width - 1 - column) < OUTER:
            continue
        far = np.hypot(rows - row, columns - column)
        aperture, ring = far <= RADIUS, (far >= INNER) & (far <= OUTER)
        off.append(_flux(after, aperture, ring) - _flux(before, aperture, ring))
        noise.append(np.sqrt(variance[aperture].sum() * (1 + aperture.sum() / ring.sum())))
    ratio = np.array(off) / np.array(noise)
    return {
        "stars": len(ratio),
        "flux_rms_in_noise": round(float(np.sqrt(np.mean(ratio**2))), 2),
        "flux_bias_in_noise": round(float(ratio.mean()), 2),
        "stars_within_noise": round(float(np.mean(np.abs(ratio) <= 1)), 2),
    }


def _flux(image: np.ndarray, aperture: np.ndarray, ring: np.ndarray) -> float:
    return float(image[aperture].sum() - np.median(image[ring]) * aperture.sum())
