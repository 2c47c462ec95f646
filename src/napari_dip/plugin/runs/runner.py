"""Runs a stream in a thread, one stream at a time, and now and then shows the viewer what it gives."""

import logging
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from qtpy.QtCore import QObject, QThreadPool, Signal
from superqt.utils import GeneratorWorker

from napari_dip.errors import RestorationError, translated_errors
from napari_dip.optim.iterate import Iterate, StoppingCriterion
from napari_dip.optim.stopping import StopRequested
from napari_dip.restoration.progress import Position, ProgressTracker

_LOG = logging.getLogger(__name__)
#: Largest share of the time between two snapshots that drawing may take.
_SHARE_OF_DRAWING = 0.1

Stream = Generator[Any, None, Any]


class Watch(Protocol):
    """Sees all that a stream yields, in its thread, and sums up now and then what is to be shown."""

    def saw(self, item: Any) -> None:
        """Take note of what was yielded."""

    def snapshot(self) -> Any:
        """Return what has come since the last snapshot, and how far the stream is."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the viewer is shown of a run, now and then.

    Parameters
    ----------
    frame : tuple of int
        Index of the frame of a series.
    pixels : ndarray
        The frame as it is now, in its own axes.
    position : Position
        How far the run is.
    curve : list of (int, float, float or None)
        Iterations of this frame since the last snapshot: number, fit error, score.
    criterion : StoppingCriterion, optional
        What gives the score, and decides when to stop.
    note : str
        What the user should know about this frame, in a sentence.
    """

    frame: tuple[int, ...]
    pixels: Any
    position: Position
    curve: list[tuple[int, float, float | None]] = field(default_factory=list)
    criterion: StoppingCriterion | None = None
    note: str = ""


