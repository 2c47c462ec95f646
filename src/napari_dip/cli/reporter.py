"""What the command line says while it works: a bar on a terminal, plain lines in a log."""

import time
import warnings
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from napari_dip.methods import Method
from napari_dip.optim.iterate import Iterate, StoppingCriterion
from napari_dip.restoration.cost import CostEstimate
from napari_dip.restoration.progress import ProgressTracker
from napari_dip.restoration.result import Restoration
from napari_dip.restoration.text import duration, memory, summary

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
        self._pace: ProgressTracker | None = None
        self._said = time.monotonic()
        self._judges: set[StoppingCriterion] = set()
        self._notes: set[str] = set()
        self._error = ""

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

    def announce(self, estimate: CostEstimate) -> None:
        """Say what is known before the run, and what it will cost."""
        for remark in estimate.remarks:
            self.say(remark)
        if estimate.at_once:
            if estimate.seconds >= 1:
                self.say(f"about {duration(estimate.seconds)}")
            return
        self.say(
            f"at most {duration(estimate.seconds)} ({estimate.seconds_per_iteration:.2g} s an update; most "
            f"runs stop earlier), {memory(estimate.bytes)} of memory"
        )

    def begin(self, method: Method, frames: int = 1) -> None:
        """Begin the progress of a run."""
        self._pace = ProgressTracker(method, frames)
        self._said = time.monotonic()
        self._judges, self._notes, self._error = set(), set(), ""
        if self._task is not None:
            self._bar.remove_task(self._task)
        self._task = self._bar.add_task("restoring", total=method.max_iterations * frames, left="?", error="")

    def watch(self, iterate: Iterate) -> None:
        """Show an iterate; say once what decides when to stop."""
        if self._pace is None or self._task is None:
            return
        if iterate.criterion is not None and iterate.criterion not in self._judges:
            self._judges.add(iterate.criterion)
            self.say(iterate.criterion.value)
        if iterate.note and iterate.note not in self._notes and iterate.outcome is None:
            self._notes.add(iterate.note)
            self.say(iterate.note)
        if iterate.criterion is StoppingCriterion.HELD_OUT and iterate.score is not None:
            self._error = f", held-out error {iterate.score:.4f}"
        at = self._pace.at(iterate)
        left = duration(at.seconds_left)
        self._bar.update(self._task, completed=at.completed, left=left, error=self._error)
        if self._bar.disable and time.monotonic() - self._said >= _SECONDS_PER_LINE:
            self._said = time.monotonic()
            self.say(f"{at.completed} of at most {at.total} updates, {left} left at most{self._error}")

    def finish(self, target: Path, result: Restoration, clipped: int) -> None:
        """Say how the run ended."""
        if self._task is not None:
            self._bar.remove_task(self._task)
            self._task = None
        self.say(summary(result))
        if clipped:
            self.say(f"values clipped to the range of the file's dtype: {clipped}")
        self.say(f"written: {target}")
