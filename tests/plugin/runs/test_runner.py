import threading
import time
import warnings
from dataclasses import replace
from itertools import count
from types import SimpleNamespace

import pytest
import torch
from napari.components import ViewerModel
from qtpy.QtCore import QThreadPool
from superqt.utils import FunctionWorker, WorkerBase

from napari_dip import Denoise, Iterate, Outcome, RestorationError
from napari_dip.plugin.runs import runner
from napari_dip.plugin.runs.runner import Ending, Job, Queue, RunWatch, queue_of
from napari_dip.restoration.collect import restoring
from napari_dip.restoration.progress import ProgressTracker
from napari_dip.restoration.result import Restoration
from napari_dip.restoration.run import SeriesRun

LENGTH = 4
PLACES = range(LENGTH + 1)  # before each iterate, and after the last one
OutOfMemory = getattr(torch, "OutOfMemoryError", torch.cuda.OutOfMemoryError)


class Stream:
    """A made-up run, which counts what is done with it.

    Parameters
    ----------
    length : int or None
        Of its iterates; None never ends.
    frames : int
        Each of this length.
    pause : float
        Seconds before each iterate.
    at : dict of int to callable
        What is called before the iterate of this number, or after the last one.
    cleanup : Exception, optional
        Is raised at its end.
    """

    def __init__(self, length=LENGTH, *, frames=1, pause=0.0, at=None, cleanup=None):
        self.length, self.frames, self.pause, self.at, self.cleanup = length, frames, pause, at or {}, cleanup
        self.opened = self.begun = self.closed = 0
        self.given: list[Iterate] = []

    def __call__(self, rule):
        self.opened += 1
        return self._iterates(rule)

    def _iterates(self, rule):
        self.begun += 1
        check = rule.start()
        try:
            for frame in range(self.frames):
                for index in count() if self.length is None else range(self.length):
                    time.sleep(self.pause)
                    self._happens(index)
                    number = torch.tensor(1000.0 * frame + index)
                    score = None if index % 3 else float(number)
                    iterate = Iterate(index, number.expand(2, 2), number, score, frame=(frame,))
                    outcome = check(iterate)
                    self.given.append(replace(iterate, outcome=outcome))
                    yield self.given[-1]
                    if outcome is not None:
                        return f"result, {outcome.name}"
            self._happens(self.length)
            return "result"
        finally:
            self.closed += 1
            if self.cleanup is not None:
                raise self.cleanup

    def _happens(self, index):
        if index in self.at:
            self.at[index]()

    @property
    def points(self):
        """What a curve without holes is made of."""
        return [
            (one.index, float(one.loss), one.score)
            for one in self.given
            if one.score is not None or one.index % 5 == 0
        ]


def raising(error):
    def act():
        raise error

    return act


def tracker():
    return ProgressTracker(SimpleNamespace(max_iterations=LENGTH, time_limit=None))


class Follower:
    """A job, and all that it has said."""

    def __init__(self, stream, *, title="", tracker=tracker, interval=0.0):
        self.stream, self.job = stream, Job(title, stream, lambda: RunWatch(tracker()), interval)
        self.begun, self.snapshots, self.endings = [], [], []
        self.job.began.connect(lambda: self.begun.append(time.monotonic()))
        self.job.advanced.connect(self.snapshots.append)
        self.job.ended.connect(self.endings.append)

    @property
    def curve(self):
        return [point for snapshot in self.snapshots for point in snapshot.curve]


@pytest.fixture
def queue(qtbot):
    """A queue that has to be empty in the end, and to be usable."""
    queue = Queue()
    yield queue
    last = Follower(Stream())
    assert queue.submit(last.job) is None, "an ended job is left over"
    qtbot.waitUntil(lambda: bool(last.endings))
    assert last.endings == [Ending("result")]
    assert len(queue) == 0


@pytest.fixture
def run(queue, qtbot):
    """Return a function that runs a stream to its end."""

    def ran(stream, **options):
        follower = Follower(stream, **options)
        queue.submit(follower.job)
        settles(follower)
        return follower

    def settles(follower):
        qtbot.waitUntil(lambda: bool(follower.endings), timeout=60_000)
        qtbot.wait(5)
        assert len(follower.endings) == 1, "it ended more than once"

    ran.settles = settles
    return ran


