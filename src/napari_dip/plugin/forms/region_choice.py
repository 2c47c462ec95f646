"""The part of an image that is restored."""

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Shapes
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox

from napari_dip.image.axes import Axes
from napari_dip.image.region import Region, written
from napari_dip.plugin.layers import shape_of, vertices

if TYPE_CHECKING:
    from napari.layers import Image

_WHOLE, _VIEW, _EARLIER = "whole image", "current view", "as before"


class RegionChoice(QComboBox):
    """The whole image, the part that the canvas shows, or a rectangle of a Shapes layer.

    Parameters
    ----------
    viewer : Viewer
        The viewer whose canvas and Shapes layers are offered.
    """

    changed = Signal()

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self._viewer = viewer
        self._earlier: Region | None = None
        self._drawn: list[tuple[Any, Any]] = []
        layers = viewer.layers
        self._followed = [
            (layers.events.inserted, self._offer),
            (layers.events.removed, self._offer),
            (viewer.scene.camera.events, self._view_moved),
            (viewer.dims.events, self._view_moved),
        ]
        for event, slot in self._followed:
            event.connect(slot)
        self.activated.connect(lambda _: self.changed.emit())
        self._offer()

    def release(self) -> None:
        """Stop following the viewer."""
        for event, slot in self._followed:
            event.disconnect(slot)
        self._followed = []
        self._follow_shapes([])

    def reset(self, earlier: Region | None) -> None:
        """Choose the whole of another image, or the region of an earlier run."""
        self._earlier = earlier
        self._offer()
        self.setCurrentIndex(max(0, self.findData(_EARLIER)) if earlier else 0)

    def region_of(self, image: "Image", axes: Axes) -> Region | None:
        """Return the chosen region of an image, or None for the whole image.

        Raises
        ------
        ValueError
            The image has no such region.
        """
        chosen, shape = self.currentData(), shape_of(image)
        if chosen is None:
            return None
        if chosen == _EARLIER:
            roi = _fitting(self._earlier, shape)
        elif chosen == _VIEW:
            roi = visible_region(image, axes, self._viewer)
        else:
            roi = drawn_region(image, chosen)
        return None if roi == tuple((0, size) for size in shape) else roi

    def _view_moved(self, event: Any = None) -> None:
        if self.currentData() == _VIEW:
            self.changed.emit()

    def _redrawn(self, event: Any = None) -> None:
        if isinstance(self.currentData(), Shapes):
            self.changed.emit()

    def _follow_shapes(self, layers: list[Shapes]) -> None:
        """Listen to changes of the shapes and of the layers' names."""
        for event, slot in self._drawn:
            event.disconnect(slot)
        self._drawn = [(layer.events.data, self._redrawn) for layer in layers]
        self._drawn += [(layer.events.name, self._offer) for layer in layers]
        for event, slot in self._drawn:
            event.connect(slot)

    def _offer(self, event: Any = None) -> None:
        before = self.currentData()
        self.clear()
        self.addItem(_WHOLE, None)
        self.addItem(_VIEW, _VIEW)
        if self._earlier is not None:
            self.addItem(f"{_EARLIER}: {written(self._earlier)}", _EARLIER)
        shapes = [layer for layer in self._viewer.layers if isinstance(layer, Shapes)]
        self._follow_shapes(shapes)
        for layer in shapes:
            self.addItem(f"rectangle in {layer.name}", layer)
        for at in range(self.count()):
            if self.itemData(at) == before:
                self.setCurrentIndex(at)
        if self.currentData() != before:
            self.changed.emit()


def _fitting(roi: Region | None, shape: tuple[int, ...]) -> Region | None:
    if roi is not None and (
        len(roi) != len(shape) or any(stop > size for (_, stop), size in zip(roi, shape, strict=True))
    ):
        raise ValueError(f"the region {written(roi)} doesn't fit into the image, whose shape is {shape}")
    return roi


def visible_region(layer: "Image", axes: Axes, viewer: Any) -> Region:
    """Return the region of an image that the canvas shows. Of a series this is the current frame alone.

    Raises
    ------
    ValueError
        The canvas shows nothing of the image.
    """
    shape = shape_of(layer)
    roi = [(0, size) for size in shape]
    offset = viewer.dims.ndim - layer.ndim  # a layer's axes are the viewer's last ones
    shown = [axis - offset for axis in viewer.dims.displayed if axis >= offset]
    if viewer.dims.ndisplay == 2:
        level = np.array(shape[: layer.ndim]) / np.array(_level(layer).shape[: layer.ndim])
        first, last = np.asarray(layer.corner_pixels)
        for axis in shown:
            begin = int(np.floor(first[axis] * level[axis]))
            end = int(np.ceil((last[axis] + 1) * level[axis]))
            if last[axis] <= first[axis] and shape[axis] > 1:
                raise ValueError("the canvas does not show the image: move it into view")
            roi[axis] = _within((begin, end), shape[axis])
    here = np.asarray(layer.world_to_data(viewer.dims.point))
    for axis in axes.frame_axes:
        if axis < layer.ndim and axis not in shown:
            frame = int(np.clip(np.rint(here[axis]), 0, shape[axis] - 1))
            roi[axis] = (frame, frame + 1)
    return tuple(roi)


def drawn_region(layer: "Image", shapes: "Shapes") -> Region:
    """Return the region of an image inside the selected rectangle of a Shapes layer, or inside its last one.

    Raises
    ------
    ValueError
        There is no rectangle, or it lies outside the image.
    """
    chosen = sorted(shapes.selected_data) or range(len(shapes.data))
    rectangles = [at for at in chosen if shapes.shape_type[at] == "rectangle"]
    if not rectangles:
        raise ValueError(f"the layer {shapes.name!r} has no rectangle: draw one")
    pixels = vertices(shapes.data[rectangles[-1]], shapes, layer)
    shape = shape_of(layer)
    roi = [(0, size) for size in shape]
    for axis in range(layer.ndim):
        low, high = pixels[:, axis].min(), pixels[:, axis].max()
        if high - low > 0.5:  # a rectangle lies in a plane, and cuts nothing along other axes
            begin, end = int(np.rint(low)), int(np.rint(high)) + 1
            if end <= 0 or begin >= shape[axis]:
                raise ValueError(f"the rectangle in the layer {shapes.name!r} lies outside the image")
            roi[axis] = _within((begin, end), shape[axis])
    return tuple(roi)


def _within(ends: tuple[int, int], size: int) -> tuple[int, int]:
    begin = min(max(ends[0], 0), size - 1)
    return begin, min(max(ends[1], begin + 1), size)


def _level(layer: "Image") -> Any:
    return layer.data[layer.data_level] if layer.multiscale else layer.data
