"""Channels and frames in which there is nothing to restore."""

from enum import Enum
from typing import TYPE_CHECKING

from napari_dip.noise.absence import shows_noise

if TYPE_CHECKING:
    from napari_dip.problem import Problem


class Empty(Enum):
    """Why there is nothing to restore, as a sentence for the user."""

    MISSING = "Every pixel is missing, so the result is NaN."
    CONSTANT = "All pixels have the same grey level, so there was nothing to restore."
    NOISELESS = "No noise was found, so the pixels are as they were measured."


def empty_channels(problem: "Problem", *, noiseless: bool, constant: bool) -> dict[int, Empty]:
    """Return the channels of a problem in which there is nothing to restore, and why.

    Parameters
    ----------
    problem : Problem
        The data.
    noiseless : bool
        Channels without noise count, if their noise is unknown and no pixel is missing.
    constant : bool
        Constant channels count.
    """
    found = {}
    seen = (problem.weights > 0).expand_as(problem.data)[0].cpu()
    for channel, (data, there) in enumerate(zip(problem.data[0].cpu(), seen, strict=True)):
        values = data[there]
        if not values.numel():
            found[channel] = Empty.MISSING
        elif constant and bool((values == values[0]).all()):
            found[channel] = Empty.CONSTANT
        elif noiseless and not problem.noise.known and bool(there.all()) and not shows_noise(data.numpy()):
            found[channel] = Empty.NOISELESS
    return found
