"""What a run reads, as it was when Run was pressed."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.transforms import Affine

from napari_dip.area import Area, index
from napari_dip.axes import Axes
from napari_dip.geometry import aligned, crop_translation
from napari_dip.plugin.layers import to_world

if TYPE_CHECKING:
    from napari.layers import Image, Labels, Layer, Shapes


@dataclass(frozen=True, eq=False)
class Inputs:
    """An image, what is missing in it, and where it lies.

    Parameters
    ----------
    name : str
        Of the source layer.
    image : array
        The part of the layer's data to restore; for a multiscale layer of its finest level.
    missing : ndarray of bool, optional
        Of the image's shape.
    axes : Axes
        Of the image.
    saturated : float, optional
        Grey level from which on values are missing.
    rgb : bool
        The last axis holds the samples of an RGB image.
    placement : dict
        Scale, translation, rotation, shear, affine, units and axis labels of the part, as napari takes them.
    looks : dict
        Colormap, contrast limits and the like of the source.
    source : dict
        Where the image and the mask come from, as plain JSON values.
    """

    name: str
    image: Any
    missing: np.ndarray | None
    axes: Axes
    saturated: float | None
    rgb: bool
    placement: dict[str, Any]
    looks: dict[str, Any]
    source: dict[str, Any]

    @property
    def options(self) -> dict[str, Any]:
        """The keyword arguments of `restore` that say what the image is."""
        return {
            "missing": self.missing,
            "axes": self.axes.letters,
            "channels": self.axes.channels,
            "saturated": self.saturated,
        }

    @property
    def hidden(self) -> np.ndarray:
        """Where there is no original, beside pixels that are not finite: masked, or saturated."""
        hidden = np.zeros(self.image.shape, bool)
        if self.missing is not None:
            hidden |= self.missing
        if self.saturated is not None:
            hidden |= np.asarray(self.image) >= self.saturated
        return hidden


def shape_of(layer: "Image") -> tuple[int, ...]:
    """Return the shape of a layer's data, at the finest level."""
    return tuple(_finest(layer).shape)


def captured(
    layer: "Image",
    axes: Axes,
    *,
    area: Area | None = None,
    mask: "Labels | None" = None,
    label: int | None = None,
    saturated: float | None = None,
    copy: bool = True,
) -> Inputs:
    """Take a picture of layers that no later edit changes, or a mere look at them where nothing is copied.

    Arrays in memory are copied. Lazy ones (dask, zarr) are read when their turn comes.

    Raises
    ------
    ValueError
        The mask can't be brought onto the image's grid.
    """
    data = _finest(layer)
    image = data if area is None else data[index(area)]
    if getattr(data, "chunks", None) is None:  # it lies in memory
        image = np.array(image) if copy else np.asarray(image)
    start = tuple(first for first, _ in area or ())[: layer.ndim] or (0,) * layer.ndim
    missing, same_grid = None, True
    if mask is not None:
        marked = np.asarray(_finest(mask))
        marked = marked != 0 if label is None else marked == label
        moved = np.eye(layer.ndim + 1)
        moved[:-1, -1] = start
        shape = tuple(image.shape[: layer.ndim])
        missing = aligned(marked, to_world(mask), to_world(layer) @ moved, shape)
        if layer.rgb:
            missing = np.broadcast_to(missing[..., None], image.shape)
        same_grid = marked.shape == tuple(data.shape[: layer.ndim]) and np.allclose(
            to_world(mask), to_world(layer)
        )
    return Inputs(
        layer.name,
        image,
        missing,
        axes,
        saturated,
        bool(layer.rgb),
        placement(layer, start),
        _looks(layer),
        {
            **_named(layer),
            "area": None if area is None else [list(ends) for ends in area],
            "missing": None
            if mask is None
            else {**_named(mask), "label": label, "same_grid": bool(same_grid)},
        },
    )


def placement(layer: "Layer", start: tuple[int, ...]) -> dict[str, Any]:
    """Return where a part of a layer lies that begins at a pixel, as napari's arguments."""
    linear = Affine(scale=layer.scale, rotate=layer.rotate, shear=layer.shear).linear_matrix
    return {
        "scale": np.array(layer.scale),
        "translate": np.array(layer.translate) + crop_translation(linear, start),
        "rotate": np.array(layer.rotate),
        "shear": np.array(layer.shear),
        "affine": np.array(layer.affine.affine_matrix),
        "units": layer.units,
        "axis_labels": layer.axis_labels,
    }


