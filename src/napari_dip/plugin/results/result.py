"""The layer that a run makes: live while it lasts, the answer afterwards."""

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dip.image.affine import resampled_onto
from napari_dip.io.image_file import as_dtype
from napari_dip.pkn.maps import NOISE_LEFT
from napari_dip.plugin.layers import KEY
from napari_dip.plugin.results.baseline import BeginningLayers, looks, span
from napari_dip.plugin.results.blend import blended
from napari_dip.plugin.results.maps import MapLayers
from napari_dip.plugin.runs.run import Run, RunOutput
from napari_dip.presentation import words_of_task
from napari_dip.restoration.readapt import Readapt
from napari_dip.restoration.refilter import Refilter
from napari_dip.restoration.series import restored_shape
from napari_dip.settings import to_dict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari.layers import Image, Layer

    from napari_dip.restoration.result import Restoration


class Result:
    """A layer of our own, held by identity; it is left alone as soon as somebody else changes its data.

    Parameters
    ----------
    viewer : Viewer
        Where it is shown.
    run : Run
        Of which it is the result.
    maps : MapLayers, optional
        Of the earlier result whose maps, edited, are applied.
    remark : str
        What sets it apart from other results for the same image, to be said in its name.
    """

    def __init__(self, viewer: Any, run: Run, *, maps: MapLayers | None = None, remark: str = "") -> None:
        self._viewer, self.run, self.maps = viewer, run, maps
        inputs, task = run.inputs, run.task
        #: Of the layer.
        self.name = f"{inputs.name} {words_of_task(type(task)).result}{remark and f', {remark}'}"
        shape = restored_shape(tuple(inputs.image.shape), inputs.axes, task)
        # napari shows colours as bytes, or as floats from 0 to 1: an RGB image keeps its dtype.
        dtype = inputs.image.dtype if inputs.rgb and inputs.image.dtype.kind == "u" else np.dtype(np.float32)
        self._pixels = np.full(shape, 0 if dtype.kind == "u" else np.nan, dtype)
        self._restored: np.ndarray | None = None
        #: How it came about, once it has.
        self.restoration: Restoration | None = None
        self.beginning: BeginningLayers | None = None
        self.layer: Image | None = None
        self._selected: list[Layer] = []
        #: How much of the restored image is shown, from 0 to 1.
        self.strength = 1.0
        #: How much of what a network has learnt is in its weights, from 0 to 1.
        self.share = 1.0
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

    @property
    def companions(self) -> "list[Layer]":
        """Other layers that the run has added; selected, they stand for this one."""
        maps = [] if self.maps is None else list(self.maps.layers.values())
        return [*maps, *(() if self.beginning is None else self.beginning.layers)]

    def show(self, frame: tuple[int, ...], pixels: np.ndarray) -> None:
        """Show the present state of a frame."""
        if self.layer is None:
            self._add()
        if self.ours:
            self._draw(pixels, self.run.inputs.axes.at(frame))

    def finish(self, made: RunOutput) -> None:
        """Show the answer; where the live layer is gone or was changed, as a new layer."""
        restoration = self.restoration = made.restoration
        self._restored = restoration.image
        if not self.ours:
            self._pixels = self._pixels.copy()
            self._add()
        self._draw(self._restored)
        assert self.layer is not None
        self.layer.metadata[KEY] = origin = {**restoration.provenance, "source": self.run.inputs.source}
        layers = self._viewer.layers
        active, selected = layers.selection.active, list(layers.selection)
        self._add_maps(restoration, origin)
        if made.residuals is not None and restoration.network_output is not None:
            pixels, _ = self._as_shown(restoration.network_output)
            self.beginning = BeginningLayers(
                self._viewer, self.run, self.layer, pixels, made.residuals, origin
            )
        idle = active is None or active._type_string == "image"  # nobody is painting or drawing
        layers.selection = {self.layer} if idle else selected

    def _add_maps(self, restoration: "Restoration", origin: dict[str, Any]) -> None:
        """Add the maps of the run as layers; of edited ones only what noise is left, the others are there."""
        inputs = self.run.inputs
        axis = None if inputs.rgb else inputs.axes.channel
        if not restoration.parameter_maps or (inputs.rgb and inputs.axes.channel is None):
            return
        new = {
            name: one
            for name, one in restoration.parameter_maps.items()
            if self.maps is None or name == NOISE_LEFT
        }
        added = MapLayers(
            self._viewer,
            new,
            name=inputs.name if self.maps is None else self.name,
            placement=self.run.placement,
            channel=axis,
            channels=1 if axis is None else self._pixels.shape[axis],
            origin={"of": self.name, "run": origin},
        )
        self.maps = self.maps or added

    @cached_property
    def refilter(self) -> Refilter:
        """What filters the image again, where a filter made it; nothing is read before it is asked."""
        run = self.run
        device = run.options["device"]
        return Refilter(run.inputs.measurement, run.task, run.filter, parameter_maps=run.maps, device=device)

    def strengthen(self, strength: float, frames: "list[tuple[tuple[int, ...], np.ndarray]]") -> None:
        """Show the image as filtered with another strength, and say so in how it was made."""
        if self.complete:
            restored = self.with_frames(frames)
            self.run = replace(self.run, method=replace(self.run.filter, strength=strength))
            self._renew(restored, method=to_dict(self.run.method))

    @cached_property
    def retuned(self) -> Readapt:
        """What restores the image again with other weights, where a network was tuned; read when asked."""
        run, made = self.run, self.restoration
        assert made is not None
        device = run.options["device"]
        return Readapt(
            run.inputs.measurement,
            run.task,
            run.tuning,
            made.states,
            device=device,
            series=run.inputs.series,
        )

    def retune(self, share: float, restored: np.ndarray, residual: np.ndarray) -> None:
        """Show the image with weights that have so much of what was learnt, and say so in how it was made."""
        if self.complete:
            self.share = share
            self._renew(restored, tuned=share)
            if self.beginning is not None:
                self.beginning.renew(residual)

    def with_frames(self, frames: "Iterable[tuple[tuple[int, ...], np.ndarray]]") -> np.ndarray:
        """Return a copy of the restored image that has other frames."""
        assert self._restored is not None
        restored = self._restored.copy()
        for frame, pixels in frames:
            restored[self.run.inputs.axes.at(frame)] = pixels
        return restored

    def _renew(self, restored: np.ndarray, **facts: Any) -> None:
        """Show another restored image, and what makes it another one."""
        assert self.layer is not None
        self._restored = restored
        self.layer.metadata[KEY] = {**self.layer.metadata[KEY], **facts}
        self.blend(self.strength)

    def pixel_at(self, world: tuple[float, ...]) -> tuple[int, ...] | None:
        """Return the restored pixel at a place of the world, of the first channel; outside of it None."""
        if not self.ours:
            return None
        assert self.layer is not None
        shape = self._pixels.shape
        place = [round(float(at)) for at in self.layer.world_to_data(world)]
        place += [0] * (len(shape) - len(place))
        return tuple(place) if all(0 <= at < n for at, n in zip(place, shape, strict=True)) else None

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
        """Add what the restored image leaves of the data as a layer."""
        assert self._restored is not None
        left = self.run.residual(self._restored)
        return self._viewer.add_image(
            left,
            name=f"{self.name}: residual{self.run.of_residual}",
            **looks(span(left)),
            **self.run.inputs.placement,
        )

    @cached_property
    def _original(self) -> np.ndarray:
        """The image on the grid of the restored one, NaN where there is none."""
        original, ndim = self.run.inputs.original(), self.run.inputs.image.ndim
        finer = self.run.inputs.from_restored(self.run.task, ndim)
        return resampled_onto(original, np.eye(ndim + 1), finer, self._pixels.shape)

    def _add(self) -> None:
        self._selected = list(self._viewer.layers.selection)
        self.layer = self._viewer.add_image(
            self._pixels,
            name=self.name,
            rgb=self.run.inputs.rgb,
            multiscale=False,
            **self.run.placement,
            **self.run.inputs.looks,
        )
        self._viewer.layers.selection = self._selected  # the user may be at work in another layer

    def _draw(self, pixels: np.ndarray, at: Any = ...) -> None:
        self._pixels[at], self.clipped = self._as_shown(pixels)
        assert self.layer is not None
        self.layer.refresh()

    def _as_shown(self, pixels: np.ndarray) -> tuple[np.ndarray, int]:
        """Return pixels in the layer's dtype, and how many values that can't hold."""
        if self._pixels.dtype.kind == "u":
            return as_dtype(np.nan_to_num(pixels), self._pixels.dtype)
        return pixels, 0