# The result, and what is shown on the way


def test_the_result_arrives_after_the_snapshots(run):
    follower = run(Stream())
    assert follower.endings == [Ending("result")]
    assert [snapshot.position.completed for snapshot in follower.snapshots] == [0, 1, 2, 3]
    assert [snapshot.pixels.mean() for snapshot in follower.snapshots] == [0, 1, 2, 3]
    assert (len(follower.begun), follower.stream.opened, follower.stream.closed) == (1, 1, 1)


def test_a_real_run_gives_what_restore_gives(run, phantom, tiny):
    follower = run(
        lambda rule: restoring(SeriesRun.of(phantom, Denoise(), tiny, stopping_rule=rule)),
        tracker=lambda: ProgressTracker(tiny),
    )
    (ending,) = follower.endings
    assert isinstance(ending.result, Restoration), ending.error
    assert ending.result.image.shape == phantom.shape
    assert follower.snapshots[0].pixels.shape == phantom.shape
    assert follower.snapshots[-1].position.total == tiny.iterations


class Clock:
    """A clock that moves only when somebody sleeps."""

    now = 0.0

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    """A clock for the jobs and their streams, by which no other work takes time."""
    made = Clock()
    monkeypatch.setattr(runner, "time", made)
    monkeypatch.setitem(globals(), "time", made)
    return made


def shown(follower):
    return [int(snapshot.pixels.max()) for snapshot in follower.snapshots]


def test_snapshots_keep_their_distance(run, clock):
    assert shown(run(Stream(60, pause=1), interval=12)) == [0, 12, 24, 36, 48]


@pytest.mark.parametrize("interval", [0.0, 0.02, 0.1])
def test_the_curve_loses_and_doubles_nothing_until_the_last_snapshot(run, interval):
    follower = run(Stream(60, pause=0.002), interval=interval)
    last = follower.snapshots[-1].pixels.max()
    assert len(follower.snapshots) > 1
    assert follower.curve == [point for point in follower.stream.points if point[0] <= last]


