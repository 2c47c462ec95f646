"""A job as the user sees it: how far it is, its curves, Stop and Cancel."""

from abc import abstractmethod
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QWidget

from napari_dip.plugin.forms.layout import WrappedLabel, vertical
from napari_dip.plugin.runs.runner import Ending, Job, Queue


class JobPanel(QWidget):
    """Follows a job from the queue to its end.

    Parameters
    ----------
    job : Job
        A job that has not begun.
    curves : QWidget
        Shows the curves of the job.
    queue : Queue
        Where the job runs.
    """

    #: At the end: the panel itself, a sentence for the user, and the details of an error.
    ended = Signal(object, str, str)

    def __init__(self, job: Job, curves: QWidget, queue: Queue) -> None:
        super().__init__()
        self.job, self._curves, self._queue = job, curves, queue
        self.title = WrappedLabel(f"<b>{job.title}</b>")
        self.bar = QProgressBar()
        self.numbers = WrappedLabel()
        self.stop_button = QPushButton("Stop")
        self.stop_button.setToolTip("End the run, and keep the best result so far.")
        self.stop_button.clicked.connect(self._stop)
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setToolTip("End the run, and leave the layers as they were before it.")
        self.cancel_button.clicked.connect(self.cancel)
        column = vertical(self)
        for widget in (self.title, self.bar, self.numbers, curves):
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
        """Show how far the job is."""

    @abstractmethod
    def _ended(self, ending: Ending) -> None:
        """Say how the job ended."""

    def cancel(self) -> None:
        """End the job, and leave the layers as they were."""
        self._ending("Cancelling…")
        self._queue.withdraw(self.job)

    def release(self) -> None:
        """Cancel the job and stop listening to it: the dock or the viewer is closing."""
        for signal, slot in (
            (self.job.began, self._began),
            (self.job.advanced, self._advanced),
            (self.job.ended, self._ended),
        ):
            signal.disconnect(slot)
        self._queue.withdraw(self.job)

    def _wait(self) -> None:
        self.numbers.setText("Waiting for another run to end.")
        for widget in (self.bar, self._curves, self.stop_button):
            widget.hide()

    def _began(self) -> None:
        self.bar.setRange(0, 0)  # busy
        self.numbers.setText("Starting…")
        for widget in (self.bar, self._curves, self.stop_button):
            widget.show()

    def _stop(self) -> None:
        self._ending("Stopping…")
        self.job.stop()

    def _ending(self, words: str) -> None:
        self.numbers.setText(words)
        self.stop_button.setEnabled(False)
        self.cancel_button.setEnabled(not self.job.stopping)


def coloured(text: str, colour: QColor) -> str:
    """Return rich text in the colour of a curve."""
    return f"<span style='color: {colour.name()}'>{text}</span>"
