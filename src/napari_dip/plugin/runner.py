"""Runs streams of iterates in a thread, one at a time, and shows the viewer what they give."""

import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

from qtpy.QtCore import QObject, QThreadPool, Signal
from superqt.utils import GeneratorWorker

from napari_dip.errors import RestorationError, cured
from napari_dip.pace import Pace, Position
from napari_dip.solver.iterate import Iterate, Judge
from napari_dip.solver.stopping import Asked, StoppingRule

#: How long drawing may take of the time between two snapshots.
_SHARE_OF_DRAWING = 0.1

Stream = Generator[Iterate, None, Any]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the viewer is shown of a run, now and then.

    Parameters
    ----------
    frame : tuple of int
        Which frame of a series.
    pixels : ndarray or None
        Of this frame, in its own axes.
    position : Position
        How far the run is.
    curve : list of (int, float, float or None)
        Since the last snapshot: updates of this frame, fit error, score.
    judge : Judge, optional
        What gives the score, and decides when to stop.
    """

    frame: tuple[int, ...]
    pixels: Any
    position: Position
    curve: list[tuple[int, float, float | None]] = field(default_factory=list)
    judge: Judge | None = None


@dataclass(frozen=True, slots=True)
class Ending:
    """How a job ended: with a result, by an error in words, or with neither since it was cancelled."""

    result: Any = None
    error: str = ""
    notes: tuple[str, ...] = ()


class Job(QObject):
    """A stream of iterates that runs in a thread.

    Parameters
    ----------
    title : str
        What it is called while others wait for it.
    opened : callable
        Is given the rule by which the user stops, and returns the stream. It is called in the thread.
    pace : callable
        Returns what tells how far the run is. It is called in the thread.
    interval : float
        Seconds from one snapshot to the next, at the least.
    """

    began = Signal()
    advanced = Signal(object)
    ended = Signal(object)

    def __init__(
        self,
        title: str,
        opened: Callable[[StoppingRule], Stream],
        pace: Callable[[], Pace],
        interval: float = 0.5,
    ) -> None:
        super().__init__()
        self.title = title
        self._opened, self._pace = opened, pace
        self._least = self._interval = interval
        self._stop, self._cancel = threading.Event(), threading.Event()
        self._notes: list[str] = []
        self._error = ""
        self._result: Any = None
        self._worker: Any = None

    @property
    def stopping(self) -> bool:
        """The user has asked for its end."""
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
        """End at the next update, and keep the best result until then."""
        self._stop.set()

    def cancel(self) -> None:
        """End at the next update, without a result."""
        self._cancel.set()

    def drew(self, seconds: float) -> None:
        """Say how long a snapshot took to draw: where that is slow, they become fewer."""
        self._interval = max(self._least, seconds / _SHARE_OF_DRAWING)

    def _iterate(self) -> Generator[Snapshot, None, None]:
        """Run in the thread. All errors end here: Qt's workers lose some of them."""
        try:
            with cured():
                yield from self._snapshots()
        except (RestorationError, ValueError, TypeError, OSError) as error:
            self._error = str(error).strip() or f"The run failed ({type(error).__name__})."
        except Exception as error:  # noqa: BLE001  a defect of ours must not leave the dock waiting for ever
            self._error = f"The run failed ({type(error).__name__}): {error}"

    def _snapshots(self) -> Generator[Snapshot, None, None]:
        stream = self._opened(Asked(self._stop))
        try:
            pace = self._pace()
            due = 0.0
            frame: tuple[int, ...] | None = None
            curve: list[tuple[int, float, float | None]] = []
            while not self._ends_now():
                try:
                    iterate = next(stream)
                except StopIteration as end:
                    self._result = end.value
                    return
                position = pace.at(iterate)
                if iterate.frame != frame:  # what is left of the frame before is not of this curve
                    frame, curve = iterate.frame, []
                if iterate.score is not None or iterate.index % 5 == 0:  # a GPU has to wait for each look
                    curve.append((iterate.index, float(iterate.loss), iterate.score))
                if time.monotonic() >= due:
                    pixels = None if iterate.x is None else iterate.x.cpu().numpy()
                    yield Snapshot(iterate.frame, pixels, position, curve, iterate.judge)
                    curve = []
                    due = time.monotonic() + self._interval
        finally:
            stream.close()

    def _ends_now(self) -> bool:
        return self._cancel.is_set() or self._worker.abort_requested

    def _warned(self, warning: tuple[Any, ...]) -> None:
        message, category, *_ = warning
        if issubclass(category, UserWarning) and str(message) not in self._notes:  # each once
            self._notes.append(str(message))

    def _yielded(self, snapshot: Snapshot) -> None:
        if not self._cancel.is_set():
            self.advanced.emit(snapshot)

    def _finished(self) -> None:
        result = None if self._cancel.is_set() else self._result
        self._worker, self._result = None, None
        self.ended.emit(Ending(result, self._error, tuple(self._notes)))


class _Worker(GeneratorWorker):
    """Ends what it runs in its own thread, and before it says so, also where napari quits it at exit."""

    def work(self) -> Any:
        """Run in the thread."""
        # Not among those that the pool counts: on a machine with one core all others would wait for its end.
        pool = QThreadPool.globalInstance()
        pool.releaseThread()
        try:
            return super().work()
        finally:
            pool.reserveThread()
            self._gen.close()


class Queue:
    """One place to compute: jobs run one after another."""

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


#: The device is one, whatever the number of docks and viewers.
QUEUE = Queue()