def test_a_curve_is_of_one_frame(run):
    follower = run(Stream(12, frames=5, pause=0.002), interval=0.01)
    seen = {snapshot.frame for snapshot in follower.snapshots}
    assert len(seen) > 1
    for snapshot in follower.snapshots:
        assert {(fit // 1000,) for _, fit, _ in snapshot.curve} <= {snapshot.frame}
        assert (snapshot.pixels // 1000 == snapshot.frame).all()


@pytest.mark.parametrize(
    ("drawings", "distance"),
    [([], 4), ([2.0], 20), ([5.0, 1e-6], 4)],  # drawing takes a tenth of the time
    ids=["quick", "slow", "no longer slow"],
)
def test_slow_drawing_makes_snapshots_rarer(run, clock, drawings, distance):
    follower = Follower(Stream(60, pause=1), interval=4)
    for seconds in drawings:
        follower.job.drew(seconds)
    follower.job.start()
    run.settles(follower)
    assert shown(follower) == list(range(0, 60, distance))


# Errors


FAULTS = [
    RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
    RuntimeError(),
    MemoryError(),
    OutOfMemory("CUDA out of memory. Tried to allocate 8 GiB"),
    ValueError("overlap must lie in [0, size)"),
    ValueError(),
    OSError(5, "Input/output error"),
    RestorationError("Lower the learning rate."),
    KeyError("oops"),
    StopIteration("early"),
    AssertionError(),
]
WORDS = {
    MemoryError: "There is not enough memory",
    OutOfMemory: "There is not enough memory",
    StopIteration: "generator raised StopIteration",
    KeyError: "The run failed (KeyError): 'oops'",
}


def said(error):
    return next((words for kind, words in WORDS.items() if isinstance(error, kind)), str(error))


@pytest.mark.parametrize(
    ("error", "index"),
    [*((error, 2) for error in FAULTS), *((FAULTS[0], index) for index in PLACES if index != 2)],
    ids=repr,
)
def test_an_error_ends_a_run_once_and_in_words(run, error, index):
    stream = Stream(at={index: raising(error)})
    follower = run(stream)
    (ending,) = follower.endings
    assert ending.result is None
    assert said(error) in ending.error
    assert len(ending.error.strip()) > 3
    assert stream.closed == 1
    assert [snapshot.position.completed for snapshot in follower.snapshots] == list(range(index))
    assert "Traceback" in ending.traceback
    assert "raising" in ending.traceback or "act" in ending.traceback


@pytest.mark.parametrize("error", FAULTS[:4], ids=repr)
def test_an_error_before_the_run_ends_it_in_words(run, error):
    follower = run(lambda rule: raising(error)())
    (ending,) = follower.endings
    assert ending.result is None
    assert said(error) in ending.error
    assert len(ending.error.strip()) > 3


@pytest.mark.parametrize("error", FAULTS[:4], ids=repr)
def test_an_error_of_the_progress_tracker_ends_a_run_in_words(run, error):
    stream = Stream()
    follower = run(stream, tracker=lambda: raising(error)())
    assert said(error) in follower.endings[0].error
    assert stream.begun == stream.closed == 0
    stream = Stream()
    follower = run(stream, tracker=lambda: SimpleNamespace(at=lambda iterate: raising(error)()))
    assert said(error) in follower.endings[0].error
    assert stream.closed == 1


@pytest.mark.parametrize("index", [0, LENGTH])
@pytest.mark.parametrize("fault", [None, RuntimeError("first")], ids=repr)
@pytest.mark.parametrize("cleanup", [RuntimeError("second"), StopIteration("second")], ids=repr)
def test_an_error_while_cleaning_up_is_said_too(run, index, fault, cleanup):
    at = {} if fault is None else {index: raising(fault)}
    stream = Stream(at=at, cleanup=cleanup)
    follower = run(stream)
    (ending,) = follower.endings
    assert ending.result is None
    assert ("StopIteration" if isinstance(cleanup, StopIteration) else "second") in ending.error
    assert stream.closed == 1


def test_a_stream_that_does_not_want_to_end_is_an_error(run):
    follower = None

    def stubborn(rule):
        try:
            yield Iterate(0, torch.zeros(2, 2), torch.zeros(()))
            follower.job.cancel()
            yield Iterate(1, torch.zeros(2, 2), torch.zeros(()))
        except GeneratorExit:
            yield Iterate(2, torch.zeros(2, 2), torch.zeros(()))

    follower = Follower(stubborn)
    follower.job.start()
    run.settles(follower)
    assert "generator ignored GeneratorExit" in follower.endings[0].error


@pytest.mark.parametrize(
    "iterate",
    [
        Iterate(0, None, torch.zeros(())),
        Iterate(0, torch.zeros(2), torch.zeros(3)),
        Iterate(0, torch.zeros(2, requires_grad=True), torch.zeros(())),
        None,
    ],
    ids=["without pixels", "a loss of many", "with a gradient", "nothing"],
)
def test_a_broken_iterate_ends_the_run(run, iterate):
    def odd(rule):
        yield iterate
        return "result"

    (ending,) = run(odd).endings
    assert (ending.result == "result") != bool(ending.error)


# Stop and cancel


@pytest.mark.parametrize(("index", "interval"), [*((index, 0.0) for index in PLACES), (2, 10.0)])
def test_a_cancelled_run_has_neither_result_nor_error(run, queue, index, interval):
    stream = Stream()
    follower = Follower(stream, interval=interval)
    stream.at[index] = follower.job.cancel
    queue.submit(follower.job)
    run.settles(follower)
    assert follower.endings == [Ending()]
    assert stream.closed == 1
    assert len(stream.given) == min(index + 1, LENGTH)
    assert follower.job.stopping


@pytest.mark.parametrize("index", [0, LENGTH])
def test_nothing_is_shown_once_a_run_is_cancelled(run, queue, index):
    stream = Stream(None)
    follower = Follower(stream)
    after = []

    def drawn(snapshot):
        after.append(snapshot.position.completed)
        if len(after) > index:
            queue.withdraw(follower.job)

    follower.job.advanced.connect(drawn)
    queue.submit(follower.job)
    run.settles(follower)
    assert len(after) == index + 1
    assert (follower.endings, stream.closed) == ([Ending()], 1)


def test_a_job_that_is_cancelled_before_it_begins_ends_at_once(run, queue):
    stream = Stream(None)
    follower = Follower(stream)
    follower.job.cancel()
    queue.submit(follower.job)
    run.settles(follower)
    assert (follower.endings, stream.begun, follower.snapshots) == ([Ending()], 0, [])


@pytest.mark.parametrize("index", PLACES)
def test_stop_keeps_the_result(run, queue, index):
    stream = Stream(None)
    follower = Follower(stream)
    stream.at[index] = follower.job.stop
    queue.submit(follower.job)
    run.settles(follower)
    assert follower.endings == [Ending("result, STOPPED")]
    assert stream.given[-1].outcome is Outcome.STOPPED
    assert len(stream.given) == index + 1
    assert stream.closed == 1
    assert follower.job.stopping


def test_cancel_after_stop_drops_the_result(run, queue):
    stream = Stream(None)
    follower = Follower(stream)
    stream.at[2] = lambda: (follower.job.stop(), follower.job.cancel())
    queue.submit(follower.job)
    run.settles(follower)
    assert stream.given[-1].outcome is Outcome.STOPPED
    assert follower.endings == [Ending()]


# Warnings


def test_warnings_are_noted_once_and_in_their_order(run):
    def warn(rule):
        for index in range(6):
            warnings.warn("the gain is a guess", UserWarning, stacklevel=1)
            warnings.warn("an old name", DeprecationWarning, stacklevel=1)
            if index > 2:
                warnings.warn("saturation_level", RuntimeWarning, stacklevel=1)
                warnings.warn("few pixels", UserWarning, stacklevel=1)
            yield Iterate(index, torch.zeros(2, 2), torch.zeros(()))
        return "result"

    assert run(warn).endings == [Ending("result", notes=("the gain is a guess", "few pixels"))]


def test_a_run_that_fails_keeps_its_notes(run):
    def warn(rule):
        warnings.warn("the gain is a guess", UserWarning, stacklevel=1)
        yield Iterate(0, torch.zeros(2, 2), torch.zeros(()))
        raise ValueError("broken")

    assert run(warn).endings == [Ending(error="broken", notes=("the gain is a guess",))]


# One after another


class Hall:
    """Where streams meet: notes who is there, and how many at once."""

    def __init__(self):
        self.order, self.inside, self.most = [], 0, 0

    def stream(self, name, fault=None):
        def iterates(rule):
            self.order.append(name)
            self.inside += 1
            self.most = max(self.most, self.inside)
            try:
                for index in range(3):
                    time.sleep(0.002)
                    yield Iterate(index, torch.zeros(2, 2), torch.zeros(()))
                if fault is not None:
                    raise fault
                return name
            finally:
                self.inside -= 1

        return iterates


def test_jobs_run_in_order_and_one_at_a_time(queue, qtbot):
    hall, ends = Hall(), []
    faults = {"b": RuntimeError("x"), "d": KeyError("y")}
    jobs = {
        name: Job(name, hall.stream(name, faults.get(name)), lambda: RunWatch(tracker()), 0.0)
        for name in "abcde"
    }
    for name, job in jobs.items():
        job.began.connect(lambda: ends.append(hall.inside))
        job.ended.connect(lambda ending, name=name: ends.append((name, ending.result, bool(ending.error))))
    ahead = [queue.submit(job) for job in jobs.values()]
    assert ahead == [None, *list(jobs.values())[:-1]]
    assert len(queue) == 5
    qtbot.waitUntil(lambda: len(queue) == 0)
    assert (hall.order, hall.most) == (list("abcde"), 1)
    assert ends == [
        *(0, ("a", "a", False)),
        *(0, ("b", None, True)),
        *(0, ("c", "c", False)),
        *(0, ("d", None, True)),
        *(0, ("e", "e", False)),
    ]


@pytest.mark.parametrize("name", "bd")
def test_a_withdrawn_job_never_begins_and_ends_once(queue, qtbot, name):
    hall = Hall()
    followers = {one: Follower(hall.stream(one)) for one in "abcd"}
    for follower in followers.values():
        queue.submit(follower.job)
    withdrawn = followers[name]
    queue.withdraw(withdrawn.job)
    assert withdrawn.endings == [Ending()]
    queue.withdraw(withdrawn.job)
    qtbot.waitUntil(lambda: len(queue) == 0)
    assert hall.order == [one for one in "abcd" if one != name]
    assert withdrawn.begun == []
    assert all(len(follower.endings) == 1 for follower in followers.values())


def test_a_job_waits_for_the_last_one_that_is_left(queue, qtbot):
    first, second, third = (Follower(Stream(pause=0.002)) for _ in range(3))
    queue.submit(first.job)
    queue.submit(second.job)
    queue.withdraw(second.job)
    assert queue.submit(third.job) is first.job
    qtbot.waitUntil(lambda: len(queue) == 0)
    assert third.endings == [Ending("result")]


def test_a_running_job_that_is_withdrawn_makes_room_for_the_next(queue, qtbot):
    first, second = Follower(Stream(None, pause=0.001)), Follower(Stream())
    queue.submit(first.job)
    queue.submit(second.job)
    qtbot.waitUntil(lambda: bool(first.snapshots))
    queue.withdraw(first.job)
    qtbot.waitUntil(lambda: len(queue) == 0)
    assert (first.endings, second.endings) == ([Ending()], [Ending("result")])
    assert first.stream.closed == 1


def test_a_job_can_be_submitted_as_another_ends(queue, qtbot):
    first, second = Follower(Stream()), Follower(Stream())
    first.job.ended.connect(lambda _: queue.submit(second.job))
    queue.submit(first.job)
    qtbot.waitUntil(lambda: bool(second.endings))
    assert second.endings == [Ending("result")]


def test_each_viewer_has_one_queue(queue, qtbot):
    first, second = ViewerModel(), ViewerModel()
    assert queue_of(first) is queue_of(first)
    assert queue_of(first) is not queue_of(second)
    endless, other = Follower(Stream(None, pause=0.001)), Follower(Stream())
    queue_of(first).submit(endless.job)
    assert queue_of(second).submit(other.job) is None, "it waits for a run of another window"
    qtbot.waitUntil(lambda: bool(other.endings))
    endless.job.cancel()
    qtbot.waitUntil(lambda: bool(endless.endings))


# At exit


@pytest.mark.parametrize("interval", [0.0, 10.0])
def test_a_run_ends_when_napari_awaits_its_workers(queue, qtbot, run, interval):
    follower = Follower(Stream(None, pause=0.001), interval=interval)
    queue.submit(follower.job)
    qtbot.waitUntil(lambda: bool(follower.snapshots))
    WorkerBase.await_workers(1000)  # raises where it takes longer
    assert follower.stream.closed == 1
    run.settles(follower)
    assert (follower.endings, follower.stream.closed) == ([Ending()], 1)


def test_a_stream_is_closed_in_its_thread_before_the_end_is_said(run, queue):
    threads = []
    stream = Stream(None)
    follower = Follower(stream)
    stream.at[2] = lambda: follower.job._worker.quit()  # what awaits workers calls, while a snapshot is due
    stream.at[0] = lambda: threads.append(threading.get_ident())
    right = stream._iterates

    def watched(rule):
        try:
            return (yield from right(rule))
        finally:
            threads.append(threading.get_ident())

    stream._iterates = watched
    at_the_end = []
    follower.job.ended.connect(lambda _: at_the_end.append(stream.closed))
    queue.submit(follower.job)
    run.settles(follower)
    assert at_the_end == [1]
    assert threads[0] == threads[1] != threading.get_ident()


def test_a_run_keeps_nobody_else_waiting_where_there_is_one_core(queue, qtbot, run):
    pool = QThreadPool.globalInstance()
    threads = pool.maxThreadCount()
    pool.setMaxThreadCount(1)
    try:
        follower = Follower(Stream(None, pause=0.001))
        queue.submit(follower.job)
        qtbot.waitUntil(lambda: bool(follower.snapshots))
        found = []
        other = FunctionWorker(lambda: "found")
        other.returned.connect(found.append)
        other.start()
        qtbot.waitUntil(lambda: found == ["found"], timeout=60_000)
        follower.job.cancel()
        run.settles(follower)
        qtbot.waitUntil(lambda: pool.activeThreadCount() == 0)
    finally:
        pool.setMaxThreadCount(threads)
