"""Layers that go with the one that is restored: a guide, and a point spread function."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dip.errors import InputError
from napari_dip.image.affine import resampled_onto
from napari_dip.image.axes import Axes
from napari_dip.plugin.layers import finest, held, named, shape_of, to_world
from napari_dip.plugin.runs.inputs import Inputs
from napari_dip.psf.arrays import resampled
from napari_dip.restoration.series import restored_shape

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_dip.tasks import Task


@dataclass(frozen=True, eq=False)
class GuideLayer:
    """Another image of the scene that is restored, and where it lies.

    Parameters
    ----------
    data : array
        Real numbers, with the samples of an RGB image last.
    rgb : bool
        Whether it is an RGB image.
    to_world : ndarray
        Homogeneous matrix from its pixels to the world.
    restored_to_world : ndarray
        Homogeneous matrix from the pixels of the restored image to the world.
    shape : tuple of int
        Shape of the restored image, with its colours.
    spatial : tuple of int
        Positions of the spatial axes of the restored image.
    """

    data: Any
    rgb: bool
    to_world: np.ndarray
    restored_to_world: np.ndarray
    shape: tuple[int, ...]
    spatial: tuple[int, ...]

    @cached_property
    def array(self) -> np.ndarray:
        """The guide on the pixels of the restored image, as `restore` takes it.

        It has the spatial shape of that image, with colours last if it has any. If it changes from frame to
        frame, it has all axes of that image.

        Raises
        ------
        InputError
            It can't be brought onto that grid, or shows nothing there.
        """
        data, ndim = np.asarray(self.data), len(self.restored_to_world) - 1
        samples = [data[..., sample] for sample in range(data.shape[-1])] if self.rgb else [data]
        try:
            found = [
                resampled_onto(one, self.to_world, self.restored_to_world, self.shape[:ndim])
                for one in samples
            ]
        except ValueError as error:
            raise InputError("guide", str(error)) from None
        others = [axis for axis in range(ndim) if axis not in self.spatial]
        if all(found[0].strides[axis] == 0 or self.shape[axis] == 1 for axis in others):
            index = tuple(0 if axis in others else slice(None) for axis in range(ndim))
            guide = np.stack([one[index] for one in found], -1) if self.rgb else found[0][index]
        else:  # it may have no more axes than the restored image, which leaves none for colours
            guide = np.mean(found, 0) if self.rgb else found[0]
            if len(self.shape) > ndim:
                guide = np.broadcast_to(guide[..., None], self.shape)
        if not np.ptp(guide):
            raise InputError(
                "guide", "the guide has a single grey level where the image lies: choose another layer"
            )
        return guide


@dataclass(frozen=True, eq=False)
class PSFLayer:
    """The measured image of a point, whose pixels may have another size than those of the restored image.

    Parameters
    ----------
    data : array
        Real numbers.
    ratio : tuple of float, optional
        Its pixel size divided by that of the image, along each spatial axis. None if both are the same.
    """

    data: Any
    ratio: tuple[float, ...] | None

    @cached_property
    def array(self) -> np.ndarray:
        """The point spread function on the pixels of the image, as `restore` takes it.

        Raises
        ------
        InputError
            The layer can't be a point spread function.
        """
        data = np.asarray(self.data)
        return data if self.ratio is None else resampled(data, self.ratio)


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
