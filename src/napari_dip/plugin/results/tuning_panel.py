"""What can be done with the result of a pretrained network: less of what it learnt, and the network kept."""

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
from napari_dip.restoration.text import sentence

_STEPS = 100  # of the slider


class TunedPanel(LivePanel):
    """Live weights between the first and the tuned ones, the tuned network as a file, and tuning after all.

    Parameters
    ----------
    viewer : Viewer
        Where the results are.
    """

    def __init__(self, viewer: Any) -> None:
        super().__init__(viewer)
        self.share = QSlider(Qt.Orientation.Horizontal)
        self.share.setRange(0, _STEPS)
        self.share.setToolTip(
            "<qt>How much of what it learnt from this image is in the network: 0 % nothing, 100 % all of it. "
            "The image is restored anew; self_ensemble and back-projection end it as before.</qt>"
        )
        self._percent = QLabel()
        self._percent.setMinimumWidth(34)
        self.save_button = QPushButton("Save network…")
        self.save_button.setToolTip(
            "<qt>Write the network, with the weights that the slider says, to a file that “Weights” in the "
            "settings of the method takes. Of a series that of the last frame.</qt>"
        )
        self.anyway = QPushButton("Fine-tune anyway")
        self.anyway.setToolTip(
            "<qt>Fine-tune the network although its output agrees with the data, as a new layer. What it "
            "gains is little, and may be none.</qt>"
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
        self.share.valueChanged.connect(self._retune)
        self.save_button.clicked.connect(self.save)
        self.anyway.clicked.connect(self._tune_anyway)

    def look(self, result: Result | None) -> None:
        """Show what can be done with a result; with none, or one of another method, nothing."""
        result = result if result is not None and isinstance(result.run.method, FineTune) else None
        frames = () if result is None or result.restoration is None else result.restoration.frames
        tuned = any(frame.iterations for frame in frames)
        consistent = any(frame.outcome is Outcome.CONSISTENT for frame in frames)
        self._result = result
        self.setVisible(tuned or consistent)
        self._rows.setRowVisible(self._slider, tuned)
        self.save_button.setVisible(tuned)
        self.anyway.setVisible(consistent)
        if result is not None:
            with QSignalBlocker(self.share):
                self.share.setValue(round(result.share * _STEPS))
            self._say_share()

    def save(self) -> None:
        """Write the network to a file that the user names."""
        result = self._result
        if result is None or result.restoration is None:
            return
        path = ask_where(self, f"{result.run.inputs.name} tuned.safetensors", TUNED)
        if path is None:
            return
        try:
            result.retuned.save(path, list(result.restoration.states)[-1], self.share.value() / _STEPS)
        except FileError as error:
            self.said.emit(sentence(str(error)))
            return
        self.said.emit(f"Saved: choose {path} as “Weights” of the method.")

    def _say_share(self) -> None:
        self._percent.setText(f"{self.share.value()} %")

    def _retune(self, steps: int) -> None:
        self._say_share()
        if self._result is None:
            return
        result, share = self._result, steps / _STEPS

        def retuned(outdated: Any) -> Any:
            frames = []
            for frame in result.retuned.restored(share):
                frames.append(frame)
                if outdated():
                    return None
            restored = result.with_frames(frames)
            return result, share, restored, result.run.residual(restored)

        self._latest.ask(retuned)

    def _show(self, answer: Any) -> None:
        result, *new = answer
        result.retune(*new)

    def _tune_anyway(self) -> None:
        if self._result is not None:
            run = self._result.run
            method = replace(run.tuning, action="fine-tuning")
            self.wanted.emit(
                Result(self._viewer, Run(run.inputs, run.task, method, run.options), remark="fine-tuned")
            )
