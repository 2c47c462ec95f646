import gc
import subprocess
import sys
import threading
import weakref

import pytest

from napari_dip.optim.background import always, in_background, library_call


def drained(generator):
    """Return what a generator yields, and what it returns."""
    items = []
    while True:
        try:
            items.append(next(generator))
        except StopIteration as end:
            return items, end.value


def threads(name):
    return [one for one in threading.enumerate() if one.name == f"napari-dip-{name}"]


def test_the_result_is_that_of_the_work():
    def work():
        yield None
        return 7

    assert drained(in_background(work(), lambda found: found))[1] == 7


def test_what_has_been_found_is_shown_while_the_work_goes_on():
    go_on = [threading.Event() for _ in range(3)]

    def work():
        go_on[0].wait()
        yield "rough"
        yield None  # nothing new
        go_on[1].wait()
        yield "better"
        go_on[2].wait()
        return "best"

    shown = in_background(work(), lambda found: found)
    assert next(shown) is None
    go_on[0].set()
    while (found := next(shown)) is None:
        pass
    assert found == "rough"
    go_on[1].set()
    while (found := next(shown)) == "rough":
        pass
    assert found == "better"
    go_on[2].set()
    assert drained(shown)[1] == "best"


def test_errors_are_raised_where_the_result_is_waited_for():
    def work():
        yield None
        raise MemoryError("not enough")

    with pytest.raises(MemoryError, match="not enough"):
        drained(in_background(work(), lambda found: found))


class Large:
    """Stands for an array that slow work holds."""


def test_abandoned_work_ends_with_its_step_and_releases_what_it_holds():
    release, steps = threading.Event(), []
    large = Large()
    gone = weakref.ref(large)

    def work(held):
        for number in range(3):
            steps.append(number)
            release.wait()
            yield held

    shown = in_background(work(large), lambda found: found)
    del large
    next(shown)
    shown.close()  # returns at once, although the step has not ended
    assert steps == [0]
    assert gone() is not None
    (thread,) = threads("background")
    release.set()
    thread.join()
    del thread, shown
    gc.collect()
    assert steps == [0]
    assert gone() is None


def test_always_shows_the_same_item():
    release = threading.Event()

    def work():
        yield 1
        release.wait()

    shown = in_background(work(), always("same"))
    assert [next(shown), next(shown)] == ["same", "same"]
    release.set()


def test_a_library_call_yields_until_it_returns():
    release = threading.Event()

    def double(number):
        release.wait()
        return 2 * number

    call = library_call(double, 4)
    assert [next(call), next(call)] == [None, None]
    release.set()
    assert drained(call)[1] == 8


def test_an_error_of_a_library_call_is_raised():
    with pytest.raises(ZeroDivisionError):
        drained(library_call(divmod, 1, 0))


EXITS = """
import sys, threading, time
from napari_dip.optim.background import in_background, library_call

def steps():
    if sys.argv[1] == "call":
        yield from library_call(time.sleep, 3600)
    while True:
        time.sleep(0.01)
        yield

shown = in_background(steps(), lambda found: found)
next(shown)
if sys.argv[2] == "closed":
    shown.close()
"""


@pytest.mark.parametrize("work", ["steps", "call"])
@pytest.mark.parametrize("shown", ["closed", "open"])
def test_work_does_not_keep_the_interpreter_from_exiting(work, shown):
    subprocess.run([sys.executable, "-c", EXITS, work, shown], check=True, timeout=120)
