"""The width of an unknown blur, measured from the image alone."""

import math
from typing import TYPE_CHECKING

import numpy as np

from napari_dip.image.fill import filled
from napari_dip.image.planes import sampled_planes
from napari_dip.psf.models import GaussianPSF

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

#: Standard deviation, in pixels, of the Gaussian whose derivative is taken. It suppresses noise.
_SCALE = 1.0
#: Variance, in pixels², that the sharpest edges of good images have without any blur.
_SHARP = 0.7
#: Share of the pixels at each end of the range, and share of the steepest gradients, that are ignored.
_BEYOND, _STEEPER = 1e-3, 1e-4
#: Number of directions in which gradients are measured.
_DIRECTIONS = 6
#: Largest number of planes that are measured.
_PLANES = 8
#: Standard deviation, in pixels, of the narrowest blur that can be detected.
_NARROWEST = 0.3


def estimate_psf(
    image: "ArrayLike", *, missing: "ArrayLike | None" = None, axes: str | None = None
) -> GaussianPSF:
    """Return the Gaussian blur that the image's sharpest edges show.

    Parameters
    ----------
    image : array of real numbers
        Grey levels, with some sharp edges and weak noise at most. Of a lazy array (dask, zarr), at most eight
        planes are read.
    missing : array, optional
        Pixels that don't count, as in `restore`. NaN and infinite pixels don't count either.
    axes : str, optional
        One letter per axis, as in `restore`. By default the axes are guessed from the shape.

    Returns
    -------
    GaussianPSF
        Equally wide in all directions. In a volume it describes the blur within the planes.

    Raises
    ------
    ValueError
        The image has no edges, or none that are blurred.

    Notes
    -----
    A step of height 1, blurred by a Gaussian of standard deviation s, has a gradient of at most 1 / √(2π) s.
    No step is higher than 1 in an image whose range is 1. So the steepest gradient gives s, as in [1]_. Here
    it is measured with the derivative of a Gaussian. The variance of this Gaussian is subtracted, and so is
    the variance that sharp edges have in good images. If all edges of the scene are soft or low by nature,
    the estimate is too wide.

    References
    ----------
    .. [1] M. Delbracio et al., Polyblur: Removing Mild Blur by Polynomial Reblurring, IEEE Trans.
       Computational Imaging 7, 2021, section IV.

    Examples
    --------
    A chessboard, blurred by a Gaussian of standard deviation 3, whose full width at half maximum is 7 pixels:

    >>> import numpy as np
    >>> from scipy.ndimage import gaussian_filter
    >>> from napari_dip import estimate_psf
    >>> board = np.kron(np.indices((8, 8)).sum(0) % 2, np.full((24, 24), 100.0))
    >>> round(estimate_psf(gaussian_filter(board, 3)).fwhm)
    7
    """
    planes = sampled_planes(image, missing, axes, count=_PLANES)
    widths = [width for plane in planes if (width := _width(*plane)) is not None]
    if not widths:
        raise ValueError("the image is constant: it has no edges to measure the blur from")
    variance = min(widths) ** 2 - _SCALE**2 - _SHARP
    if variance < _NARROWEST**2:
        raise ValueError("the image's edges are as sharp as edges can be: it shows no blur to correct")
    return GaussianPSF(fwhm=float(f"{math.sqrt(8 * math.log(2) * variance):.3g}"))


def _width(plane: np.ndarray, seen: np.ndarray) -> float | None:
    """Return the standard deviation of the plane's sharpest edge under the derivative; None without edges."""
    from scipy.ndimage import gaussian_filter

    if not seen.any():
        return None
    whole = filled(np.where(seen, plane, 0), seen)
    # The image is smoothed first, since noise would widen its range.
    low, high = np.quantile(gaussian_filter(whole, _SCALE)[seen], (_BEYOND, 1 - _BEYOND))
    if high <= low:
        return None
    down, right = (gaussian_filter(whole / (high - low), _SCALE, order=order) for order in ((1, 0), (0, 1)))
    steepest = 0.0
    for angle in np.arange(_DIRECTIONS) * math.pi / _DIRECTIONS:
        slope = np.abs(math.cos(angle) * right + math.sin(angle) * down)[seen]
        steepest = max(steepest, float(np.quantile(slope, 1 - _STEEPER)))
    return 1 / (math.sqrt(2 * math.pi) * steepest) if steepest else None
