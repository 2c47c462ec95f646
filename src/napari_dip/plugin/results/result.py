"""The layer of a result: it shows the run while it lasts, and the restored image afterwards."""

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dip.image.affine import resampled_onto
from napari_dip.io.image_file import as_dtype
from napari_dip.pkn.maps import NOISE_GAIN
from napari_dip.plugin.layers import KEY
from napari_dip.plugin.results.baseline import BaselineLayers, appearance, span
from napari_dip.plugin.results.blend import blended
from napari_dip.plugin.results.details import add_details
from napari_dip.plugin.results.maps import MapLayers
from napari_dip.plugin.runs.run import Run, RunOutput
from napari_dip.presentation import words_of_task
from napari_dip.restoration.readapt import Readapt
from napari_dip.restoration.refilter import Refilter
from napari_dip.restoration.series import restored_shape
from napari_dip.settings import to_dict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari.layers import Image, Layer, Points

    from napari_dip.restoration.frame_report import FrameReport
    from napari_dip.restoration.result import Restoration


#: Diameter of the ring around a peak, in standard deviations of the peak.
_RING = 8


class Result:
    """The result of a run, with its layer.

    The layer is held by identity. It is left alone as soon as somebody else changes its data.

    Parameters
    ----------
    viewer : Viewer
        The viewer that shows the layer.
    run : Run
        The run.
    maps : MapLayers, optional
        The maps of an earlier result, if this run applies them after they were edited.
    remark : str
        What the name of the layer ends with, to tell it from other results for the same image.
    """

    def __init__(self, viewer: Any, run: Run, *, maps: MapLayers | None = None, remark: str = "") -> None:
        self._viewer, self.run, self.maps = viewer, run, maps
        inputs, task = run.inputs, run.task
        #: The name of the layer.
        self.name = f"{inputs.name} {words_of_task(type(task)).result}{remark and f', {remark}'}"
        shape = restored_shape(tuple(inputs.image.shape), inputs.axes, task)
        # napari shows RGB images as bytes, or as floats from 0 to 1, so an RGB image keeps its dtype.
        dtype = inputs.image.dtype if inputs.rgb and inputs.image.dtype.kind == "u" else np.dtype(np.float32)
        self._pixels = np.full(shape, 0 if dtype.kind == "u" else np.nan, dtype)
        self._restored: np.ndarray | None = None
        #: The restored image and how it came about, once the run has ended.
        self.restoration: Restoration | None = None
        self.baseline: BaselineLayers | None = None
        self._details: list[Image] = []
        self.layer: Image | None = None
        self._selected: list[Layer] = []
        #: Whether the restored image was changed after the run, so that its diagnostics are of another image.
        self.changed = False
        #: The share of the restored image in what is shown, from 0 to 1.
        self.strength = 1.0
        #: The share of what a network learnt that its weights have, from 0 to 1.
        self.share = 1.0
        #: The number of values that were clipped to the range of the layer's dtype.
        self.clipped = 0

    @property
    def ours(self) -> bool:
        """Whether the layer is in the viewer and still has the pixels of this result."""
        layer = self.layer
        return layer is not None and layer in self._viewer.layers and layer.data is self._pixels

    @property
    def complete(self) -> bool:
        """Whether the run has ended and its restored image is in the layer."""
        return self._restored is not None and self.ours

    @property
    def companions(self) -> "list[Layer]":
        """Other layers that the run has added. To select one of them is to select this result."""
        maps = [] if self.maps is None else list(self.maps.layers.values())
        return [*maps, *self._details, *(() if self.baseline is None else self.baseline.layers)]

    def show(self, frame: tuple[int, ...], pixels: np.ndarray) -> None:
        """Show a frame as it is now."""
        if self.layer is None:
            self._widen(pixels)
            self._add()
        if self.ours:
            self._draw(pixels, self.run.inputs.axes.at(frame))

    def finish(self, output: RunOutput) -> None:
        """Show the restored image. If the live layer was removed or changed, add a new layer."""
        restoration = self.restoration = output.restoration
        self._restored = restoration.image
        if not self.ours:
            self._pixels = self._pixels.copy()
            self._widen(self._restored)
            self._add()
        self._draw(self._restored)
        assert self.layer is not None
        self.layer.metadata[KEY] = origin = {**restoration.provenance, "source": self.run.inputs.source}
        layers = self._viewer.layers
        active, selected = layers.selection.active, list(layers.selection)
        self._add_maps(restoration, origin)
        if output.residuals is not None and restoration.network_output is not None:
            pixels, _ = self._as_shown(restoration.network_output)
            self.baseline = BaselineLayers(
                self._viewer, self.run, self.layer, pixels, output.residuals, origin
            )
        self._details = add_details(self._viewer, self.run, restoration, name=self.name, origin=origin)
        idle = active is None or active._type_string == "image"  # nobody is painting or drawing
        layers.selection = {self.layer} if idle else selected

    def _add_maps(self, restoration: "Restoration", origin: dict[str, Any]) -> None:
        """Add the maps of the run as layers. If the maps were edited, only the noise gain is new."""
        inputs = self.run.inputs
        axis = None if inputs.rgb else inputs.axes.channel
        if not restoration.parameter_maps or (inputs.rgb and inputs.axes.channel is None):
            return
        new = {
            name: one
            for name, one in restoration.parameter_maps.items()
            if self.maps is None or name == NOISE_GAIN
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
        """Filters the image again. Nothing is read before it is used."""
        run = self.run
        device = run.options["device"]
        return Refilter(
            run.inputs.measurement, run.task, run.filter, parameter_maps=run.parameter_maps, device=device
        )

    def set_strength(self, strength: float, frames: "list[tuple[tuple[int, ...], np.ndarray]]") -> None:
        """Show the image filtered with another strength, and note this in its provenance."""
        if self.complete:
            restored = self.with_frames(frames)
            self.run = replace(self.run, method=replace(self.run.filter, strength=strength))
            self._update(restored, method=to_dict(self.run.method))

    @cached_property
    def readapt(self) -> Readapt:
        """Restores the image again with other weights. Nothing is read before it is used."""
        run, restoration = self.run, self.restoration
        assert restoration is not None
        device = run.options["device"]
        return Readapt(
            run.inputs.measurement,
            run.task,
            run.tuning,
            restoration.states,
            device=device,
            series=run.inputs.series,
        )

    def set_share(self, share: float, restored: np.ndarray, residual: np.ndarray) -> None:
        """Show the image restored with a share of what the network learnt, and note the share."""
        if self.complete:
            self.share = share
            self._update(restored, tuned=share)
            if self.baseline is not None:
                self.baseline.update(residual)

    def with_frames(self, frames: "Iterable[tuple[tuple[int, ...], np.ndarray]]") -> np.ndarray:
        """Return a copy of the restored image with some frames replaced."""
        assert self._restored is not None
        restored = self._restored.copy()
        for frame, pixels in frames:
            restored = restored.astype(np.result_type(restored, pixels), copy=False)
            restored[self.run.inputs.axes.at(frame)] = pixels
        return restored

    def _update(self, restored: np.ndarray, **facts: Any) -> None:
        """Show another restored image, and note in its provenance what is different."""
        assert self.layer is not None
        self._restored, self.changed = restored, True
        known = self.layer.metadata[KEY]
        frames = [{**frame, "diagnostics": None} for frame in known["frames"]]
        # All pixels were restored, those that calibrated the uncertainty as well. It is not measured again.
        self.layer.metadata[KEY] = {**known, "frames": frames, "uncertainty": False, **facts}
        self.blend(self.strength)

    @property
    def report(self) -> "FrameReport | None":
        """How the run of the frame ended that the viewer shows."""
        if self.restoration is None or not self.ours:
            return None
        place = self.pixel_at(self._viewer.dims.point)
        frames = self.run.inputs.axes.frame_axes
        shown = None if place is None else tuple(place[axis] for axis in frames)
        return next((one for one in self.restoration.frames if one.index == shown), None)

    def pixel_at(self, world: tuple[float, ...]) -> tuple[int, ...] | None:
        """Return the index of the restored pixel at a world position, or None outside the image."""
        if not self.ours:
            return None
        assert self.layer is not None
        shape = self._pixels.shape
        place = [round(float(at)) for at in self.layer.world_to_data(world)]
        place += [0] * (len(shape) - len(place))
        return tuple(place) if all(0 <= at < n for at, n in zip(place, shape, strict=True)) else None

    def discard(self) -> None:
        """Remove the live layer, unless somebody else has changed it."""
        if self.ours:
            layers = self._viewer.layers
            selected = self.layer in layers.selection
            layers.remove(self.layer)
            if selected:
                layers.selection = [layer for layer in self._selected if layer in layers]

    def blend(self, strength: float) -> None:
        """Show a mixture of the original (strength 0) and the restored image (strength 1)."""
        if self.complete:
            self.strength = strength
            assert self._restored is not None
            self._draw(blended(self._original, self._restored, strength))

    def add_residual(self) -> "Image":
        """Add the residual of the restored image as a layer."""
        assert self._restored is not None
        left = self.run.residual(self._restored)
        return self._viewer.add_image(
            left,
            name=f"{self.name}: residual{self.run.residual_remark}",
            **appearance(span(left)),
            **self.run.inputs.placement,
        )

    def add_peaks(self) -> "Points":
        """Add a layer with the places where the residual stands out from the noise, of all frames."""
        assert self.restoration is not None
        inputs = self.run.inputs
        places, widths, heights = [], [], []
        for report in self.restoration.frames:
            for peak in report.diagnostics.peaks if report.diagnostics is not None else ():
                place = dict(enumerate(inputs.axes.at(report.index)))
                place.update(zip(inputs.axes.spatial, peak.position, strict=True))
                if inputs.axes.channel is not None:
                    place[inputs.axes.channel] = peak.channel
                places.append([place[axis] for axis in range(len(inputs.to_world) - 1)])
                widths.append(peak.width)
                heights.append(peak.significance)
        return self._viewer.add_points(
            np.array(places, float).reshape(-1, len(inputs.to_world) - 1),
            name=f"{self.name}: peaks of the residual",
            size=np.multiply(widths, _RING) if widths else 1,
            features={"significance": heights, "width (px)": widths},
            face_color="transparent",
            border_color="orange",
            border_width=1,
            border_width_is_relative=False,
            **inputs.placement,
        )

    @cached_property
    def _original(self) -> np.ndarray:
        """The original image on the grid of the restored one, with NaN where pixels are missing."""
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
            **self.run.inputs.appearance,
        )
        self._viewer.layers.selection = self._selected  # the user may be working in another layer

    def _widen(self, pixels: np.ndarray) -> None:
        """Take float64 for the layer's data if pixels that will be shown need it."""
        if self._pixels.dtype == np.float32 and pixels.dtype == np.float64:
            shown, self._pixels = self.ours, self._pixels.astype(np.float64)
            if shown:
                assert self.layer is not None
                self.layer.data = self._pixels

    def _draw(self, pixels: np.ndarray, at: Any = ...) -> None:
        self._widen(pixels)
        self._pixels[at], self.clipped = self._as_shown(pixels)
        assert self.layer is not None
        self.layer.refresh()

    def _as_shown(self, pixels: np.ndarray) -> tuple[np.ndarray, int]:
        """Return pixels in the layer's dtype, and the number of values that were clipped."""
        if self._pixels.dtype.kind == "u":
            return as_dtype(np.nan_to_num(pixels), self._pixels.dtype)
        return pixels, 0