def visible_area(layer: "Image", axes: Axes, viewer: Any) -> Area:
    """Return the part of an image that the canvas shows: of looped axes, the current frame alone.

    Raises
    ------
    ValueError
        It shows nothing of the image.
    """
    shape = shape_of(layer)
    area = [(0, size) for size in shape]
    offset = viewer.dims.ndim - layer.ndim  # a layer's axes are the viewer's last ones
    shown = [axis - offset for axis in viewer.dims.displayed if axis >= offset]
    if viewer.dims.ndisplay == 2:
        level = np.array(shape[: layer.ndim]) / np.array(_level(layer).shape[: layer.ndim])
        first, last = np.asarray(layer.corner_pixels)
        for axis in shown:
            begin = int(np.floor(first[axis] * level[axis]))
            end = int(np.ceil((last[axis] + 1) * level[axis]))
            if last[axis] <= first[axis] and shape[axis] > 1:
                raise ValueError("the image lies outside of what the canvas shows")
            area[axis] = _within((begin, end), shape[axis])
    here = np.asarray(layer.world_to_data(viewer.dims.point))
    for axis in axes.looped:
        if axis < layer.ndim and axis not in shown:
            frame = int(np.clip(np.rint(here[axis]), 0, shape[axis] - 1))
            area[axis] = (frame, frame + 1)
    return tuple(area)


def drawn_area(layer: "Image", shapes: "Shapes") -> Area:
    """Return the part of an image within the selected rectangle of a Shapes layer, or its last one.

    Raises
    ------
    ValueError
        There is no rectangle, or it lies outside of the image.
    """
    chosen = sorted(shapes.selected_data) or range(len(shapes.data))
    rectangles = [at for at in chosen if shapes.shape_type[at] == "rectangle"]
    if not rectangles:
        raise ValueError(f"draw a rectangle in the layer {shapes.name!r}: there is none")
    corners = np.asarray([shapes.data_to_world(corner) for corner in shapes.data[rectangles[-1]]])
    shape = shape_of(layer)
    n = layer.ndim
    if corners.shape[1] > n:
        corners = corners[:, -n:]
    world = np.tile(np.asarray(layer.data_to_world((0,) * n), float), (len(corners), 1))
    world[:, n - corners.shape[1] :] = corners
    pixels = np.asarray([layer.world_to_data(corner) for corner in world])
    area = [(0, size) for size in shape]
    for axis in range(n):
        low, high = pixels[:, axis].min(), pixels[:, axis].max()
        if high - low > 0.5:  # a rectangle lies in a plane: along its other axes it cuts nothing
            begin, end = int(np.rint(low)), int(np.rint(high)) + 1
            if end <= 0 or begin >= shape[axis]:
                raise ValueError(f"the rectangle in the layer {shapes.name!r} lies outside of the image")
            area[axis] = _within((begin, end), shape[axis])
    return tuple(area)


def _within(ends: tuple[int, int], size: int) -> tuple[int, int]:
    begin = min(max(ends[0], 0), size - 1)
    return begin, min(max(ends[1], begin + 1), size)


def _finest(layer: "Layer") -> Any:
    return layer.data[0] if getattr(layer, "multiscale", False) else layer.data


def _level(layer: "Image") -> Any:
    return layer.data[layer.data_level] if layer.multiscale else layer.data


def _looks(layer: "Image") -> dict[str, Any]:
    names = ["blending", "gamma", "interpolation2d", "interpolation3d", "rendering"]
    if not layer.rgb:
        names += ["colormap", "contrast_limits"]
    return {name: getattr(layer, name) for name in names}


def _named(layer: "Layer") -> dict[str, Any]:
    """Return how a layer can be found again, as plain JSON values."""
    path = layer.source.path
    return {
        "layer": layer.name,
        "path": None if path is None else str(path),
        "multiscale": bool(getattr(layer, "multiscale", False)),
    }
