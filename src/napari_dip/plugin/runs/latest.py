"""Answers questions in a thread that are asked again and again, such as those of a slider."""

import logging
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QObject, Signal
from superqt.utils import FunctionWorker

_LOG = logging.getLogger(__name__)

Question = Callable[[Callable[[], bool]], Any]


class Latest(QObject):
    """Calls functions in a thread, one at a time. Of those that come meanwhile only the last one is called.

    Parameters
    ----------
    parent : QObject
        It ends with it.
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
        """Whether a function is running."""
        return self._worker is not None

    def ask(self, question: Question) -> None:
        """Call a function as soon as the one that is running has ended.

        Parameters
        ----------
        question : callable
            Is given a function that tells whether there is a newer question, so that it may end early.
        """
        self._next = question
        self._begin()

    def drop(self) -> None:
        """Forget all questions: no answer is of interest any more."""
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
        if isinstance(answer, Exception):
            _LOG.error("A result could not be updated", exc_info=answer)
        self._worker = None
        dropped, self._dropped = self._dropped, False
        if not dropped:
            self.answered.emit(answer)
        self._begin()
