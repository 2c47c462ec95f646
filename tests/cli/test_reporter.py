import io

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
        reporter.watch(iterate(index))
    assert reporter.text.getvalue().splitlines() == [
        StoppingCriterion.HELD_OUT.value,
        "20 of at most 100 updates, 80 s left at most, held-out error 1.2500",
        "40 of at most 100 updates, 60 s left at most, held-out error 1.2500",
    ]


@pytest.mark.parametrize(("criterion", "score"), [(StoppingCriterion.VARIANCE, 1.25), (None, None)])
def test_only_held_out_pixels_have_an_error(reporter, criterion, score):
    reporter.begin(DIP(ensemble_size=1, iterations=100))
    reporter.clock[0] = 20
    reporter.watch(iterate(20, criterion=criterion, score=score))
    assert reporter.text.getvalue().endswith("20 of at most 100 updates, 80 s left at most\n")


def test_each_file_says_once_what_decides(reporter):
    for judges in (
        [StoppingCriterion.VARIANCE, StoppingCriterion.HELD_OUT, StoppingCriterion.VARIANCE],
        [StoppingCriterion.VARIANCE],
    ):
        reporter.begin(DIP(), frames=3)
        for frame, criterion in enumerate(judges):
            reporter.watch(iterate(0, (frame,), criterion))
    said = [
        StoppingCriterion.VARIANCE.value,
        StoppingCriterion.HELD_OUT.value,
        StoppingCriterion.VARIANCE.value,
    ]
    assert reporter.text.getvalue().splitlines() == said


def test_what_is_over_at_once_is_not_announced(reporter):
    reporter.announce(CostEstimate(0.1, 0.1, 0, at_once=True))
    assert reporter.text.getvalue() == ""


def test_the_time_limit_counts_and_so_do_frames(reporter):
    reporter.begin(DIP(ensemble_size=2, iterations=50, time_limit=40.0), frames=2)
    reporter.watch(iterate(0, (0,)))
    reporter.clock[0] = 30
    reporter.watch(iterate(10, (1,)))
    assert "110 of at most 200 updates, 25 s left at most" in reporter.text.getvalue()


def test_a_terminal_gets_a_bar():
    screen = io.StringIO()
    reporter = Reporter()
    reporter._bar.live.console = Console(file=screen, force_terminal=True, width=120)
    reporter._bar.disable = False
    with reporter:
        reporter.begin(DIP(ensemble_size=1, iterations=100))
        reporter.watch(iterate(40))
        reporter._bar.refresh()
    assert "40 of at most 100 updates" in screen.getvalue()
    assert "left at most" in screen.getvalue()


def test_warnings_are_notes_without_lines_of_code(reporter):
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = reporter._warn
        warnings.warn("only the first image is read", stacklevel=1)
    assert reporter.text.getvalue() == "note: only the first image is read\n"
