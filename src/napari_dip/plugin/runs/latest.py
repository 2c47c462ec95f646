"""Asks in a thread what is quickly answered, and often asked anew: only the newest question counts."""

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QObject, Signal
from superqt.utils import FunctionWorker

Question = Callable[[Callable[[], bool]], Any]


class Latest(QObject):
    """Calls functions in a thread, one at a time; of those that come while one runs the last one is next.

    Parameters
    ----------
    parent : QObject
        With which it ends.
    """

    #: What a function returned, or the exception that it raised.
    answered = Signal(object)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._worker: Any = None
        self._next: Question | None = None
        self._dropped = False

    @property
    def busy(self) -> bool:
        """A function runs."""
        return self._worker is not None

    def ask(self, question: Question) -> None:
        """Call a function as soon as the one that runs has ended.

        Parameters
        ----------
        question : callable
            Is given what says whether there is a newer one, for which it may end early.
        """
        self._next = question
        self._begin()

    def drop(self) -> None:
        """No answer is of interest any more."""
        self._next, self._dropped = None, self.busy

    def _begin(self) -> None:
        if self.busy or self._next is None:
            return
        question, self._next = self._next, None
        self._worker = FunctionWorker(question, self._outdated)
        self._worker.returned.connect(self._ended)
        self._worker.errored.connect(self._ended)
        self._worker.start()

    def _outdated(self) -> bool:
        return self._next is not None or self._dropped

    def _ended(self, answer: Any) -> None:
        self._worker = None
        dropped, self._dropped = self._dropped, False
        if not dropped:
            self.answered.emit(answer)
        self._begin()
