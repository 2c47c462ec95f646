import threading

import pytest
from qtpy.QtCore import QObject

from napari_dip.plugin.runs.latest import Latest


class Questions:
    """Questions that wait until they may be answered."""

    def __init__(self, qtbot):
        self.qtbot, self.parent, self.asked, self.answers = qtbot, QObject(), [], []
        self.latest = Latest(self.parent)
        self.latest.answered.connect(self.answers.append)
        self.gate = threading.Event()

    def asks(self, name):
        def question(outdated):
            self.asked.append(name)
            self.gate.wait(5)
            if isinstance(name, Exception):
                raise name
            return name, outdated()

        self.latest.ask(question)

    def settle(self):
        self.gate.set()
        self.qtbot.waitUntil(lambda: not self.latest.busy, timeout=10_000)


@pytest.fixture
def questions(qtbot):
    questions = Questions(qtbot)
    yield questions
    questions.settle()


def test_of_many_questions_the_last_one_is_next(questions, qtbot):
    for name in "abcd":
        questions.asks(name)
    qtbot.waitUntil(lambda: questions.asked == ["a"], timeout=10_000)
    questions.settle()
    assert questions.asked == ["a", "d"]
    assert questions.answers == [("a", True), ("d", False)]


def test_what_is_dropped_is_not_answered(questions, qtbot):
    questions.asks("a")
    questions.asks("b")
    qtbot.waitUntil(lambda: questions.asked == ["a"], timeout=10_000)
    questions.latest.drop()
    questions.settle()
    assert questions.asked == ["a"]
    assert questions.answers == []
    questions.asks("c")
    questions.settle()
    assert questions.answers == [("c", False)]


def test_an_error_is_an_answer(questions):
    questions.asks(error := ValueError("no"))
    questions.settle()
    assert questions.answers == [error]
