"""The width of a blur that nobody has measured, from the image alone."""

import math
from typing import TYPE_CHECKING

import numpy as np

from napari_dip.image.axes import Axes
from napari_dip.image.fill import filled
from napari_dip.psf.models import GaussianPSF

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

#: Standard deviation in pixels of the Gaussian whose derivative is taken: it keeps noise down.
_SCALE = 1.0
#: Variance, in pixels², with which the sharpest edges of good images come already.
_SHARP = 0.7
#: Shares of the pixels beyond the range, and of those with larger gradients.
_BEYOND, _STEEPER = 1e-3, 1e-4
_DIRECTIONS = 6
#: Of a volume or series, so many planes are looked at.
_PLANES = 8
#: Narrowest blur that is told from none, in pixels.
_NARROWEST = 0.3


def estimate_psf(
    image: "ArrayLike", *, missing: "ArrayLike | None" = None, axes: str | None = None
) -> GaussianPSF:
    """Return the Gaussian blur that the image's sharpest edges show.

    Parameters
    ----------
    image : array of real numbers
        Grey levels, with sharp edges somewhere and no more than weak noise.
    missing : array, optional
        Pixels that don't count, as in `restore`. NaN and infinite pixels don't either.
    axes : str, optional
        One letter per axis, as in `restore`; guessed from the shape where not given.

    Returns
    -------
    GaussianPSF
        Round; of a volume in its planes.

    Raises
    ------
    ValueError
        The image has no edges, or is as sharp as images get.

    Notes
    -----
    A step of height 1 under a Gaussian of standard deviation s has the gradient 1 / √(2π) s at the most, and
    in an image of range 1 no step is higher: so the steepest gradient gives s, as in [1]_. Here it is that of
    a Gaussian derivative, whose variance is taken off, together with what good images have already; where all
    edges are soft or low by nature the estimate is too wide.

    References
    ----------
    .. [1] M. Delbracio et al., Polyblur: Removing Mild Blur by Polynomial Reblurring, IEEE Trans.
       Computational Imaging 7, 2021, section IV.
    """
    array = np.asarray(image)
    layout = Axes.of(array.shape, axes, "separate").plane_by_plane()
    hidden = ~np.isfinite(array)
    if missing is not None:
        hidden = hidden | layout.broadcast("missing", np.asarray(missing) != 0, array.shape)
    frames = list(layout.frames(array.shape))
    chosen = np.unique(np.linspace(0, len(frames) - 1, min(_PLANES, len(frames))).round().astype(int))
    planes = [(array[at].astype(float), ~hidden[at]) for at in (layout.at(frames[n]) for n in chosen)]
    widths = [width for plane in planes if (width := _width(*plane)) is not None]
    if not widths:
        raise ValueError("the image is constant: it shows no edges to measure the blur by")
    variance = min(widths) ** 2 - _SCALE**2 - _SHARP
    if variance < _NARROWEST**2:
        raise ValueError("the image's edges are as sharp as edges get: it shows no blur to be undone")
    return GaussianPSF(fwhm=float(f"{math.sqrt(8 * math.log(2) * variance):.3g}"))


def _width(plane: np.ndarray, seen: np.ndarray) -> float | None:
    """Return the standard deviation of the sharpest edge after the derivative; None where there is none."""
    from scipy.ndimage import gaussian_filter

    if not seen.any():
        return None
    whole = filled(np.where(seen, plane, 0), seen)
    # Smoothed: noise would widen the range.
    low, high = np.quantile(gaussian_filter(whole, _SCALE)[seen], (_BEYOND, 1 - _BEYOND))
    if high <= low:
        return None
    down, right = (gaussian_filter(whole / (high - low), _SCALE, order=order) for order in ((1, 0), (0, 1)))
    steepest = 0.0
    for angle in np.arange(_DIRECTIONS) * math.pi / _DIRECTIONS:
        slope = np.abs(math.cos(angle) * right + math.sin(angle) * down)[seen]
        steepest = max(steepest, float(np.quantile(slope, 1 - _STEEPER)))
    return 1 / (math.sqrt(2 * math.pi) * steepest) if steepest else None
