"""What the command line says while it works: a bar on a terminal, plain lines in a log."""

import math
import time
import warnings
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from napari_dip.estimation import Estimate
from napari_dip.methods import DIP
from napari_dip.restoration import Restoration
from napari_dip.solver.iterate import Iterate

_SECONDS_PER_LINE = 20


class Reporter:
    """Shows messages and progress on standard error.

    Parameters
    ----------
    quiet : bool
        Say nothing at all.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._console = Console(stderr=True, quiet=quiet, highlight=False, soft_wrap=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn(
                "{task.completed:.0f} of at most {task.total:.0f} updates, {task.fields[left]} left at most"
                "{task.fields[error]}"
            ),
            console=self._console,
            transient=True,
            disable=quiet or not self._console.is_terminal,
        )
        self._task: TaskID | None = None
        self._updates = self._total = self._done = 0
        self._limit = math.inf
        self._frame: tuple[int, ...] | None = None
        self._began = self._said = time.monotonic()

    def __enter__(self) -> Self:
        # Python's own way of showing a warning names a line of code.
        self._show: Any = warnings.showwarning
        warnings.showwarning = cast(Any, self._warn)
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
        warnings.showwarning = self._show

    def _warn(self, message: Warning | str, *_: object) -> None:
        self.say(f"note: {message}")

    def say(self, message: str) -> None:
        """Say a line."""
        self._console.print(message, markup=False)

    def announce(self, estimate: Estimate) -> None:
        """Say what the run will cost."""
        self.say(
            f"at most {duration(estimate.seconds)} ({estimate.seconds_per_update:.2g} s an update; most runs "
            f"stop earlier), {memory(estimate.bytes)} of memory"
        )

    def begin(self, method: DIP, frames: int = 1) -> None:
        """Begin the progress of a run."""
        self._updates, self._total = method.updates, method.updates * frames
        self._limit = math.inf if method.time_limit is None else method.time_limit * frames
        self._done, self._frame = 0, None
        self._began = self._said = time.monotonic()
        if self._task is not None:
            self._bar.remove_task(self._task)
        self._task = self._bar.add_task("restoring", total=self._total, left="?", error="")

    def watch(self, iterate: Iterate) -> None:
        """Show an iterate."""
        if iterate.frame != self._frame:
            self._done += self._frame is not None
            self._frame = iterate.frame
        if iterate.score is None or self._task is None:
            return
        now = time.monotonic()
        took = now - self._began
        at = self._done * self._updates + iterate.index
        left = duration(max(0, min(took * (self._total - at) / max(at, 1), self._limit - took)))
        error = f", held-out error {iterate.score:.4f}"
        self._bar.update(self._task, completed=at, left=left, error=error)
        if self._bar.disable and now - self._said >= _SECONDS_PER_LINE:
            self._said = now
            self.say(f"{at} of at most {self._total} updates, {left} left at most{error}")

    def finish(self, target: Path, result: Restoration, clipped: int) -> None:
        """Say how the run ended."""
        if self._task is not None:
            self._bar.remove_task(self._task)
            self._task = None
        self.say(summary(result))
        if clipped:
            self.say(f"values clipped to the range of the file's dtype: {clipped}")
        self.say(f"written: {target}")


def summary(result: Restoration) -> str:
    """Return in words how the frames of a run ended."""
    ends = Counter(frame.outcome for frame in result.frames)
    why = " ".join(
        outcome.value if len(ends) == 1 else f"{outcome.value} ({count} of {len(result.frames)} frames)"
        for outcome, count in ends.items()
    )
    frames = len(result.frames)
    what = f"Update {result.frames[0].updates} was kept" if frames == 1 else f"{frames} frames are restored"
    return f"{why} {what}, after {duration(sum(frame.seconds for frame in result.frames))}."


def memory(count: int) -> str:
    """Return a number of bytes in the unit that suits it."""
    return f"{count / 2**30:.1f} GiB" if count > 2**30 / 10 else f"{count / 2**20:.0f} MiB"


def duration(seconds: float) -> str:
    """Return a time in the unit that suits it."""
    if seconds < 180:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} minutes" if minutes < 90 else f"{math.ceil(minutes / 6) / 10:.1f} hours"
