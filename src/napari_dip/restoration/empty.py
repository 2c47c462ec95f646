"""Channels and frames in which there is nothing to restore."""

from enum import Enum

import numpy as np

from napari_dip.image.units import Units
from napari_dip.noise.absence import shows_noise


class Empty(Enum):
    """Why there is nothing to restore, as a sentence for the user."""

    MISSING = "Every pixel is missing, so the result is NaN."
    CONSTANT = "All pixels have the same grey level, so there was nothing to restore."
    NOISELESS = "No noise was found, so the pixels are as they were measured."


def empty_channels(
    values: np.ndarray, seen: np.ndarray, *, noiseless: bool, constant: bool
) -> dict[int, Empty]:
    """Return the channels of a frame in which there is nothing to restore, and why.

    Parameters
    ----------
    values : ndarray, shape ``(C, *spatial)``
        Grey levels.
    seen : ndarray of bool, shape ``(C, *spatial)``
        False where a pixel is missing.
    noiseless : bool
        Channels without noise count, if no pixel of them is missing.
    constant : bool
        Constant channels count.
    """
    found = {}
    for channel, (data, there) in enumerate(zip(values, seen, strict=True)):
        observed = data[there]
        if not observed.size:
            found[channel] = Empty.MISSING
        elif constant and observed.min() == observed.max():
            found[channel] = Empty.CONSTANT
        elif noiseless and there.all() and not shows_noise(Units.of(observed).to_working(data)):
            found[channel] = Empty.NOISELESS
    return found
