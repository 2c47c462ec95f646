"""One run as the user sees it: how far it is, its curve, Stop and Cancel."""

import html
import time
from abc import abstractmethod
from typing import Any

from qtpy.QtCore import QTimer, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from napari_dip.errors import RestorationError, translated_errors
from napari_dip.plugin.docks.plot import FIT, SCORE, SCORES, Curves
from napari_dip.plugin.results.result import Result
from napari_dip.plugin.runs.runner import Ending, Job, Queue, Snapshot
from napari_dip.restoration.text import duration, sentence, summary


class JobPanel(QWidget):
    """Follows a job from the queue to its end.

    Parameters
    ----------
    job : Job
        Not yet begun.
    plot : QWidget
        Shows its curves.
    queue : Queue
        Where the job runs.
    """

    #: At the end: itself, and a sentence for the user.
    ended = Signal(object, str)

    def __init__(self, job: Job, plot: QWidget, queue: Queue) -> None:
        super().__init__()
        self.job, self._plot, self._queue = job, plot, queue
        self.title = QLabel(f"<b>{job.title}</b>")
        self.title.setWordWrap(True)
        self.bar = QProgressBar()
        self.numbers = QLabel()
        self.numbers.setWordWrap(True)
        self.stop_button = QPushButton("Stop")
        self.stop_button.setToolTip("End the run, and keep the best result until now.")
        self.stop_button.clicked.connect(self._stop)
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setToolTip("End the run, and leave the layers as they were before it.")
        self.cancel_button.clicked.connect(self.cancel)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        for widget in (self.title, self.bar, self.numbers, plot):
            column.addWidget(widget)
        buttons = QHBoxLayout()
        buttons.addWidget(self.stop_button)
        buttons.addWidget(self.cancel_button)
        column.addLayout(buttons)
        job.began.connect(self._began)
        job.advanced.connect(self._advanced)
        job.ended.connect(self._ended)
        if queue.submit(job) is not None:
            self._wait()

    @abstractmethod
    def _advanced(self, snapshot: Any) -> None:
        """Show how far it is."""

    @abstractmethod
    def _ended(self, ending: Ending) -> None:
        """Say how it ended."""

    def cancel(self) -> None:
        """End the run, and leave the layers as they were."""
        self._ending("Cancelling…")
        self._queue.withdraw(self.job)

    def release(self) -> None:
        """Cancel, and listen to nothing any more: the dock or the viewer is closing."""
        for signal, slot in (
            (self.job.began, self._began),
            (self.job.advanced, self._advanced),
            (self.job.ended, self._ended),
        ):
            signal.disconnect(slot)
        self._queue.withdraw(self.job)

    def _wait(self) -> None:
        self.numbers.setText("Waits: another run has to end first.")
        for widget in (self.bar, self._plot, self.stop_button):
            widget.hide()

    def _began(self) -> None:
        self.bar.setRange(0, 0)  # busy
        self.numbers.setText("Starting…")
        for widget in (self.bar, self._plot, self.stop_button):
            widget.show()

    def _stop(self) -> None:
        self._ending("Stopping…")
        self.job.stop()

    def _ending(self, words: str) -> None:
        self.numbers.setText(words)
        self.stop_button.setEnabled(False)
        self.cancel_button.setEnabled(not self.job.stopping)


class RunPanel(JobPanel):
    """A restoration; keeps its result layer.

    Parameters
    ----------
    job : Job
        Not yet begun.
    result : Result
        Is shown each snapshot, and the answer.
    queue : Queue
        Where the job runs.
    """

    def __init__(self, job: Job, result: Result, queue: Queue) -> None:
        self.result, self.curves = result, Curves()
        self._frames = result.run.frames
        self._frame: tuple[int, ...] | None = None
        super().__init__(job, self.curves, queue)

    def _advanced(self, snapshot: Snapshot) -> None:
        began = time.perf_counter()
        if snapshot.frame != self._frame:
            self._frame = snapshot.frame
            self.curves.begin()
        self.curves.judged_by(snapshot.criterion)
        self.curves.add(snapshot.curve)
        if not self.job.stopping:
            self._say(snapshot)
        self.result.show(snapshot.frame, snapshot.pixels)
        # Qt paints when it has nothing else to do: only then has it all been drawn.
        QTimer.singleShot(0, lambda: self.job.drew(time.perf_counter() - began))

    def _say(self, snapshot: Snapshot) -> None:
        at = snapshot.position
        self.bar.setRange(0, at.total)
        self.bar.setValue(at.completed)
        parts = [f"Frame {at.frame + 1} of {self._frames}"] if self._frames > 1 else []
        parts += [f"Update {at.completed} of at most {at.total}", f"at most {duration(at.seconds_left)} left"]
        lines = [", ".join(parts), *([html.escape(snapshot.note)] if snapshot.note else [])]
        if snapshot.curve:
            _, fit, score = snapshot.curve[-1]
            errors = [coloured(f"fit error {fit:.4g}", FIT)]
            if score is not None and snapshot.criterion is not None:
                errors.append(coloured(f"{SCORES[snapshot.criterion]} {score:.4g}", SCORE))
            if self.curves.best is not None:
                errors.append(coloured("best {1:.4g} at update {0}".format(*self.curves.best), SCORE))
            lines.append(", ".join(errors))
        if snapshot.criterion is not None:
            lines.append(snapshot.criterion.value)
        if self.result.layer is not None and not self.result.ours:
            lines.append("Its layer was removed or changed: the result will be a new layer.")
        self.numbers.setText("<br>".join(lines))

    def _ended(self, ending: Ending) -> None:
        words = self._sentence(ending)
        if ending.result is None:
            self.result.discard()
        else:
            try:
                with translated_errors():
                    self.result.finish(ending.result)
            except (RestorationError, ValueError, TypeError) as error:
                words = f"The result can't be shown: {error}"
            if self.result.clipped:
                words += f" {self.result.clipped} values were clipped to the range of the colours."
        self.ended.emit(self, " ".join([words, *map(sentence, ending.notes)]))

    def _sentence(self, ending: Ending) -> str:
        if ending.error:
            return ending.error
        if ending.result is None:
            return "Cancelled: the layers are as they were."
        restoration = ending.result.restoration
        reached = len(restoration.frames)
        left = (
            "" if reached == self._frames else f" {self._frames - reached} were not reached, and are empty."
        )
        return summary(restoration) + left


def coloured(text: str, colour: QColor) -> str:
    """Return rich text in the colour of a curve."""
    return f"<span style='color: {colour.name()}'>{text}</span>"
