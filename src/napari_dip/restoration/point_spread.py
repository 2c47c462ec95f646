"""The measured point spread function, with the axes that a task takes."""

from typing import TYPE_CHECKING

import numpy as np

from napari_dip.errors import InputError
from napari_dip.image.axes import Axes
from napari_dip.image.grid import format_shape

if TYPE_CHECKING:
    from napari_dip.restoration.measurement import Measurement


def point_spread_function(measurement: "Measurement", axes: Axes) -> np.ndarray | None:
    """Return the measured point spread function as `Task.operator` takes it, or None if there is none.

    Parameters
    ----------
    measurement : Measurement
        Its point spread function has the spatial axes of the image. Channels may come before them, or after
        them if they do so in the image. For a volume, Z may be absent: each plane is then blurred by itself.
    axes : Axes
        The axes as the method goes through them, which may be plane by plane.

    Returns
    -------
    ndarray, shape ``(*kernel)`` or ``(C, *kernel)``
        With as many axes as `axes` has spatial ones, and the channels of the image, if it has those.

    Raises
    ------
    InputError
        Its axes are not those of the image.
    """
    psf, layout = measurement.psf, measurement.layout
    if psf is None:
        return None
    spatial, channel = len(layout.spatial), Axes(layout.letters).channel
    while psf.ndim > spatial and 1 in (psf.shape[0], psf.shape[-1]):
        psf = psf[0] if psf.shape[0] == 1 else psf[..., 0]
    channels = 1 if channel is None else measurement.shape[channel]
    if psf.ndim == spatial + 1:
        psf = _channels_first(psf, channels, last=channel == len(layout.letters) - 1)
    elif psf.ndim == spatial - 1 == 2:
        psf = psf[None]
    elif psf.ndim != spatial:
        raise InputError(
            "psf",
            f"The point spread function must have {spatial} axes, as the image has, or one more for "
            f"channels, got {psf.ndim} ({format_shape(psf.shape)}).",
        )
    if len(axes.spatial) < spatial:
        if psf.shape[-3] > 1:
            raise InputError(
                "psf",
                "This method restores planes one after another, but the point spread function has "
                f"{psf.shape[-3]} planes: give one with a single plane, or choose Deep Image Prior, "
                "Richardson-Lucy or the Wiener filter.",
            )
        psf = psf[..., 0, :, :]
    return psf


def _channels_first(psf: np.ndarray, channels: int, *, last: bool) -> np.ndarray:
    """Return a point spread function whose first axis holds the channels."""
    if psf.shape[0] == channels > 1:
        return psf
    if last and psf.shape[-1] == channels > 1:
        return np.moveaxis(psf, -1, 0)
    wanted = (
        f"one more axis must hold a kernel for each of the image's {channels} channels"
        if channels > 1
        else "one more axis would hold a kernel for each channel, but the image has no channels"
    )
    raise InputError(
        "psf",
        f"The point spread function must have the spatial axes of the image, got {psf.ndim} axes "
        f"({format_shape(psf.shape)}): {wanted}.",
    )
