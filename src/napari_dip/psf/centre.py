"""The light of a measured point spread function, its centre, and how that comes to lie on a pixel."""

import numpy as np
from numpy.typing import NDArray

from napari_dip.psf.background import Background

#: Light counts where it exceeds the noise by this factor and reaches this share of the peak.
_SIGNIFICANT, _FAINTEST = 3.0, 1e-3
#: A pixel is hot if it exceeds all of its neighbours by this factor, or if fewer pixels than these touch.
_HOT, _TOUCHING = 10.0, 3
#: Pixels around the light that count too: most of the wings that the noise hides.
_WINGS = 2
#: Largest distance from a pixel, in pixels, at which a centre counts as lying on it.
_ON_A_PIXEL = 0.005
#: Pixels by which interpolation widens the light, and zeros that keep its ends apart.
_WIDER, _ZEROS = 4, 12


def lit(values: NDArray[np.float64], background: Background) -> NDArray[np.bool_]:
    """Return where there is light: what rises above the background and its noise, except hot pixels.

    Parameters
    ----------
    values : ndarray
        The point spread function; its largest value is 1 or less.
    background : Background
        Its background.
    """
    from scipy.ndimage import binary_dilation, label, maximum_filter

    touching = np.ones((3,) * values.ndim, bool)
    around = touching.copy()
    around[(1,) * values.ndim] = False
    light = values - background.level
    bright = light > max(_SIGNIFICANT * background.noise, _FAINTEST * light.max())
    hot = bright & (light > _HOT * maximum_filter(light, footprint=around, mode="constant"))
    if light[bright & ~hot].sum() > light[hot].sum():  # else they are a point spread function of a pixel
        bright &= ~hot
    labels, _ = label(bright, touching)
    sizes = np.bincount(labels.ravel())
    enough = sizes >= min(_TOUCHING, sizes[1:].max())
    enough[0] = False
    counts = enough[labels]
    if background.noise:
        counts = binary_dilation(counts, touching, _WINGS) & ~hot
    return np.asarray(counts)


def centroid(light: NDArray[np.float64], where: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the centroid of light above the background, where there is any, in pixels.

    An image and its blurred copy have the same centroid if this is the centre of the blur.
    """
    weights = light[where]
    return np.asarray((weights @ np.argwhere(where)) / weights.sum())


def centred(
    values: NDArray[np.float64], centre: NDArray[np.float64], largest: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Return an array of odd size whose central pixel is the centre.

    A centre between pixels is moved by cubic splines, which keep the sum, the centroid and the width.

    Parameters
    ----------
    values : ndarray
        Zero beyond its ends.
    centre : ndarray
        In pixels.
    largest : ndarray of int
        Distance from the centre, in pixels, beyond which values are cut off.
    """
    from scipy.ndimage import shift

    whole = np.floor(centre + 0.5).astype(int)
    fraction = centre - whole
    fraction[np.abs(fraction) < _ON_A_PIXEL] = 0
    after = np.array(values.shape) - 1 - whole
    reach = np.minimum(np.maximum(whole, after), largest)
    half = reach + np.where(fraction, _ZEROS, 0)
    wide = np.pad(
        values, [(max(0, h - b), max(0, h - a)) for h, b, a in zip(half, whole, after, strict=True)]
    )
    starts = np.maximum(whole, half) - half
    box = wide[tuple(slice(start, start + 2 * h + 1) for start, h in zip(starts, half, strict=True))]
    if fraction.any():
        box = shift(box, -fraction, order=3)
    cuts = half - np.minimum(reach + np.where(fraction, _WIDER, 0), largest)
    return box[tuple(slice(cut, n - cut) for cut, n in zip(cuts, box.shape, strict=True))]
