"""A restoration as the user sees it while it runs, and in its result layer."""

import html
import math
import time
import traceback

from qtpy.QtCore import QTimer

from napari_dip.errors import RestorationError, translated_errors
from napari_dip.plugin.docks.job_panel import JobPanel, coloured
from napari_dip.plugin.docks.plot import FIT, SCORE, SCORES, Curves
from napari_dip.plugin.results.result import Result
from napari_dip.plugin.runs.report import bug_report
from napari_dip.plugin.runs.runner import Ending, Job, Queue, Snapshot
from napari_dip.restoration.text import duration, sentence, summary


class RunPanel(JobPanel):
    """Follows a restoration, and shows it in the layer of its result.

    Parameters
    ----------
    job : Job
        A job that has not begun.
    result : Result
        Is shown each snapshot, and the restored image.
    queue : Queue
        Where the job runs.
    """

    def __init__(self, job: Job, result: Result, queue: Queue) -> None:
        self.result, self.curves = result, Curves()
        self._frames = result.run.frames
        self._frame: tuple[int, ...] | None = None
        super().__init__(job, self.curves, queue)

    def _advanced(self, snapshot: Snapshot) -> None:
        began = time.perf_counter()
        if snapshot.frame != self._frame:
            self._frame = snapshot.frame
            self.curves.clear()
        self.curves.set_criterion(snapshot.criterion)
        self.curves.add(snapshot.curve)
        if not self.job.stopping:
            self._show_numbers(snapshot)
        self.result.show(snapshot.frame, snapshot.pixels)
        # Qt paints when it has nothing else to do: only then has everything been drawn.
        QTimer.singleShot(0, lambda: self.job.drew(time.perf_counter() - began))

    def _show_numbers(self, snapshot: Snapshot) -> None:
        at = snapshot.position
        self.bar.setRange(0, at.total)
        self.bar.setValue(at.completed)
        parts = [f"Frame {at.frame + 1} of {self._frames}"] if self._frames > 1 else []
        parts.append(f"Iteration {at.completed} of at most {at.total}")
        parts.append(f"at most {duration(at.seconds_left)} left")
        lines = [", ".join(parts), *([html.escape(snapshot.note)] if snapshot.note else [])]
        if snapshot.curve:
            _, fit, score = snapshot.curve[-1]
            errors = [coloured(f"fit error {fit:.4g}", FIT)] if math.isfinite(fit) else []
            if score is not None and snapshot.criterion is not None:
                errors.append(coloured(f"{SCORES[snapshot.criterion]} {score:.4g}", SCORE))
            if self.curves.best is not None:
                errors.append(coloured("best {1:.4g} at iteration {0}".format(*self.curves.best), SCORE))
            lines += [", ".join(errors)] if errors else []
        if snapshot.criterion is not None:
            lines.append(snapshot.criterion.value)
        if self.result.layer is not None and not self.result.ours:
            lines.append("Its layer was removed or changed. The result will be a new layer.")
        self.numbers.setText("<br>".join(lines))

    def _ended(self, ending: Ending) -> None:
        words, trace = self._sentence(ending), ending.traceback
        if ending.result is None:
            self.result.discard()
        else:
            trace = "\n".join(ending.result.failures)
            try:
                with translated_errors():
                    self.result.finish(ending.result)
            except (RestorationError, ValueError, TypeError) as error:
                words = f"The result can't be shown: {error}"
                trace = "".join(traceback.format_exception(error))
            if self.result.clipped:
                words += f" {self.result.clipped} values were clipped to the range of the layer's dtype."
        details = bug_report(trace, self.result.run.settings) if trace else ""
        self.ended.emit(self, _with_notes(words, ending.notes), details)

    def _sentence(self, ending: Ending) -> str:
        if ending.error:
            return ending.error
        if ending.result is None:
            return "Cancelled. The layers are as they were before the run."
        restoration = ending.result.restoration
        left = self._frames - len(restoration.frames)
        return summary(restoration) + (f" {left} frames were not reached, and are empty." if left else "")


def _with_notes(words: str, notes: tuple[str, ...]) -> str:
    """Return sentences with notes. A note takes the place of a sentence that says less of the same."""
    for note in map(sentence, notes):
        shorter = f"{note.split(' (')[0]}."
        words = words.replace(shorter, note) if shorter in words else f"{words} {note}"
    return words
