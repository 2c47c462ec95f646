"""Point spread functions that come as arrays: checked, centred and resampled."""

import math
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_dip.errors import InputError
from napari_dip.image.grid import format_shape
from napari_dip.psf.background import Background, Treatment
from napari_dip.psf.centre import centred, centroid, lit

#: Values below 0 are noise if they are smaller than this share of the largest value.
_NOISE = 0.5
#: Smallest share of the light whose loss is worth a word.
_LOSS = 0.005


def checked(psf: ArrayLike, shape: tuple[int, ...], background: Treatment = "keep") -> NDArray[np.float64]:
    """Return the convolution kernel of a measured point spread function.

    The centroid of its light becomes the central pixel, since an off-centre kernel would shift the image. A
    centroid between pixels is moved by splines. Values below 0 are noise: the array is replaced by the
    nearest one of the same sum that has none. Empty margins are cut off, and so is what lies farther from the
    centre than the image reaches.

    Parameters
    ----------
    psf : array_like, shape ``(*kernel)`` or ``(C, *kernel)``, real
        With one axis more than the data, each channel has a kernel with a centre of its own. It may have
        leading axes of length 1.
    shape : tuple of int
        Spatial shape of the data.
    background : {"keep", "subtract"}
        Whether to subtract the background. One that is kept causes a warning.

    Returns
    -------
    ndarray, shape ``(*kernel)`` or ``(C, *kernel)``
        Not negative, of odd size along each spatial axis, and of sum 1 in each channel.

    Raises
    ------
    InputError
        The array is no point spread function for these data. The message says why.
    """
    values = _numbers(psf, len(shape))
    if values.ndim == len(shape):
        return _kernel(_light(values), shape, background)
    kernels = [_kernel(_light(channel), shape, background) for channel in values]
    size = np.max([kernel.shape for kernel in kernels], 0)
    return np.stack([np.pad(k, [(m, m) for m in (size - k.shape) // 2]) for k in kernels])


def resampled(psf: ArrayLike, ratio: tuple[float, ...]) -> NDArray[np.float64]:
    """Return a point spread function on the image's pixels, if it was measured with another pixel size.

    Along each axis the cumulative light up to the edge of a pixel is interpolated by a monotone cubic. So no
    light is lost, none becomes negative, and a coarse pixel holds all the light that falls on it.

    Parameters
    ----------
    psf : array_like, shape ``(*kernel)`` or ``(C, *kernel)``, real
        It may have leading axes of length 1. A last axis of length 3 or 4 beside longer ones holds colours.
    ratio : tuple of float
        Its pixel size divided by the image's, along each spatial axis.

    Returns
    -------
    ndarray, shape ``(*kernel)`` or ``(C, *kernel)``
        Of odd size along each spatial axis. Its middle is the middle of `psf`.

    Raises
    ------
    InputError
        The array is no point spread function. The message says why.
    """
    from scipy.interpolate import PchipInterpolator

    if not all(r > 0 and math.isfinite(r) for r in ratio):
        raise InputError("psf", f"The ratios of pixel sizes must be positive numbers, got {ratio}.")
    values = _numbers(psf, len(ratio))
    if values.ndim > len(ratio) and values.shape[-1] in (3, 4) and min(values.shape[:-1]) > 4:
        values = np.moveaxis(values, -1, 0)
    lowest = values.min(initial=0)
    for axis, r in enumerate(ratio, values.ndim - len(ratio)):
        n = values.shape[axis]
        half = max(0, math.ceil(n * r / 2 - 0.5))
        edges = n / 2 + (np.arange(2 * half + 2) - half - 0.5) / r  # of the new pixels, in old ones
        light = np.insert(values.cumsum(axis), 0, 0, axis)
        values = np.diff(PchipInterpolator(np.arange(n + 1), light, axis)(edges.clip(0, n)), axis=axis)
    return values if lowest < 0 else values.clip(0)  # round-off


def _numbers(psf: ArrayLike, ndim: int) -> NDArray[np.float64]:
    """Return finite float64 values with this number of axes, or with one more."""
    values: NDArray[Any] = np.ma.asarray(psf) if isinstance(psf, np.ma.MaskedArray) else np.asarray(psf)
    if values.dtype.kind not in "buif":
        raise InputError("psf", f"The point spread function must be real numbers, got {values.dtype}.")
    while values.ndim > ndim and values.shape[0] == 1:
        values = values[0]
    if values.ndim not in (ndim, ndim + 1):
        raise InputError(
            "psf",
            f"The point spread function must have {ndim} axes, as the image has, or one more for channels, "
            f"got {values.ndim} ({format_shape(values.shape)}).",
        )
    values = np.ma.filled(values.astype(np.float64), np.nan)
    if not np.isfinite(values).all():
        raise InputError(
            "psf", "The point spread function must be finite, got NaN or infinite values: set them to 0."
        )
    return values


def _light(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return values of largest magnitude 1, without empty margins; refuse what can't be light."""
    if not values.any():
        raise InputError("psf", "The point spread function is zero everywhere.")
    low, high = float(values.min()), float(values.max())
    if low < -_NOISE * max(high, 0):
        raise InputError(
            "psf",
            f"The point spread function must not be negative, got {low:g} where its largest value is "
            f"{high:g}, which is more than noise: subtract the right background.",
        )
    values = values / high
    at = np.argwhere(values)
    return values[tuple(slice(first, last + 1) for first, last in zip(at.min(0), at.max(0), strict=True))]


def _kernel(values: NDArray[np.float64], shape: tuple[int, ...], treatment: Treatment) -> NDArray[np.float64]:
    """Return the kernel of one channel, whose largest value is 1."""
    background = Background.of(values)
    if treatment == "subtract":
        values, background = values - background.level, replace(background, level=0.0)
    elif background.certain:
        warnings.warn(
            f"the point spread function has a background of {background.level:.2g} of its peak, which adds "
            f"{background.excess:.0%} to its light and makes the result too bright: choose "
            'background="subtract" for the measured point spread function (--psf-background subtract)',
            stacklevel=4,
        )
    where = lit(values, background)
    centre = centroid(values - background.level, where)
    if values.flat[0] == values.max() > 2 * values[tuple(np.floor(centre + 0.5).astype(int))]:
        raise InputError(
            "psf",
            "The centre of the point spread function lies in the corner of its array: move it to the "
            "middle with numpy.fft.fftshift.",
        )
    # Around 0, noise far from the light would add up. A background below 0 can't be light.
    around = values.min() < 0
    total = float((values - min(background.level, 0))[where].sum() if around else values.sum())
    largest = (np.array(shape) - 1) // 2
    light = centred(not_negative(values, total) / total, centre, largest)
    left = float(light.sum())
    if left <= 0:
        raise InputError(
            "psf",
            "All light of the point spread function lies farther from its centre than the image, of "
            f"{format_shape(shape)} pixels, reaches.",
        )
    kernel = _trimmed(not_negative(light, left))
    reach = np.maximum(centre, np.array(values.shape) - 1 - centre)
    if left < 1 - _LOSS and (reach > largest + 0.5).any():
        warnings.warn(
            f"the point spread function is larger than the image: {1 - left:.1%} of its light lies farther "
            f"from its centre than the image, of {format_shape(shape)} pixels, reaches, and is cut off",
            stacklevel=4,
        )
    return kernel / kernel.sum()


def not_negative(values: NDArray[np.float64], total: float) -> NDArray[np.float64]:
    """Return the nearest array without negative values whose sum is `total`, above 0.

    It is max(values − t, 0), where t follows from the sum. So noise around 0 disappears instead of adding up
    (J. Duchi et al., ICML 2008, figure 1). An array without negative values stays as it is.
    """
    if values.min() >= 0:
        return values
    ordered = np.sort(values, axis=None)[::-1]
    excess = (np.cumsum(ordered) - total) / np.arange(1, ordered.size + 1)
    return (values - excess[ordered > excess][-1]).clip(0)


def _trimmed(kernel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a kernel without margins of zeros, as far as its middle stays where it is."""
    middle = np.array(kernel.shape) // 2
    half = np.abs(np.argwhere(kernel) - middle).max(0)
    return kernel[tuple(slice(m - h, m + h + 1) for m, h in zip(middle, half, strict=True))]
