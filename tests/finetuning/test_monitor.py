import pytest
import torch

from napari_dip.finetuning.monitor import Interruption, Monitor
from napari_dip.optim.iterate import Outcome
from napari_dip.optim.stopping import StoppingRule

from .conftest import in_foreground

ZERO, ONE, TWO = (torch.full((1, 1, 2, 2), float(n)) for n in range(3))


class Script(StoppingRule):
    """Says nothing until it has seen some iterates."""

    def __init__(self, outcome, after=0):
        self.outcome, self.after, self.seen = outcome, after, []

    def start(self):
        def check(iterate):
            self.seen.append(iterate)
            return self.outcome if len(self.seen) > self.after else None

        return check


def monitor(outcome=None, after=0):
    return Monitor(torch.sum, ZERO, Script(outcome, after))


def work(log, *images):
    """Yield images, and return the number of them."""
    try:
        for image in images:
            log.append(image)
            yield image
        return len(images)
    finally:
        log.append("closed")


def returned(generator, yielded):
    """Return what a generator returns, and append what it yields."""
    while True:
        try:
            yielded.append(next(generator))
        except StopIteration as end:
            return end.value


@pytest.mark.usefixtures("foreground")
def test_the_images_of_the_work_are_shown():
    watched, yielded = monitor(), []
    assert returned(watched.follow(work([], None, ONE, None), images=True), yielded) == 3
    assert [one.x is image for one, image in zip(yielded, (ZERO, ONE, ONE), strict=True)] == [True] * 3
    assert all(one.preparing for one in yielded)


@pytest.mark.usefixtures("foreground")
def test_images_of_the_work_that_are_not_wanted_are_not_shown():
    watched, yielded = monitor(), []
    returned(watched.follow(work([], ONE)), yielded)
    assert yielded[0].x is ZERO


def test_an_image_that_is_a_result_is_no_longer_prepared():
    watched = monitor()
    watched.show(TWO, "done", "not yet done")
    assert (watched.iterate.preparing, watched.iterate.note, float(watched.iterate.loss)) == (
        False,
        "done",
        8,
    )
    answer = watched.answer(Outcome.COMPUTED, None)
    assert (answer.note, answer.outcome) == ("not yet done", Outcome.COMPUTED)


@pytest.mark.usefixtures("foreground")
@pytest.mark.parametrize("method", ["follow", "follow_here"])
@pytest.mark.parametrize("outcome", [Outcome.STOPPED, Outcome.TIME_LIMIT, Outcome.NO_IMPROVEMENT])
def test_a_rule_interrupts_the_work_at_the_next_piece(method, outcome):
    watched, yielded, log = monitor(outcome, after=2), [], []
    with pytest.raises(Interruption) as caught:
        returned(getattr(watched, method)(work(log, *[None] * 9)), yielded)
    assert caught.value.outcome is outcome
    assert len(yielded) == 2
    assert log == [None] * 3 + ["closed"]


@pytest.mark.usefixtures("foreground")
def test_a_number_of_iterations_interrupts_nothing_before_the_iterations():
    watched, yielded = monitor(Outcome.MAX_ITERATIONS), []
    assert returned(watched.follow(work([], None, None)), yielded) == 2
    watched.iterating = True
    with pytest.raises(Interruption):
        next(watched.pause())


@pytest.mark.usefixtures("foreground")
@pytest.mark.parametrize(("cut_short", "result"), [(True, TWO), (False, 4)])
def test_what_the_answer_needs_is_not_interrupted_but_may_be_cut_short(cut_short, result):
    watched, yielded = monitor(Outcome.STOPPED, after=2), []
    images = work([], None, ONE, TWO, None)
    assert returned(watched.insist(images, cut_short=cut_short), yielded) is result or not cut_short
    assert len(yielded) == (3 if cut_short else 4)
    assert watched.pressed


@pytest.mark.usefixtures("foreground")
@pytest.mark.parametrize("method", ["follow", "follow_here", "insist"])
def test_closing_cancels_the_work(method):
    log = []
    iterates = getattr(monitor(), method)(work(log, *[None] * 9))
    next(iterates)
    iterates.close()
    assert log == [None, "closed"]


def test_the_rule_is_not_asked_again_once_the_answer_is_wanted():
    watched = monitor(Outcome.STOPPED)
    for _ in range(3):
        with pytest.raises(Interruption):
            next(watched.pause())
    assert watched.outcome is Outcome.STOPPED
    assert len(watched._check.__closure__[0].cell_contents.seen) == 1


def test_work_in_the_foreground_is_that_in_the_background():
    from napari_dip.optim.background import in_background

    results = [
        returned(run(work([], ONE, TWO), lambda image: image), []) for run in (in_foreground, in_background)
    ]
    assert results == [2, 2]
