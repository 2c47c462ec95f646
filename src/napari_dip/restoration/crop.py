"""What belongs to an area of an image: its pixels in the restored image, and its part of a guide."""

import numpy as np

from napari_dip.image.axes import Axes
from napari_dip.image.region import Region, index
from napari_dip.restoration.guide import Guide
from napari_dip.tasks import Task


def factors(task: Task, axes: Axes) -> tuple[int, ...]:
    """Return how many pixels of the restored image one of the data becomes, along each axis of the array."""
    steps = dict(zip(axes.spatial, task.grid((1,) * len(axes.spatial)).step, strict=True))
    return tuple(round(1 / steps.get(axis, 1)) for axis in range(len(axes.letters)))


def refined(roi: Region, factors: tuple[int, ...]) -> Region:
    """Return an area in the finer pixels that each pixel is divided into."""
    return tuple((start * f, stop * f) for (start, stop), f in zip(roi, factors, strict=True))


def guide_part(
    guide: np.ndarray, shape: tuple[int, ...], axes: Axes, factors: tuple[int, ...], roi: Region
) -> np.ndarray:
    """Return the part of a guide that lies on an area of the image.

    Parameters
    ----------
    guide : ndarray
        Of the whole restored image, as `solve` takes it.
    shape : tuple of int
        Of the whole image.
    axes : Axes
        Of the image.
    factors : tuple of int
        How many pixels of the restored image one of the image becomes, along each axis.
    roi : Region
        Of the image.

    Raises
    ------
    InputError
        The guide is not one of the whole restored image.
    """
    checked = Guide.of(guide, axes, tuple(n * f for n, f in zip(shape, factors, strict=True)))
    finer = refined(roi, factors)
    return guide[index(finer if checked.has_all_axes else tuple(finer[axis] for axis in axes.spatial))]
