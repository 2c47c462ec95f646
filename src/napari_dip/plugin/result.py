"""The layer that a run makes: live while it lasts, the answer afterwards."""

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dip.comparison import blended
from napari_dip.geometry import resampled_onto
from napari_dip.io.picture import as_dtype
from napari_dip.plugin.inputs import Inputs, placed
from napari_dip.restoration import residual
from napari_dip.series import restored_shape

if TYPE_CHECKING:
    from napari.layers import Image, Layer

    from napari_dip.reports import Restoration
    from napari_dip.tasks import Task

#: Under this name a layer's metadata hold how it was made.
KEY = "napari-dip"


class Result:
    """A layer of our own, held by identity; it is left alone as soon as somebody else changes its data.

    Parameters
    ----------
    viewer : Viewer
        Where it is shown.
    inputs : Inputs
        What is restored.
    task : Task
        What is undone.
    """

    def __init__(self, viewer: Any, inputs: Inputs, task: "Task") -> None:
        self._viewer, self.inputs, self._task = viewer, inputs, task
        #: Of the layer.
        self.name = f"{inputs.name} {task.done}"
        shape = restored_shape(tuple(inputs.image.shape), inputs.axes, task)
        # napari shows colours as bytes, or as floats from 0 to 1: an RGB image keeps its dtype.
        dtype = inputs.image.dtype if inputs.rgb and inputs.image.dtype.kind == "u" else np.dtype(np.float32)
        self._pixels = np.full(shape, 0 if dtype.kind == "u" else np.nan, dtype)
        self._restored: np.ndarray | None = None
        self.layer: Image | None = None
        self._selected: list[Layer] = []
        #: How much of the restored image is shown, from 0 to 1.
        self.strength = 1.0
        #: Values that the layer's dtype can't hold.
        self.clipped = 0

    @property
    def ours(self) -> bool:
        """The layer is in the viewer, with the pixels that we gave it."""
        layer = self.layer
        return layer is not None and layer in self._viewer.layers and layer.data is self._pixels

    @property
    def complete(self) -> bool:
        """The run has ended, and its answer is in the layer."""
        return self._restored is not None and self.ours

    def show(self, frame: tuple[int, ...], pixels: np.ndarray) -> None:
        """Show the present state of a frame."""
        if self.layer is None:
            self._add()
        if self.ours:
            self._draw(pixels, self.inputs.axes.at(frame))

    def finish(self, restoration: "Restoration") -> None:
        """Show the answer; where the live layer is gone or was changed, as a new layer."""
        self._restored = restoration.image
        if not self.ours:
            self._pixels = self._pixels.copy()
            self._add()
        self._draw(self._restored)
        assert self.layer is not None
        self.layer.metadata[KEY] = {**restoration.provenance, "source": self.inputs.source}
        active = self._viewer.layers.selection.active
        if active is None or active._type_string == "image":  # nobody is painting or drawing
            self._viewer.layers.selection = {self.layer}

    def discard(self) -> None:
        """Take the live layer away, unless somebody else has changed it."""
        if self.ours:
            layers = self._viewer.layers
            selected = self.layer in layers.selection
            layers.remove(self.layer)
            if selected:
                layers.selection = [layer for layer in self._selected if layer in layers]

    def blend(self, strength: float) -> None:
        """Show a mixture of original and restored image: 0 is the original, 1 the restored."""
        if self.complete:
            self.strength = strength
            assert self._restored is not None
            self._draw(blended(self._original, self._restored, strength))

    def add_residual(self) -> "Image":
        """Add what the restored image leaves of the data as a layer, on their grid; for colours, the mean."""
        assert self._restored is not None
        inputs = self.inputs
        left = residual(inputs.image, self._restored, self._task, **inputs.options)
        name = f"{self.name}: residual"
        if inputs.rgb:
            left, name = left.mean(-1), f"{name}, mean of the colours"
        seen = np.abs(left[np.isfinite(left)])
        limit = float(np.percentile(seen, 99.5)) if seen.any() else 1.0
        return self._viewer.add_image(
            left, name=name, colormap="gray", contrast_limits=(-limit, limit), **inputs.placement
        )

    @cached_property
    def _original(self) -> np.ndarray:
        """The image on the grid of the restored one, NaN where there is none."""
        original, ndim = self.inputs.original(), self.inputs.image.ndim
        finer = self.inputs.from_restored(self._task, ndim)
        return resampled_onto(original, np.eye(ndim + 1), finer, self._pixels.shape)

    def _add(self) -> None:
        self._selected = list(self._viewer.layers.selection)
        self.layer = self._viewer.add_image(
            self._pixels,
            name=self.name,
            rgb=self.inputs.rgb,
            multiscale=False,
            **placed(
                self.inputs.placement, self.inputs.from_restored(self._task, len(self.inputs.to_world) - 1)
            ),
            **self.inputs.looks,
        )
        self._viewer.layers.selection = self._selected  # the user may be at work in another layer

    def _draw(self, pixels: np.ndarray, at: Any = ...) -> None:
        self.clipped = 0
        if self._pixels.dtype.kind == "u":
            pixels, self.clipped = as_dtype(np.nan_to_num(pixels), self._pixels.dtype)
        self._pixels[at] = pixels
        assert self.layer is not None
        self.layer.refresh()
