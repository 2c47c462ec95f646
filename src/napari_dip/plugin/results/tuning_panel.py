"""What can be done with the result of a pretrained network."""

from dataclasses import replace
from typing import Any

from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSlider

from napari_dip.errors import FileError
from napari_dip.methods import FineTune
from napari_dip.optim.iterate import Outcome
from napari_dip.plugin.forms.file_dialogs import TUNED, ask_where
from napari_dip.plugin.forms.layout import Rows, beside, vertical
from napari_dip.plugin.results.live_panel import LivePanel
from napari_dip.plugin.results.result import Result
from napari_dip.plugin.runs.run import Run

_STEPS = 100  # steps of the slider


class TuningPanel(LivePanel):
    """Weights between those of the pretrained and of the tuned network, a file for them, and more tuning.

    Parameters
    ----------
    viewer : Viewer
        The viewer that shows the results.
    """

    def __init__(self, viewer: Any) -> None:
        super().__init__(viewer)
        self.share = QSlider(Qt.Orientation.Horizontal)
        self.share.setRange(0, _STEPS)
        self.share.setToolTip(
            "<qt>How much of what the network learnt from this image it uses: at 0 % it is the pretrained "
            "network, at 100 % the tuned one. The image is restored again.</qt>"
        )
        self._percent = QLabel()
        self._percent.setMinimumWidth(34)
        self.save_button = QPushButton("Save network…")
        self.save_button.setToolTip(
            "<qt>Save the network, with the weights that the slider shows, to a file. To use it, choose the "
            "file as “Weights” in the settings of the method. Of a series, the network of the last frame is "
            "saved.</qt>"
        )
        self.anyway = QPushButton("Fine-tune anyway")
        self.anyway.setToolTip(
            "<qt>Fine-tune the network although its output agrees with the data, and add the result as a new "
            "layer. It may be hardly better.</qt>"
        )
        self._rows = Rows()
        self._slider = beside(self.share, self._percent)
        self._rows.add("Weights", self._slider)
        column = vertical(self)
        column.addLayout(self._rows)
        buttons = QHBoxLayout()
        for button in (self.save_button, self.anyway):
            buttons.addWidget(button)
        column.addLayout(buttons)
        self.share.valueChanged.connect(self._readapt)
        self.save_button.clicked.connect(self.save)
        self.anyway.clicked.connect(self._tune_anyway)

    def show_result(self, result: Result | None) -> None:
        """Show what can be done with a result of a pretrained network; hide for all others."""
        result = result if result is not None and isinstance(result.run.method, FineTune) else None
        restoration = None if result is None else result.restoration
        # Weights that no temporary file could hold can't be changed or saved.
        tuned = restoration is not None and bool(restoration.states)
        frames = () if restoration is None else restoration.frames
        consistent = any(frame.outcome is Outcome.CONSISTENT for frame in frames)
        self._result = result
        self.setVisible(tuned or consistent)
        self._rows.setRowVisible(self._slider, tuned)
        self.save_button.setVisible(tuned)
        self.anyway.setVisible(consistent)
        if result is not None:
            with QSignalBlocker(self.share):
                self.share.setValue(round(result.share * _STEPS))
            self._show_share()

    def save(self) -> None:
        """Save the network to a file that the user names."""
        result = self._result
        if result is None or result.restoration is None:
            return
        path = ask_where(self, f"{result.run.inputs.name} tuned.safetensors", TUNED)
        if path is None:
            return
        try:
            result.readapt.save(path, list(result.restoration.states)[-1], self.share.value() / _STEPS)
        except FileError as error:
            self.failed.emit(error)
            return
        self.said.emit(f"Saved. To use the network, choose {path} as “Weights” of the method.")

    def _show_share(self) -> None:
        self._percent.setText(f"{self.share.value()} %")

    def _readapt(self, steps: int) -> None:
        self._show_share()
        if self._result is None:
            return
        result, share = self._result, steps / _STEPS

        def readapted(outdated: Any) -> Any:
            frames = []
            for frame in result.readapt.restored(share):
                frames.append(frame)
                if outdated():
                    return None
            restored = result.with_frames(frames)
            return result, share, restored, result.run.residual(restored)

        self._latest.ask(readapted)

    def _show(self, answer: Any) -> None:
        result, *new = answer
        result.set_share(*new)

    def _tune_anyway(self) -> None:
        if self._result is not None:
            run = self._result.run
            method = replace(run.tuning, action="fine-tuning")
            self.run_requested.emit(
                Result(self._viewer, Run(run.inputs, run.task, method, run.options), remark="fine-tuned")
            )
