"""Progress and messages on standard error."""

import io
import warnings

import pytest
import torch
from rich.console import Console

from napari_dip import DIP, CostEstimate, StoppingCriterion
from napari_dip.cli.reporter import Reporter
from napari_dip.optim.iterate import Iterate


def iterate(index, frame=(), criterion=StoppingCriterion.HELD_OUT, score=1.25):
    return Iterate(index, torch.zeros(1), torch.zeros(()), score=score, frame=frame, criterion=criterion)


@pytest.fixture
def reporter(monkeypatch):
    """A reporter that writes to `text`, at a time that `clock` holds."""
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    with Reporter() as made:
        made.clock, made.text = clock, io.StringIO()
        made._console = Console(file=made.text, width=200)
        yield made


def test_a_log_gets_a_line_now_and_then(reporter):
    reporter.begin(DIP(ensemble_size=1, iterations=100))
    for index in range(0, 50, 5):
        reporter.clock[0] = index
        reporter.show(iterate(index))
    assert reporter.text.getvalue().splitlines() == [
        StoppingCriterion.HELD_OUT.value,
        "20 of at most 100 iterations, at most 80 s left, held-out error 1.2500",
        "40 of at most 100 iterations, at most 60 s left, held-out error 1.2500",
    ]


@pytest.mark.parametrize(("criterion", "score"), [(StoppingCriterion.VARIANCE, 1.25), (None, None)])
def test_only_held_out_pixels_have_an_error(reporter, criterion, score):
    reporter.begin(DIP(ensemble_size=1, iterations=100))
    reporter.clock[0] = 20
    reporter.show(iterate(20, criterion=criterion, score=score))
    assert reporter.text.getvalue().endswith("20 of at most 100 iterations, at most 80 s left\n")


def test_each_file_says_once_what_decides_when_to_stop(reporter):
    first = [StoppingCriterion.VARIANCE, StoppingCriterion.HELD_OUT, StoppingCriterion.VARIANCE]
    second = [StoppingCriterion.VARIANCE]
    for criteria in (first, second):
        reporter.begin(DIP(), frames=3)
        for frame, criterion in enumerate(criteria):
            reporter.show(iterate(0, (frame,), criterion))
    said = [*first[:2], *second]
    assert reporter.text.getvalue().splitlines() == [criterion.value for criterion in said]


def test_the_cost_of_a_short_single_step_is_not_said(reporter):
    reporter.show_cost(CostEstimate(0.1, 0.1, 0, at_once=True))
    assert reporter.text.getvalue() == ""


def test_the_time_limit_and_all_frames_count(reporter):
    reporter.begin(DIP(ensemble_size=2, iterations=50, time_limit=40.0), frames=2)
    reporter.show(iterate(0, (0,)))
    reporter.clock[0] = 30
    reporter.show(iterate(10, (1,)))
    assert "110 of at most 200 iterations, at most 25 s left" in reporter.text.getvalue()


def test_a_terminal_gets_a_bar():
    screen = io.StringIO()
    reporter = Reporter()
    reporter._bar.live.console = Console(file=screen, force_terminal=True, width=120)
    reporter._bar.disable = False
    with reporter:
        reporter.begin(DIP(ensemble_size=1, iterations=100))
        reporter.show(iterate(40))
        reporter._bar.refresh()
    assert "40 of at most 100 iterations" in screen.getvalue()
    assert " left" in screen.getvalue()


def test_warnings_are_notes_without_lines_of_code(reporter):
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = reporter._note
        warnings.warn("only the first image is read", stacklevel=1)
    assert reporter.text.getvalue() == "note: only the first image is read\n"
