"""Point spread functions that come as arrays: checked, centred and resampled."""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_dip.errors import InputError
from napari_dip.image.grid import format_shape


def checked(psf: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the convolution kernel of a measured point spread function.

    The centroid of the values above half the maximum becomes the central pixel, since an off-centre kernel
    would shift the image. Empty margins are cut off. Zeros are added where centring needs them, but the
    kernel never becomes larger than the data.

    Parameters
    ----------
    psf : array_like, shape ``(*kernel)``, real
        Not negative, with the background subtracted. It may have leading axes of length 1.
    shape : tuple of int
        Spatial shape of the data.

    Returns
    -------
    ndarray
        Of odd size along each axis, and of sum 1.

    Raises
    ------
    InputError
        The array is no point spread function for these data. The message says why.
    """
    values = _light(psf, len(shape))
    above = np.argwhere(values >= values.max() / 2)
    weights = values[tuple(above.T)]
    centroid = (weights @ above) / weights.sum()
    centre = np.floor(centroid + 0.5).astype(int)
    if values.flat[0] == values.max() > 2 * values[tuple(centre)]:
        raise InputError(
            "psf",
            "The centre of the point spread function lies in the corner of its array: move it to the "
            "middle with numpy.fft.fftshift.",
        )
    lit = np.argwhere(values)
    first, last = lit.min(0), lit.max(0)
    if (last - first + 1 > shape).any():
        raise InputError(
            "psf",
            "The point spread function must not be larger than the image: it has "
            f"{format_shape(last - first + 1)} pixels, the image {format_shape(shape)}. Cut off its margins.",
        )
    half = np.minimum(np.maximum(centre - first, last - centre), (np.array(shape) - 1) // 2)
    # With zeros on all sides, any box around the centre lies inside the array.
    wide = np.pad(values, [(h, h) for h in half])
    kernel = wide[tuple(slice(c, c + 2 * h + 1) for c, h in zip(centre, half, strict=True))]
    return kernel / kernel.sum()


def resampled(psf: ArrayLike, ratio: tuple[float, ...]) -> NDArray[np.float64]:
    """Return a point spread function on the image's pixels, if it was measured with another pixel size.

    Along each axis the cumulative light up to the edge of a pixel is interpolated by a monotone cubic. So no
    light is lost, none becomes negative, and a coarse pixel holds all the light that falls on it.

    Parameters
    ----------
    psf : array_like, shape ``(*kernel)``, real
        Not negative. It may have leading axes of length 1.
    ratio : tuple of float
        Its pixel size divided by the image's, along each axis.

    Returns
    -------
    ndarray, shape ``(*kernel)``
        Of odd size along each axis. Its middle is the middle of `psf`.

    Raises
    ------
    InputError
        The array is no point spread function. The message says why.
    """
    from scipy.interpolate import PchipInterpolator

    if not all(r > 0 and math.isfinite(r) for r in ratio):
        raise InputError("psf", f"The ratios of pixel sizes must be positive numbers, got {ratio}.")
    values = _light(psf, len(ratio))
    for axis, r in enumerate(ratio):
        n = values.shape[axis]
        half = max(0, math.ceil(n * r / 2 - 0.5))
        edges = n / 2 + (np.arange(2 * half + 2) - half - 0.5) / r  # of the new pixels, in old ones
        light = np.insert(values.cumsum(axis), 0, 0, axis)
        values = np.diff(PchipInterpolator(np.arange(n + 1), light, axis)(edges.clip(0, n)), axis=axis)
    return values.clip(0)  # round-off


def _light(psf: ArrayLike, ndim: int) -> NDArray[np.float64]:
    """Return float64 values with this number of axes: finite, not negative, and not all zero."""
    values: NDArray[Any] = np.asarray(psf)
    if values.dtype.kind not in "buif":
        raise InputError("psf", f"The point spread function must be real numbers, got {values.dtype}.")
    while values.ndim > ndim and values.shape[0] == 1:
        values = values[0]
    if values.ndim != ndim:
        raise InputError(
            "psf",
            f"The point spread function must have {ndim} axes, as the image has, got {values.ndim} "
            f"({format_shape(values.shape)}).",
        )
    values = values.astype(np.float64)
    if not np.isfinite(values).all():
        raise InputError(
            "psf", "The point spread function must be finite, got NaN or infinite values: set them to 0."
        )
    if values.min(initial=0) < 0:
        raise InputError(
            "psf",
            f"The point spread function must not be negative, got {values.min():g}: subtract the background, "
            "then set the values that are still negative to 0.",
        )
    if not values.any():
        raise InputError("psf", "The point spread function is zero everywhere.")
    return values
