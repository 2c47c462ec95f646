import gc
import subprocess
import sys
import threading
import weakref

import pytest

from napari_dip.optim.background import in_background


def drained(generator):
    """Return what a generator yields, and what it returns."""
    items = []
    while True:
        try:
            items.append(next(generator))
        except StopIteration as end:
            return items, end.value


def background_threads():
    return [one for one in threading.enumerate() if one.name == "napari-dip-background"]


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
    (thread,) = background_threads()
    release.set()
    thread.join()
    del thread, shown
    gc.collect()
    assert steps == [0]
    assert gone() is None


def test_abandoned_work_does_not_keep_the_interpreter_from_exiting():
    code = (
        "import time\n"
        "from napari_dip.optim.background import in_background\n"
        "def work():\n"
        "    time.sleep(3600)\n"
        "    yield\n"
        "shown = in_background(work(), lambda found: found)\n"
        "next(shown)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
