"""What can be done with the result of a filter: its strength, its maps, its kernels, and without its map."""

from dataclasses import replace
from typing import Any

from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import QLabel, QPushButton, QSlider

from napari_dip.methods import PKN
from napari_dip.plugin.forms.layout import Rows, beside, fold, vertical
from napari_dip.plugin.results.kernel_view import KernelView
from napari_dip.plugin.results.live_panel import LivePanel
from napari_dip.plugin.results.map_editor import MapEditor
from napari_dip.plugin.results.result import Result
from napari_dip.plugin.runs.run import Run

_STEPS = 100  # of the slider, for a strength of 1


class FilterPanel(LivePanel):
    """Live strength of a filter, its best single setting, its maps, and the kernel under the mouse.

    Parameters
    ----------
    viewer : Viewer
        Where the results are.
    """

    def __init__(self, viewer: Any) -> None:
        super().__init__(viewer)
        self.strength = QSlider(Qt.Orientation.Horizontal)
        self.strength.setRange(0, 3 * _STEPS)
        self.strength.setToolTip(
            "<qt>How far the parameters are taken from those that leave the image as it is: 0 not at all, 1 "
            "as they were predicted. The image is filtered anew; the maps stay as they are.</qt>"
        )
        self._times = QLabel()
        self._times.setMinimumWidth(34)
        self.single = QPushButton("Add best single setting")
        self.single.setToolTip(
            "<qt>Add what the same filter gives with one setting for all pixels: what is better than that is "
            "the gain of the map.</qt>"
        )
        self.maps = MapEditor(viewer)
        self.kernel = KernelView(viewer)
        rows = Rows()
        rows.add("Filter strength", beside(self.strength, self._times))
        column = vertical(self)
        column.addLayout(rows)
        column.addWidget(self.single)
        self.maps_fold, self.kernel_fold = fold("Maps"), fold("Kernel under the mouse")
        self.maps_fold.addWidget(self.maps)
        self.kernel_fold.addWidget(self.kernel)
        column.addWidget(self.maps_fold)
        column.addWidget(self.kernel_fold)
        self.strength.valueChanged.connect(self._strengthen)
        self.single.clicked.connect(self._add_single)
        self.maps.applied.connect(self._apply)
        self.maps.said.connect(self.said)

    def look(self, result: Result | None) -> None:
        """Show what can be done with a result; with none, or one of another method, nothing."""
        result = result if result is not None and isinstance(result.run.method, PKN) else None
        self._result = result
        self.setVisible(result is not None)
        self.kernel.look(result)
        self.maps.look(None if result is None else result.maps)
        if result is None:
            return
        self.maps_fold.setVisible(result.maps is not None)
        self.single.setEnabled(result.run.filter.predictor != "constant")
        with QSignalBlocker(self.strength):
            self.strength.setValue(round(result.run.filter.strength * _STEPS))
        self._say_strength()

    def release(self) -> None:
        """Stop following the viewer."""
        super().release()
        self.kernel.release()
        self.maps.release()

    def _say_strength(self) -> None:
        self._times.setText(f"× {self.strength.value() / _STEPS:.2f}")

    def _strengthen(self, steps: int) -> None:
        self._say_strength()
        if self._result is None:
            return
        result, strength = self._result, steps / _STEPS

        def filtered(outdated: Any) -> Any:
            frames = []
            for frame in result.refilter.restored(strength):
                frames.append(frame)
                if outdated():
                    break
            return result, strength, frames

        self._latest.ask(filtered)

    def _show(self, answer: Any) -> None:
        result, strength, frames = answer
        if result.complete and len(frames) == result.run.frames:
            result.strengthen(strength, frames)
            self.kernel.look(self._result)

    def _add_single(self) -> None:
        if self._result is not None:
            run = self._result.run
            method = replace(run.filter, predictor="constant", strength=1.0)
            single = Run(run.inputs, run.task, method, run.options, return_maps=False)
            self.wanted.emit(Result(self._viewer, single, remark="single setting"))

    def _apply(self, maps: Any) -> None:
        result = self._result
        if result is None or result.maps is None:
            return
        names = {name: layer.name for name, layer in result.maps.layers.items() if name in maps}
        inputs = result.run.inputs
        inputs = replace(inputs, source={**inputs.source, "maps": names})
        run = Run(inputs, result.run.task, replace(result.run.filter, strength=1.0), result.run.options, maps)
        self.wanted.emit(Result(self._viewer, run, maps=result.maps, remark="edited maps"))
