"""Measures in a thread, before a run, what it will cost, or why it can't be done."""

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QObject, QTimer, Signal
from superqt.utils import FunctionWorker

_PATIENCE = 400  # milliseconds without a change, before anything is measured


class Check(QObject):
    """Calls a function in a thread when its inputs have come to rest.

    Parameters
    ----------
    parent : QObject
        With which it ends.
    prepare : callable
        Is called in the viewer's thread and returns the function to be called in the other one, or None
        where there is nothing to call.
    """

    #: What the function returned, or the exception that it raised.
    found = Signal(object)

    def __init__(self, parent: QObject, prepare: Callable[[], Callable[[], Any] | None]) -> None:
        super().__init__(parent)
        self._prepare = prepare
        self._worker: Any = None
        self._again = self._void = False
        #: Warnings of the last call, each once.
        self.notes: list[str] = []
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._start)

    def request(self, patience: int | None = None) -> None:
        """Call the function, unless this is asked again within some milliseconds; what was found is void."""
        self._again = self._void = self._worker is not None
        self._timer.start(_PATIENCE if patience is None else patience)

    def drop(self) -> None:
        """What was asked is no longer of interest."""
        self._again, self._void = False, self._worker is not None
        self._timer.stop()

    def _start(self) -> None:
        if self._worker is not None:  # its end starts the next one
            return
        call = self._prepare()
        if call is None:
            return
        self.notes = []
        self._worker = FunctionWorker(call)
        self._worker.warned.connect(self._warned)
        self._worker.returned.connect(self._ended)
        self._worker.errored.connect(self._ended)
        self._worker.start()

    def _warned(self, warning: tuple[Any, ...]) -> None:
        message, category, *_ = warning
        if issubclass(category, UserWarning) and str(message) not in self.notes:
            self.notes.append(str(message))

    def _ended(self, found: Any) -> None:
        self._worker = None
        void, self._void = self._void, False
        if self._again:
            self._again = False
            if not self._timer.isActive():  # otherwise the inputs have not come to rest yet
                self._timer.start(0)
        elif not void and not self._timer.isActive():
            self.found.emit(found)
