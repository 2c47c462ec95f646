"""What panels share that update a result while a slider moves."""

from abc import abstractmethod
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_dip.plugin.results.result import Result
from napari_dip.plugin.runs.latest import Latest


class LivePanel(QWidget):
    """Works on a result in a thread. Only the answer to the latest question is shown.

    Parameters
    ----------
    viewer : Viewer
        The viewer that shows the results.
    """

    #: A result whose run is to be started.
    run_requested = Signal(object)
    #: A sentence for the user.
    said = Signal(str)
    #: The result has changed.
    changed = Signal()
    #: An error, as an exception.
    failed = Signal(object)

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self._viewer = viewer
        self._result: Result | None = None
        self._latest = Latest(self)
        self._latest.answered.connect(self._answered)

    def release(self) -> None:
        """Stop following the viewer."""
        self._latest.drop()
        self._result = None

    def _answered(self, answer: Any) -> None:
        if isinstance(answer, Exception):
            self.failed.emit(answer)
        elif answer is not None:
            self._show(answer)
            self.changed.emit()

    @abstractmethod
    def _show(self, answer: Any) -> None:
        """Show what was computed."""
