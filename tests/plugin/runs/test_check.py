import threading
import time
import warnings

import pytest
from qtpy.QtCore import QObject, QThreadPool
from qtpy.QtWidgets import QWidget

from napari_dip import RestorationError
from napari_dip.errors import InputError
from napari_dip.plugin.runs.check import Check


class Asker:
    """Somebody who asks, and a function that answers when it may.

    Parameters
    ----------
    parent : QObject
        Of the check.
    """

    def __init__(self, parent):
        self.value = None
        self.calls: list[object] = []  # with which value the function was called
        self.times: list[float] = []
        self.found: list[object] = []
        self.gate = threading.Event()  # while it is not set, a call takes its time
        self.gate.set()
        self.prepared = 0
        self.check = Check(parent, self._prepare)
        self.check.found.connect(self.found.append)

    def _prepare(self):
        self.prepared += 1
        value = self.value

        def call():
            self.calls.append(value)
            self.times.append(time.monotonic())
            assert self.gate.wait(5)
            if callable(value):
                return value()
            return value

        return None if value is None else call

    def asks(self, value, patience=0):
        self.value = value
        self.check.request(patience)


@pytest.fixture
def parent(qtbot):
    return QObject()


@pytest.fixture
def asker(parent, qtbot):
    asker = Asker(parent)
    yield asker
    asker.gate.set()
    assert QThreadPool.globalInstance().waitForDone(2000)
    qtbot.wait(5)


@pytest.fixture
def settles(qtbot):
    """Return a function that waits for a number of answers, and that no other one follows."""

    def resolved(asker, answers=1):
        qtbot.waitUntil(lambda: len(asker.found) == answers, timeout=3000)
        qtbot.wait(30)
        assert len(asker.found) == answers

    return resolved


def raising(error):
    def act():
        raise error

    return act


def test_only_the_last_of_many_requests_is_answered(asker, settles):
    for value in range(1, 30):
        asker.asks(value, patience=30)
    settles(asker)
    assert (asker.calls, asker.found, asker.prepared) == ([29], [29], 1)


def test_only_the_last_of_many_requests_is_answered_while_it_goes_on(asker, settles, qtbot):
    for value in range(1, 12):
        asker.asks(value, patience=40)
        qtbot.wait(5)
    settles(asker)
    assert asker.found == [11]


def test_requests_with_a_rest_between_them_are_all_answered(asker, settles):
    for value in (1, 2, 3):
        asker.asks(value)
        settles(asker, value)
    assert asker.found == asker.calls == [1, 2, 3]


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA out of memory"),
        MemoryError(),
        ValueError("must be odd"),
        InputError("missing", "needs missing pixels"),
        RestorationError("Lower the learning rate."),
        KeyError("x"),
        StopIteration(),
        Exception(),
    ],
    ids=repr,
)
def test_an_error_arrives_as_it_was_raised_and_the_next_call_works(asker, settles, error):
    asker.asks(raising(error))
    settles(asker)
    assert asker.found[0] is error
    asker.asks("fine")
    settles(asker, 2)
    assert asker.found[1] == "fine"


@pytest.mark.parametrize("first", ["an answer", raising(RuntimeError("an error"))], ids=["answer", "error"])
@pytest.mark.parametrize("patience", [0, 20])
def test_a_change_during_the_call_voids_its_answer_and_calls_again(asker, settles, qtbot, first, patience):
    asker.gate.clear()
    asker.asks(first)
    qtbot.waitUntil(lambda: len(asker.calls) == 1)
    for value in ("second", "third"):
        asker.asks(value, patience)
    qtbot.wait(2 * patience)
    asker.gate.set()
    settles(asker)
    assert asker.found == ["third"]
    assert asker.calls == [first, "third"]


def test_a_change_during_the_call_has_to_come_to_rest_too(asker, settles, qtbot):
    asker.gate.clear()
    asker.asks("first")
    qtbot.waitUntil(lambda: len(asker.calls) == 1)
    asked = time.monotonic()
    asker.asks("second", patience=200)
    asker.gate.set()
    settles(asker)
    assert asker.found == ["second"]
    assert asker.times[1] - asked > 0.18  # Qt's timers may be early by a twentieth


