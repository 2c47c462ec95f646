"""Takes layers as the guide and the point spread function of a run."""

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dip.image.axes import Axes
from napari_dip.plugin.layers import finest, held, named, shape_of, to_world
from napari_dip.plugin.runs.companions import GuideLayer, PSFLayer
from napari_dip.plugin.runs.inputs import Inputs
from napari_dip.restoration.series import restored_shape

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_dip.tasks import Task


def guide_from(
    layer: "Image", image: "Image", inputs: Inputs, task: "Task", *, copy: bool = True
) -> tuple[GuideLayer, dict[str, Any]]:
    """Return a layer as a guide, and how to find it again.

    Parameters
    ----------
    layer : Image
        Another image of the same scene. A single plane is used for all planes and frames.
    image : Image
        The layer that is restored.
    inputs : Inputs
        The part of it that is restored.
    task : Task
        Names the grid of the restored image.
    copy : bool
        Copy its pixels, so that no later edit changes them.

    Returns
    -------
    GuideLayer
    dict
        Plain JSON values. `same_grid` tells whether its pixels are those of the whole restored image.
    """
    ndim, d = len(inputs.to_world) - 1, layer.ndim
    finer = inputs.from_restored(task, ndim)
    shape = restored_shape(tuple(inputs.image.shape), inputs.axes, task)
    guide = GuideLayer(
        held(finest(layer), copy=copy),
        bool(layer.rgb),
        to_world(layer),
        inputs.to_world @ finer,
        shape,
        inputs.axes.spatial,
    )
    whole = to_world(image) @ finer
    same_shape = shape_of(layer)[:d] == restored_shape(shape_of(image), inputs.axes, task)[ndim - d : ndim]
    same_grid = same_shape and np.allclose(to_world(layer), whole[-d - 1 :, -d - 1 :])
    return guide, {**named(layer), "same_grid": bool(same_grid)}


def psf_from(
    layer: "Image", image: "Image", axes: Axes, *, copy: bool = True
) -> tuple[PSFLayer, dict[str, Any]]:
    """Return a layer as the image of a point, and how to find it again."""
    ratio = pixel_ratio(layer, image, axes)
    origin = {**named(layer), "ratio": None if ratio is None else list(ratio)}
    return PSFLayer(held(finest(layer), copy=copy), ratio), origin


def pixel_ratio(layer: "Image", image: "Image", axes: Axes) -> tuple[float, ...] | None:
    """Return the pixel size of a point spread function divided by that of the image, for each spatial axis.

    Return None if both are the same, or if they can't be compared because one layer has no pixel size.
    """
    n = len(axes.spatial)
    own = list(zip(layer.scale, layer.units, strict=True))[-n:]
    of = [(image.scale[axis], image.units[axis]) for axis in axes.spatial]
    if len(own) < n or _unknown(own) or (_unknown(of) and not own[0][1].is_compatible_with(of[0][1])):
        return None
    ratio = tuple(
        float(abs(size / other)) * _conversion(unit, wanted)
        for (size, unit), (other, wanted) in zip(own, of, strict=True)
    )
    return None if np.allclose(ratio, 1, rtol=1e-6, atol=0) else ratio


def _unknown(sizes: list[tuple[float, Any]]) -> bool:
    """Return whether the pixel size was never set."""
    return all(size == 1 and f"{unit}" == "pixel" for size, unit in sizes)


def _conversion(unit: Any, wanted: Any) -> float:
    """Return the factor from one unit to the other, or 1 if only one of them is a length."""
    return float((1 * unit).m_as(wanted)) if unit.is_compatible_with(wanted) else 1.0
