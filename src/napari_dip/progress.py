"""What the command line says while it works: a bar on a terminal, plain lines in a log."""

import math
import time
import warnings
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from napari_dip.estimation import Estimate
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
            TextColumn("{task.completed:.0f} of at most {task.total:.0f} updates,"),
            TimeRemainingColumn(compact=True),
            TextColumn("left  {task.fields[error]}"),
            console=self._console,
            transient=True,
            disable=quiet or not self._console.is_terminal,
        )
        self._task: TaskID | None = None
        self._updates = self._frames = self._done = 0
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
            f"stop earlier), {estimate.bytes / 2**30:.1f} GiB of memory"
        )

    def begin(self, updates: int, frames: int) -> None:
        """Begin the progress of a run."""
        self._updates, self._frames, self._done, self._frame = updates, frames, 0, None
        self._began = self._said = time.monotonic()
        if self._task is not None:
            self._bar.remove_task(self._task)
        self._task = self._bar.add_task("restoring", total=updates * frames, error="")

    def watch(self, iterate: Iterate) -> None:
        """Show an iterate."""
        if iterate.frame != self._frame:
            self._done += self._frame is not None
            self._frame = iterate.frame
        at = self._done * self._updates + iterate.index
        if self._task is not None:
            self._bar.update(self._task, completed=at)
            if iterate.score is not None:
                self._bar.update(self._task, error=f"held-out error {iterate.score:.4f}")
        now = time.monotonic()
        if self._bar.disable and now - self._said >= _SECONDS_PER_LINE and iterate.score is not None:
            self._said = now
            total = self._updates * self._frames
            left = (now - self._began) * (total - at) / max(at, 1)
            self.say(
                f"{at} of at most {total} updates, {duration(left)} left at most, "
                f"held-out error {iterate.score:.4f}"
            )

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
    seconds = sum(frame.seconds for frame in result.frames)
    lines = dict.fromkeys(frame.outcome for frame in result.frames)
    why = " ".join(
        outcome.value if len(lines) == 1 else f"{outcome.value} ({_count(result, outcome)} frames)"
        for outcome in lines
    )
    kept = result.frames[-1].updates
    which = f"update {kept} was kept" if len(result.frames) == 1 else f"{len(result.frames)} frames"
    return f"{why} {which}; {duration(seconds)}."


def _count(result: Restoration, outcome: object) -> int:
    return sum(frame.outcome is outcome for frame in result.frames)


def duration(seconds: float) -> str:
    """Return a time in the unit that suits it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} minutes" if minutes < 90 else f"{math.ceil(minutes / 6) / 10:.1f} hours"
