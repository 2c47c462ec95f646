"""What panels have in common that make a result anew in a moment."""

from abc import abstractmethod
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_dip.plugin.results.result import Result
from napari_dip.plugin.runs.latest import Latest
from napari_dip.restoration.text import sentence


class LivePanel(QWidget):
    """Looks after a result; what is asked of it is computed in a thread, and only the newest answer counts.

    Parameters
    ----------
    viewer : Viewer
        Where the results are.
    """

    #: A result that is to be made.
    wanted = Signal(object)
    #: A sentence for the user.
    said = Signal(str)

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
            self.said.emit(sentence(str(answer)))
        elif answer is not None:
            self._show(answer)

    @abstractmethod
    def _show(self, answer: Any) -> None:
        """Show what was computed."""