class RunWatch:
    """Watches the iterates of a run.

    Parameters
    ----------
    progress : ProgressTracker
        Tells how far the run is.
    """

    def __init__(self, progress: ProgressTracker) -> None:
        self._progress = progress
        self._iterate: Iterate | None = None
        self._position: Position | None = None
        self._curve: list[tuple[int, float, float | None]] = []

    def saw(self, item: Iterate) -> None:
        """Take note of an iterate."""
        self._position = self._progress.at(item)
        if self._iterate is None or item.frame != self._iterate.frame:
            self._curve = []  # what is left of the last frame does not belong to this curve
        self._iterate = item
        if item.score is not None or item.index % 5 == 0:  # a GPU has to wait whenever its loss is read
            self._curve.append((item.index, float(item.loss), item.score))

    def snapshot(self) -> Snapshot:
        """Return what is new."""
        iterate, position = self._iterate, self._position
        assert iterate is not None
        assert position is not None
        curve, self._curve = self._curve, []
        pixels = iterate.x.cpu().numpy()
        return Snapshot(iterate.frame, pixels, position, curve, iterate.criterion, iterate.note)


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of a job: a result, or an error, or neither if the job was cancelled.

    Parameters
    ----------
    result : object, optional
        What the stream returned.
    error : str
        Why it failed, in a sentence for the user.
    notes : tuple of str
        Warnings that came on the way, each once.
    traceback : str
        Where it failed, for a bug report.
    """

    result: Any = None
    error: str = ""
    notes: tuple[str, ...] = ()
    traceback: str = field(default="", compare=False)


class Job(QObject):
    """A stream that runs in a thread.

    Parameters
    ----------
    title : str
        What it is called while it runs or waits.
    opened : callable
        Is given the rule by which the user stops, and returns the stream. It is called in the thread.
    watch : callable
        Returns what watches the stream. It is called in the thread.
    interval : float
        Seconds from one snapshot to the next, at least.
    """

    began = Signal()
    advanced = Signal(object)
    ended = Signal(object)

    def __init__(
        self,
        title: str,
        opened: Callable[[StopRequested], Stream],
        watch: Callable[[], Watch],
        interval: float = 0.5,
    ) -> None:
        super().__init__()
        self.title = title
        self._opened, self._watch = opened, watch
        self._shortest = self._interval = interval
        self._stop, self._cancel = threading.Event(), threading.Event()
        self._notes: list[str] = []
        self._error = self._traceback = ""
        self._result: Any = None
        self._worker: Any = None

    @property
    def stopping(self) -> bool:
        """Whether the user has asked it to end."""
        return self._stop.is_set() or self._cancel.is_set()

    def start(self) -> None:
        """Begin in a thread."""
        worker = self._worker = _Worker(self._iterate)
        worker.yielded.connect(self._yielded)
        worker.warned.connect(self._warned)
        worker.finished.connect(self._finished)
        self.began.emit()
        worker.start()

    def stop(self) -> None:
        """End at the next iteration, and keep the best result so far."""
        self._stop.set()

    def cancel(self) -> None:
        """End at the next iteration, without a result."""
        self._cancel.set()

    def drew(self, seconds: float) -> None:
        """Take note of how long a snapshot took to draw. If drawing is slow, snapshots become rarer."""
        self._interval = max(self._shortest, seconds / _SHARE_OF_DRAWING)

    def _iterate(self) -> Generator[Any, None, None]:
        """Run in the thread. All errors end here, since Qt's workers lose some of them."""
        try:
            with translated_errors():
                yield from self._snapshots()
        except (RestorationError, ValueError, TypeError, OSError) as error:
            self._fail(error, str(error).strip() or f"The run failed ({type(error).__name__}).")
        except Exception as error:  # noqa: BLE001  a defect of ours must not leave the dock waiting for ever
            self._fail(error, f"The run failed ({type(error).__name__}): {error}")

    def _fail(self, error: Exception, reason: str) -> None:
        _LOG.error("%s: the run failed", self.title, exc_info=error)
        self._error = reason
        # As text: the error itself would keep what its frames hold.
        self._traceback = "".join(traceback.format_exception(error))

    def _snapshots(self) -> Generator[Any, None, None]:
        stream = self._opened(StopRequested(self._stop))
        try:
            watch = self._watch()
            due = 0.0
            while not self._ends_now():
                try:
                    item = next(stream)
                except StopIteration as end:
                    self._result = end.value
                    return
                watch.saw(item)
                if time.monotonic() >= due:
                    yield watch.snapshot()
                    due = time.monotonic() + self._interval
        finally:
            stream.close()

    def _ends_now(self) -> bool:
        return self._cancel.is_set() or self._worker.abort_requested

    def _warned(self, warning: tuple[Any, ...]) -> None:
        message, category, *_ = warning
        if issubclass(category, UserWarning) and str(message) not in self._notes:
            self._notes.append(str(message))

    def _yielded(self, snapshot: Any) -> None:
        if not self._cancel.is_set():
            self.advanced.emit(snapshot)

    def _finished(self) -> None:
        result = None if self._cancel.is_set() else self._result
        self._worker, self._result = None, None
        self.ended.emit(Ending(result, self._error, tuple(self._notes), self._traceback))


class _Worker(GeneratorWorker):
    """Closes its stream in its own thread before it says that it has ended, also when napari quits it."""

    def work(self) -> Any:
        """Run in the thread."""
        # The pool does not count this thread: on a machine with one core all others would wait for its end.
        pool = QThreadPool.globalInstance()
        pool.releaseThread()
        try:
            return super().work()
        finally:
            pool.reserveThread()
            self._gen.close()


class Queue:
    """Runs jobs one after another."""

    def __init__(self) -> None:
        self._jobs: deque[Job] = deque()

    def submit(self, job: Job) -> Job | None:
        """Run a job as soon as those before it have ended; return the one that it waits for."""
        ahead = self._jobs[-1] if self._jobs else None
        self._jobs.append(job)
        if ahead is None:
            self._start(job)
        return ahead

    def withdraw(self, job: Job) -> None:
        """Cancel a job, whether it runs or waits."""
        job.cancel()
        if job in self._jobs and job is not self._jobs[0]:
            self._jobs.remove(job)
            job.ended.emit(Ending())

    def _start(self, job: Job) -> None:
        job.ended.connect(self._next)
        job.start()

    def _next(self, _: Ending) -> None:
        self._jobs.popleft().ended.disconnect(self._next)
        if self._jobs:
            self._start(self._jobs[0])

    def __len__(self) -> int:
        return len(self._jobs)


_QUEUES: WeakKeyDictionary[Any, Queue] = WeakKeyDictionary()


def queue_of(viewer: Any) -> Queue:
    """Return the queue of a viewer: runs of one window share its device, so they wait for each other."""
    return _QUEUES.setdefault(viewer, Queue())
