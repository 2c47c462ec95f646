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
        self._again = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._start)

    def request(self, patience: int = _PATIENCE) -> None:
        """Call the function, unless this is asked again within some milliseconds; what was found is void."""
        self._again = self._worker is not None
        self._timer.start(patience)

    def _start(self) -> None:
        if self._worker is not None:  # its end starts the next one
            return
        call = self._prepare()
        if call is None:
            return
        self._worker = FunctionWorker(call)
        self._worker.returned.connect(self._ended)
        self._worker.errored.connect(self._ended)
        self._worker.start()

    def _ended(self, found: Any) -> None:
        self._worker = None
        if self._again:
            self._again = False
            self._timer.start(0)
        elif not self._timer.isActive():
            self.found.emit(found)
