"""A training as the user sees it: how far it is, its curves, Stop and Cancel."""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_dip.plugin.docks.plot import SCORE, SINGLE, TrainingCurves
from napari_dip.plugin.docks.run_panel import JobPanel, coloured
from napari_dip.plugin.runs.runner import Ending, Job, Queue
from napari_dip.restoration.text import duration, sentence

if TYPE_CHECKING:
    from napari_dip.pkn.trainer import Step, Trained


@dataclass(frozen=True, slots=True)
class Progress:
    """What the viewer is shown of a training, now and then.

    Parameters
    ----------
    done, total : int
        Updates of the network until now, and in all.
    seconds_left : float, optional
        Once the network has begun to learn.
    losses, scores : list of (int, float)
        Since the last time: iterations, and what was minimised, or the network's mark in dB.
    single : float, optional
        Mark of the best single setting, in dB.
    """

    done: int
    total: int
    seconds_left: float | None
    losses: list[tuple[int, float]]
    scores: list[tuple[int, float]]
    single: float | None


class TrainingWatch:
    """Watches the steps of a training.

    Parameters
    ----------
    iterations : int
        Of the network, in all.
    """

    def __init__(self, iterations: int) -> None:
        self._iterations = iterations
        self._began: float | None = None
        self._done = 0
        self._losses: list[tuple[int, float]] = []
        self._scores: list[tuple[int, float]] = []
        self._single: float | None = None

    def saw(self, item: "Step") -> None:
        """Take note of a step."""
        if item.index < 0:  # the single setting is fitted
            return
        if self._began is None:
            self._began = time.monotonic()
        self._done = item.index
        self._losses.append((item.index, item.loss))
        if item.local is not None:
            self._scores.append((item.index, item.local))
            self._single = item.single

    def snapshot(self) -> Progress:
        """Return what is new."""
        losses, self._losses = self._losses, []
        scores, self._scores = self._scores, []
        left = None
        if self._began is not None and self._done:
            left = (time.monotonic() - self._began) * (self._iterations - self._done) / self._done
        return Progress(self._done, self._iterations, left, losses, scores, self._single)


class TrainingPanel(JobPanel):
    """Follows a training; at its end it has what was trained.

    Parameters
    ----------
    job : Job
        Not yet begun.
    queue : Queue
        Where it runs.
    """

    def __init__(self, job: Job, queue: Queue) -> None:
        self.curves = TrainingCurves()
        self.trained: Trained | None = None
        self._marks = ""
        super().__init__(job, self.curves, queue)
        self.stop_button.setToolTip("End the training, and keep what did best until now.")
        self.cancel_button.setToolTip("End the training, and keep nothing.")

    def _advanced(self, snapshot: Progress) -> None:
        self.curves.add(snapshot.losses, snapshot.scores, snapshot.single)
        if snapshot.scores:
            mark = snapshot.scores[-1][1]
            network = coloured(f"network {mark:.2f} dB", SCORE)
            single = coloured(f"best single setting {snapshot.single:.2f} dB", SINGLE)
            self._marks = f"{network}, {single}"
        if self.job.stopping:
            return
        if not self._marks:
            self.numbers.setText("First the best single setting is found…")
            return
        self.bar.setRange(0, snapshot.total)
        self.bar.setValue(snapshot.done)
        left = "" if snapshot.seconds_left is None else f", {duration(snapshot.seconds_left)} left"
        self.numbers.setText(f"Update {snapshot.done} of {snapshot.total}{left}<br>{self._marks}")

    def _ended(self, ending: Ending) -> None:
        self.trained = ending.result
        if ending.error:
            words = sentence(ending.error)
        elif self.trained is None:
            words = "Cancelled."
        else:
            record = self.trained.record
            words = (
                f"Trained for {record['iterations']} iterations: {record['local']:.2f} dB on images that it "
                f"did not learn from, the best single setting {record['single']:.2f} dB. Save it to use it."
            )
        self.ended.emit(self, " ".join([words, *map(sentence, ending.notes)]))
