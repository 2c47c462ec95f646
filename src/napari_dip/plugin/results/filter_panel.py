"""What can be done with the result of a procedural kernel network."""

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

_STEPS = 100  # steps of the slider for a strength of 1


class FilterPanel(LivePanel):
    """The strength of the filter, its best single setting, its maps, and the kernel under the mouse.

    Parameters
    ----------
    viewer : Viewer
        The viewer that shows the results.
    """

    def __init__(self, viewer: Any) -> None:
        super().__init__(viewer)
        self.strength = QSlider(Qt.Orientation.Horizontal)
        self.strength.setRange(0, 3 * _STEPS)
        self.strength.setToolTip(
            "<qt>Strength of the filter: at 0 the image stays as it is, at 1 the parameters are as "
            "predicted. The image is filtered again. The maps don't change.</qt>"
        )
        self._times = QLabel()
        self._times.setMinimumWidth(34)
        self.single = QPushButton("Add best single setting")
        self.single.setToolTip(
            "<qt>Add a layer for comparison: the same filter with the best single setting for all "
            "pixels.</qt>"
        )
        self.map_editor = MapEditor(viewer)
        self.kernel_view = KernelView(viewer)
        rows = Rows()
        rows.add("Filter strength", beside(self.strength, self._times))
        column = vertical(self)
        column.addLayout(rows)
        column.addWidget(self.single)
        self.maps_fold, self.kernel_fold = fold("Maps"), fold("Kernel under the mouse")
        self.maps_fold.addWidget(self.map_editor)
        self.kernel_fold.addWidget(self.kernel_view)
        column.addWidget(self.maps_fold)
        column.addWidget(self.kernel_fold)
        self.strength.valueChanged.connect(self._refilter)
        self.single.clicked.connect(self._add_single)
        self.map_editor.applied.connect(self._apply)
        self.map_editor.said.connect(self.said)
        self.map_editor.failed.connect(self.failed)

    def show_result(self, result: Result | None) -> None:
        """Show what can be done with a result of a procedural kernel network; hide for all others."""
        result = result if result is not None and isinstance(result.run.method, PKN) else None
        self._result = result
        self.setVisible(result is not None)
        self.kernel_view.show_result(result)
        self.map_editor.show_maps(None if result is None else result.maps)
        if result is None:
            return
        self.maps_fold.setVisible(result.maps is not None)
        self.single.setEnabled(result.run.filter.predictor != "constant")
        with QSignalBlocker(self.strength):
            self.strength.setValue(round(result.run.filter.strength * _STEPS))
        self._show_strength()

    def release(self) -> None:
        """Stop following the viewer."""
        super().release()
        self.kernel_view.release()
        self.map_editor.release()

    def _show_strength(self) -> None:
        self._times.setText(f"× {self.strength.value() / _STEPS:.2f}")

    def _refilter(self, steps: int) -> None:
        self._show_strength()
        if self._result is None:
            return
        result, strength = self._result, steps / _STEPS

        def filtered(outdated: Any) -> Any:
            frames = []
            for frame in result.refilter.restored(strength, outdated):
                frames.append(frame)
                if outdated():
                    break
            return result, strength, frames

        self._latest.ask(filtered)

    def _show(self, answer: Any) -> None:
        result, strength, frames = answer
        if result.complete and len(frames) == result.run.frames:
            result.set_strength(strength, frames)
            self.kernel_view.show_result(self._result)

    def _add_single(self) -> None:
        if self._result is not None:
            run = self._result.run
            method = replace(run.filter, predictor="constant", strength=1.0)
            single = Run(run.inputs, run.task, method, run.options, return_maps=False)
            self.run_requested.emit(Result(self._viewer, single, remark="single setting"))

    def _apply(self, maps: Any) -> None:
        result = self._result
        if result is None or result.maps is None:
            return
        names = {name: layer.name for name, layer in result.maps.layers.items() if name in maps}
        inputs = result.run.inputs
        inputs = replace(inputs, source={**inputs.source, "maps": names})
        run = Run(inputs, result.run.task, replace(result.run.filter, strength=1.0), result.run.options, maps)
        self.run_requested.emit(Result(self._viewer, run, maps=result.maps, remark="edited maps"))
