"""Measures something in a thread once its inputs have come to rest, such as the cost of a run."""

import logging
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QObject, QTimer, Signal
from superqt.utils import FunctionWorker

from napari_dip.errors import InputError

_LOG = logging.getLogger(__name__)
_PATIENCE = 400  # milliseconds without a change before anything is measured


class Check(QObject):
    """Calls a function in a thread when its inputs have come to rest.

    Parameters
    ----------
    parent : QObject
        The check ends with it.
    prepare : callable
        Is called in the viewer's thread, and returns the function to call in the other thread, or None if
        there is nothing to call.
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
        """Call the function after some milliseconds without another request; earlier answers are void."""
        self._again = self._void = self._worker is not None
        self._timer.start(_PATIENCE if patience is None else patience)

    def drop(self) -> None:
        """Forget the request: its answer is no longer of interest."""
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
        if isinstance(found, Exception):
            level = logging.DEBUG if isinstance(found, InputError) else logging.ERROR
            _LOG.log(level, "A check failed", exc_info=found)
        self._worker = None
        void, self._void = self._void, False
        if self._again:
            self._again = False
            if not self._timer.isActive():  # otherwise the inputs have not come to rest yet
                self._timer.start(0)
        elif not void and not self._timer.isActive():
            self.found.emit(found)
