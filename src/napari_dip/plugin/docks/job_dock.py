"""A dock in which jobs run: what all docks share, from Run to the end."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QPushButton, QWidget

from napari_dip.errors import FileError, InputError
from napari_dip.plugin.docks.job_panel import JobPanel
from napari_dip.plugin.docks.message import Message
from napari_dip.plugin.forms.layout import Scroll, vertical
from napari_dip.plugin.runs.report import bug_report
from napari_dip.plugin.runs.runner import Queue, queue_of
from napari_dip.restoration.text import sentence


class Follower(Protocol):
    """Listens to the viewer, or works in a thread."""

    def release(self) -> None:
        """Stop listening and working."""


class JobDock(QWidget):
    """Settings, a button that starts a job, and a panel for each job while it runs.

    Parameters
    ----------
    viewer : Viewer
        The viewer whose layers the dock works on.
    queue : Queue, optional
        Where jobs wait for each other. By default it is the queue of the viewer.
    button : str
        What the button says.
    """

    def __init__(self, viewer: Any, queue: Queue | None, button: str) -> None:
        super().__init__()
        self._viewer = viewer
        self._queue = queue_of(viewer) if queue is None else queue
        self._panels: list[Any] = []
        self._on_destroyed: Callable[..., None] | None = None
        self.status, self.message = Message(), Message()
        self.run_button = QPushButton(button)
        self.run_button.setStyleSheet("font-weight: bold; padding: 6px;")
        self._running = vertical(QWidget(self))

    def _lay_out(self, *settings: QWidget, after: QWidget) -> None:
        """Arrange the parts of the settings, the button, the running jobs, and what follows a run."""
        content = QWidget()
        rows = vertical(content)
        rows.setContentsMargins(0, 0, 6, 0)
        rows.setSpacing(10)
        for part in settings:
            rows.addWidget(part)
        rows.addStretch(1)
        column = vertical(self)
        column.setContentsMargins(6, 6, 6, 6)
        column.addWidget(Scroll(content), stretch=1)
        for widget in (self.status, self.run_button, self._running.parentWidget(), self.message, after):
            column.addWidget(widget)

    def _follow(self, *followers: Follower) -> None:
        """Release followers and jobs when the dock is closed, or destroyed with its window."""
        panels = self._panels

        def release(*_: Any) -> None:
            for panel in panels:
                panel.release()
            panels.clear()
            for follower in followers:
                follower.release()

        self._on_destroyed = release
        self.destroyed.connect(release)

    def _show_panel(self, panel: JobPanel) -> None:
        """Show a job until it ends."""
        panel.ended.connect(self._ended)
        self._panels.append(panel)
        self._running.addWidget(panel)

    def _ended(self, panel: JobPanel, words: str, details: str) -> None:
        self._panels.remove(panel)
        self._running.removeWidget(panel)
        panel.deleteLater()
        self.message.say(words, details)

    def _say(self, words: str) -> None:
        self.message.say(words)

    def _say_error(self, error: Exception, settings: Mapping[str, Any]) -> None:
        self.message.say(sentence(str(error)), details_of(error, settings))

    def release(self) -> None:
        """Cancel all jobs and stop following the viewer."""
        if self._on_destroyed is not None:
            self._on_destroyed()
            # From here on Python collects the dock as garbage, perhaps after what the function needs.
            self.destroyed.disconnect(self._on_destroyed)
            self._on_destroyed = None

    def event(self, event: QEvent) -> bool:
        """Notice that napari has taken the dock out of its window, which is how its X closes it."""
        if event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self.release()
        return bool(super().event(event))


def details_of(error: Exception, settings: Mapping[str, Any]) -> str:
    """Return the text of a bug report, or nothing for an error that the user can correct."""
    return "" if isinstance(error, (InputError, FileError)) else bug_report(error, settings)
