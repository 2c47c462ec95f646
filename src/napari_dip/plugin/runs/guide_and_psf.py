"""Images that go with the one that is restored: a guide, and a point spread function."""

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
class Guide:
    """An image of the same scene as the one that is restored, and where it lies.

    Parameters
    ----------
    data : array
        Real numbers; colours last.
    rgb : bool
        It has colours.
    to_world : ndarray
        Homogeneous matrix from its pixels to the world.
    restored_to_world : ndarray
        Likewise from the pixels of the restored image.
    shape : tuple of int
        Of the restored image, its colours included.
    spatial : tuple of int
        Which of its axes are spatial.
    """

    data: Any
    rgb: bool
    to_world: np.ndarray
    restored_to_world: np.ndarray
    shape: tuple[int, ...]
    spatial: tuple[int, ...]

    @cached_property
    def array(self) -> np.ndarray:
        """What it shows where the restored image will lie, as `restore` takes it.

        It has the spatial shape of that image, with colours last where there are some; or all its axes,
        where it changes along others.

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
                "guide", "the guide shows nothing but one grey level where the image lies: choose another one"
            )
        return guide


@dataclass(frozen=True, eq=False)
class MeasuredPoint:
    """The image of a point, which may have other pixels than the image that is restored.

    Parameters
    ----------
    data : array
        Real numbers.
    ratio : tuple of float, optional
        Its pixel size over that of the image, along each spatial axis.
    """

    data: Any
    ratio: tuple[float, ...] | None

    @cached_property
    def array(self) -> np.ndarray:
        """It on the pixels of the image, as `restore` takes it.

        Raises
        ------
        InputError
            It can't be a point spread function.
        """
        data = np.asarray(self.data)
        return data if self.ratio is None else resampled(data, self.ratio)


def guide_from(
    layer: "Image", image: "Image", inputs: Inputs, task: "Task", *, copy: bool = True
) -> tuple[Guide, dict[str, Any]]:
    """Return a layer as a guide, and where it comes from.

    Parameters
    ----------
    layer : Image
        Another image of the same scene. A plane serves every plane and frame.
    image : Image
        The layer that is restored.
    inputs : Inputs
        The part of it that is restored.
    task : Task
        Says on which grid.
    copy : bool
        Later edits change nothing.

    Returns
    -------
    Guide
    dict
        Plain JSON values; `same_grid` where it has the pixels of the whole image, restored.
    """
    ndim, d = len(inputs.to_world) - 1, layer.ndim
    finer = inputs.from_restored(task, ndim)
    shape = restored_shape(tuple(inputs.image.shape), inputs.axes, task)
    guide = Guide(
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
) -> tuple[MeasuredPoint, dict[str, Any]]:
    """Return a layer as the image of a point, and where it comes from."""
    ratio = pixel_ratio(layer, image, axes)
    origin = {**named(layer), "ratio": None if ratio is None else list(ratio)}
    return MeasuredPoint(held(finest(layer), copy=copy), ratio), origin


def pixel_ratio(layer: "Image", image: "Image", axes: Axes) -> tuple[float, ...] | None:
    """Return the pixel size of a point spread function over the image's, along each spatial axis.

    None is returned where they are the same, and where they don't compare: nobody has said how large the
    pixels of one are.
    """
    n = len(axes.spatial)
    own = list(zip(layer.scale, layer.units, strict=True))[-n:]
    of = [(image.scale[axis], image.units[axis]) for axis in axes.spatial]
    if len(own) < n or _silent(own) or (_silent(of) and not own[0][1].is_compatible_with(of[0][1])):
        return None
    ratio = tuple(
        float(abs(size / other)) * _conversion(unit, wanted)
        for (size, unit), (other, wanted) in zip(own, of, strict=True)
    )
    return None if np.allclose(ratio, 1, rtol=1e-6, atol=0) else ratio


def _silent(sizes: list[tuple[float, Any]]) -> bool:
    """Return whether nobody has said how large the pixels are."""
    return all(size == 1 and f"{unit}" == "pixel" for size, unit in sizes)


def _conversion(unit: Any, wanted: Any) -> float:
    """Return how many of one unit make the other; 1 where only one of both says a length."""
    return float((1 * unit).m_as(wanted)) if unit.is_compatible_with(wanted) else 1.0
