"""What belongs to a region of an image: its pixels in the restored image, and its part of a guide."""

from typing import Any

from napari_dip.image.axes import Axes
from napari_dip.image.region import Region, index
from napari_dip.restoration.guide import Guide
from napari_dip.tasks import Task


def factors(task: Task, axes: Axes) -> tuple[int, ...]:
    """Return how many pixels of the restored image there are for one of the data, along each axis."""
    steps = dict(zip(axes.spatial, task.grid((1,) * len(axes.spatial)).step, strict=True))
    return tuple(round(1 / steps.get(axis, 1)) for axis in range(len(axes.letters)))


def refined(roi: Region, factors: tuple[int, ...]) -> Region:
    """Return a region in the finer pixels that each pixel is divided into."""
    return tuple((start * f, stop * f) for (start, stop), f in zip(roi, factors, strict=True))


def guide_part(guide: Any, shape: tuple[int, ...], axes: Axes, factors: tuple[int, ...], roi: Region) -> Any:
    """Return the part of a guide that covers a region of the image.

    Parameters
    ----------
    guide : array
        The guide of the whole restored image, as `Measurement` takes it.
    shape : tuple of int
        Shape of the whole image.
    axes : Axes
        The axes of the image.
    factors : tuple of int
        Pixels of the restored image for one of the image, along each axis.
    roi : Region
        The region, in pixels of the image.

    Raises
    ------
    InputError
        The guide's shape doesn't fit the whole restored image.
    """
    checked = Guide.of(guide, axes, tuple(n * f for n, f in zip(shape, factors, strict=True)))
    finer = refined(roi, factors)
    return guide[index(finer if checked.has_all_axes else tuple(finer[axis] for axis in axes.spatial))]
