"""What the command line says while it works: a bar on a terminal, lines in a log."""

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
from napari_dip.restoration.text import duration, memory, summary, verdict

_SECONDS_PER_LINE = 20


class Reporter:
    """Shows messages and progress on standard error.

    Parameters
    ----------
    quiet : bool
        Say nothing.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet
        self._console = Console(stderr=True, quiet=quiet, highlight=False, soft_wrap=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn(
                "{task.completed:.0f} of at most {task.total:.0f} iterations, "
                "at most {task.fields[left]} left{task.fields[error]}"
            ),
            console=self._console,
            transient=True,
            disable=quiet or not self._console.is_terminal,
        )
        self._task: TaskID | None = None
        self._progress: ProgressTracker | None = None
        self._last_line = time.monotonic()
        self._said: set[StoppingCriterion | str] = set()
        self._error = ""
        self._noted: set[str] = set()  #: warnings about the present file

    def __enter__(self) -> Self:
        # Python itself would show a warning with the line of code that it comes from.
        self._show_warning: Any = warnings.showwarning
        warnings.showwarning = cast(Any, self._note)
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
        warnings.showwarning = self._show_warning

    def _note(self, message: Warning | str, *_: object) -> None:
        if f"{message}" not in self._noted:  # the estimate of the cost and the run find the same
            self._noted.add(f"{message}")
            self.say(f"note: {message}")

    def say(self, message: str) -> None:
        """Write a line."""
        self._console.print(message, markup=False)

    def show_cost(self, estimate: CostEstimate) -> None:
        """Say what a run will cost, and what its method found out beforehand."""
        for remark in estimate.remarks:
            self.say(remark)
        if estimate.at_once:
            if estimate.seconds >= 1:
                self.say(f"about {duration(estimate.seconds)}")
            return
        self.say(
            f"at most {duration(estimate.seconds)} ({estimate.seconds_per_iteration:.2g} s per iteration; "
            f"most runs stop earlier), {memory(estimate.bytes)} of memory"
        )

    def begin(self, method: Method, frames: int = 1, *, uncertainty: bool = False) -> None:
        """Start the progress of a run."""
        self._progress = ProgressTracker(method, frames, uncertainty=uncertainty)
        self._last_line = time.monotonic()
        self._said, self._error = set(), ""
        if self._task is not None:
            self._bar.remove_task(self._task)
        self._task = self._bar.add_task("restoring", total=self._progress.total, left="?", error="")

    def show(self, iterate: Iterate) -> None:
        """Show how far a run is; say once in each run what decides when it stops."""
        if self._progress is None or self._task is None:
            return
        if iterate.criterion is not None and iterate.criterion not in self._said:
            self._said.add(iterate.criterion)
            self.say(iterate.criterion.value)
        if iterate.note and iterate.note not in self._said and iterate.outcome is None:
            self._said.add(iterate.note)
            self.say(iterate.note)
        if iterate.criterion is StoppingCriterion.HELD_OUT and iterate.score is not None:
            self._error = f", held-out error {iterate.score:.4f}"
        at = self._progress.at(iterate)
        left = duration(at.seconds_left)
        self._bar.update(self._task, completed=at.completed, left=left, error=self._error)
        if self._bar.disable and time.monotonic() - self._last_line >= _SECONDS_PER_LINE:
            self._last_line = time.monotonic()
            self.say(f"{at.completed} of at most {at.total} iterations, at most {left} left{self._error}")

    def finish(self, target: Path | None, result: Restoration, clipped: int) -> None:
        """Say how the run ended, and where the image was written."""
        if self._task is not None:
            self._bar.remove_task(self._task)
            self._task = None
        self.say(summary(result))
        if words := verdict(result):
            self.say(words)
        if clipped:
            self.say(f"values clipped to the range of the file's data type: {clipped}")
        if target is not None:
            self.say(f"written: {target}")
        self._noted.clear()
