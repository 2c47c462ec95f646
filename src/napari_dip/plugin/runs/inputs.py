"""What a run reads of the viewer's layers."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.transforms import Affine

from napari_dip.image.affine import aligned, crop_translation, grid_to_pixels
from napari_dip.image.axes import Axes
from napari_dip.image.region import Region, index
from napari_dip.plugin.layers import finest, held, named, to_world
from napari_dip.plugin.runs.companions import GuideLayer, PSFLayer
from napari_dip.restoration.measurement import Measurement

if TYPE_CHECKING:
    from napari.layers import Image, Labels

    from napari_dip.restoration.series import Following
    from napari_dip.tasks import Task

_PLACEMENT = ("scale", "translate", "rotate", "shear", "units", "axis_labels")


@dataclass(frozen=True, eq=False)
class Inputs:
    """An image, what is missing in it, and where it lies.

    Parameters
    ----------
    name : str
        Name of the source layer.
    image : array
        The part of the layer's data to restore. Of a multiscale layer it is part of the finest level.
    missing : ndarray of bool, optional
        Where pixels are missing, in the image's shape.
    axes : Axes
        The axes of the image.
    saturation_level : float, optional
        Pixels at or above this grey level are missing.
    rgb : bool
        Whether the last axis holds the samples of an RGB image.
    to_world : ndarray
        Homogeneous matrix from the image's pixels to the world. It has no axis for the samples of RGB.
    placement : dict
        Scale, translation, rotation, shear, affine, units and axis labels of the part, as napari takes them.
    appearance : dict
        Colormap, contrast limits and so on of the source layer.
    source : dict
        Where the image and all that goes with it come from, as plain JSON values.
    guide : GuideLayer, optional
        The image that guides the restoration.
    psf : PSFLayer, optional
        The measured image of a point.
    series : {"warm_start", "drift", "independent"}
        How a frame follows the one before.
    """

    name: str
    image: Any
    missing: np.ndarray | None
    axes: Axes
    saturation_level: float | None
    rgb: bool
    to_world: np.ndarray
    placement: dict[str, Any]
    appearance: dict[str, Any]
    source: dict[str, Any]
    guide: GuideLayer | None = None
    psf: PSFLayer | None = None
    series: "Following" = "warm_start"

    @cached_property
    def measurement(self) -> Measurement:
        """What was measured. To make it takes time if a guide or a point spread function is resampled."""
        return Measurement(
            self.image,
            axes=self.axes.letters,
            channels=self.axes.channels,
            missing=self.missing,
            saturation_level=self.saturation_level,
            guide=None if self.guide is None else self.guide.array,
            psf=None if self.psf is None else self.psf.array,
        )

    @property
    def hidden(self) -> np.ndarray:
        """Where pixels are masked or saturated."""
        hidden = np.zeros(self.image.shape, bool)
        if self.missing is not None:
            hidden |= self.missing
        if self.saturation_level is not None:
            hidden |= np.asarray(self.image) >= self.saturation_level
        return hidden

    def original(self) -> np.ndarray:
        """Return the image as float32 or float64, with NaN where pixels are missing."""
        image = np.asarray(self.image)
        original = image.astype(np.result_type(image.dtype, np.float32))
        original[self.hidden] = np.nan
        return original

    def from_restored(self, task: "Task", ndim: int) -> np.ndarray:
        """Return the homogeneous matrix from the pixels of the restored image to those of the image.

        Parameters
        ----------
        task : Task
            Tells how fine the pixels of the restored image are.
        ndim : int
            The number of axes: all, or all but the samples of an RGB image.
        """
        spatial = self.axes.spatial
        return grid_to_pixels(task.grid(tuple(self.image.shape[axis] for axis in spatial)), spatial, ndim)


def captured(
    layer: "Image",
    axes: Axes,
    *,
    roi: Region | None = None,
    mask: "Labels | None" = None,
    label: int | None = None,
    saturation_level: float | None = None,
    copy: bool = True,
) -> Inputs:
    """Return what a run reads of layers.

    Parameters
    ----------
    layer : Image
        The layer to restore.
    axes : Axes
        Its axes.
    roi : Region, optional
        The part to restore. By default it is all of the layer.
    mask : Labels, optional
        Marks missing pixels. It is laid over the image as both are seen.
    label : int, optional
        The label that marks them. By default all labels do.
    saturation_level : float, optional
        Pixels at or above this grey level are missing.
    copy : bool
        Copy the arrays in memory, so that no later edit changes them. Lazy arrays (dask, zarr) are never
        copied: they are read frame by frame during the run.

    Raises
    ------
    ValueError
        The mask can't be brought onto the image's grid.
    """
    data = finest(layer)
    image = held(data if roi is None else data[index(roi)], copy=copy)
    moved = np.eye(layer.ndim + 1)
    moved[:-1, -1] = [first for first, _ in roi][: layer.ndim] if roi else 0
    here = to_world(layer) @ moved
    missing, same_grid = None, True
    if mask is not None:
        marked = np.asarray(finest(mask))
        marked = marked != 0 if label is None else marked == label
        missing = aligned(marked, to_world(mask), here, tuple(image.shape[: layer.ndim]))
        if layer.rgb:
            missing = np.broadcast_to(missing[..., None], image.shape)
        same_grid = marked.shape == tuple(data.shape[: layer.ndim]) and np.allclose(
            to_world(mask), to_world(layer)
        )
    whole = {name: getattr(layer, name) for name in _PLACEMENT} | {"affine": layer.affine.affine_matrix}
    return Inputs(
        layer.name,
        image,
        missing,
        axes,
        saturation_level,
        bool(layer.rgb),
        here,
        placed(whole, moved),
        _appearance(layer),
        {
            **named(layer),
            "roi": None if roi is None else [list(ends) for ends in roi],
            "missing": None
            if mask is None
            else {**named(mask), "label": label, "same_grid": bool(same_grid)},
        },
    )


def placed(placement: dict[str, Any], to_pixels: np.ndarray) -> dict[str, Any]:
    """Return as napari's arguments where an image lies that is a part of another image, or finer.

    Parameters
    ----------
    placement : dict
        Where the other image lies.
    to_pixels : ndarray
        Homogeneous matrix from the image's pixels to those of the other one: a scale and a translation.
    """
    of_scale = {name: placement[name] for name in ("scale", "rotate", "shear")}
    linear = Affine(**of_scale).linear_matrix
    return {
        **{name: np.array(placement[name]) for name in ("rotate", "shear", "affine")},
        "scale": placement["scale"] * to_pixels.diagonal()[:-1],
        "translate": placement["translate"] + crop_translation(linear, to_pixels[:-1, -1]),
        "units": placement["units"],
        "axis_labels": placement["axis_labels"],
    }


def _appearance(layer: "Image") -> dict[str, Any]:
    names = ["blending", "gamma", "interpolation2d", "interpolation3d", "rendering"]
    if not layer.rgb:
        names += ["colormap", "contrast_limits"]
    return {name: getattr(layer, name) for name in names}