def test_no_two_calls_at_once(asker, settles, qtbot):
    asker.gate.clear()
    for value in range(1, 6):
        asker.asks(value)
        qtbot.wait(10)
    assert asker.calls == [1]
    asker.gate.set()
    settles(asker)
    assert asker.calls == [1, 5]


def test_what_is_dropped_is_never_called(asker, qtbot):
    asker.asks("wrong", patience=10)
    asker.check.drop()
    qtbot.wait(50)
    assert (asker.prepared, asker.found) == (0, [])


@pytest.mark.parametrize("value", ["wrong", raising(RuntimeError("wrong"))], ids=["answer", "error"])
@pytest.mark.parametrize("again", [False, True])
def test_what_is_dropped_during_its_call_is_not_answered(asker, settles, qtbot, value, again):
    asker.gate.clear()
    asker.asks(value)
    qtbot.waitUntil(lambda: bool(asker.calls))
    if again:
        asker.asks("wrong too")
    asker.check.drop()
    asker.gate.set()
    qtbot.wait(50)
    assert (len(asker.calls), asker.found) == (1, [])
    asker.asks("right")
    settles(asker)
    assert asker.found == ["right"]


def test_a_request_after_a_drop_during_a_call_is_answered(asker, settles, qtbot):
    asker.gate.clear()
    asker.asks("wrong")
    qtbot.waitUntil(lambda: bool(asker.calls))
    asker.check.drop()
    asker.asks("right")
    asker.gate.set()
    settles(asker)
    assert asker.found == ["right"]


def test_where_there_is_nothing_to_call_nothing_is_found(asker, settles, qtbot):
    asker.asks(None)
    qtbot.waitUntil(lambda: asker.prepared == 1)
    asker.asks("something")
    settles(asker)
    assert asker.found == ["something"]


def test_a_request_that_turns_out_to_be_nothing_voids_the_call_before_it(asker, qtbot):
    asker.gate.clear()
    asker.asks("void")
    qtbot.waitUntil(lambda: bool(asker.calls))
    asker.asks(None)
    asker.gate.set()
    qtbot.waitUntil(lambda: asker.prepared == 2)
    qtbot.wait(20)
    assert asker.found == []


def test_notes_are_those_of_the_last_call_and_each_once(asker, settles):
    def warns():
        for text in ("a guess", "a guess", "few pixels"):
            warnings.warn(text, UserWarning, stacklevel=1)
            warnings.warn("an old name", DeprecationWarning, stacklevel=1)
        return "found"

    seen = []
    asker.check.found.connect(lambda _: seen.append(list(asker.check.notes)))
    for answers, value in enumerate((warns, warns, "quiet"), 1):
        asker.asks(value)
        settles(asker, answers)
    assert seen == [["a guess", "few pixels"], ["a guess", "few pixels"], []]


@pytest.mark.parametrize(
    "value",
    ["an answer", raising(RuntimeError("an error")), lambda: warnings.warn("a warning", stacklevel=1)],
    ids=["answer", "error", "warning"],
)
def test_nothing_arrives_once_the_parent_is_deleted(qtbot, value):
    parent = QWidget()
    asker = Asker(parent)
    asker.gate.clear()
    asker.asks(value)
    qtbot.waitUntil(lambda: bool(asker.calls))
    with qtbot.waitSignal(parent.destroyed):
        parent.deleteLater()
    asker.gate.set()
    assert QThreadPool.globalInstance().waitForDone(2000)
    qtbot.wait(30)  # an exception in a slot fails the test
    assert (asker.found, asker.check.notes) == ([], [])


def test_a_parent_that_is_deleted_takes_its_requests_with_it(qtbot):
    parent = QWidget()
    asker = Asker(parent)
    asker.asks("void", patience=20)
    with qtbot.waitSignal(parent.destroyed):
        parent.deleteLater()
    qtbot.wait(60)
    assert (asker.prepared, asker.found) == (0, [])
