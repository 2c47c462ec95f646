"""A training as the user sees it: how far it is, its curves, Stop and Cancel."""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_dip.plugin.docks.job_panel import JobPanel, coloured
from napari_dip.plugin.docks.plot import SCORE, SINGLE, TrainingCurves
from napari_dip.plugin.runs.report import bug_report
from napari_dip.plugin.runs.runner import Ending, Job, Queue
from napari_dip.restoration.text import duration, sentence

if TYPE_CHECKING:
    from napari_dip.pkn.network import TrainedNetwork
    from napari_dip.pkn.settings import Training
    from napari_dip.pkn.trainer import TrainingStep


@dataclass(frozen=True, slots=True)
class TrainingSnapshot:
    """What the viewer is shown of a training, now and then.

    Parameters
    ----------
    completed, total : int
        Iterations of the network so far, and in all.
    seconds_left : float, optional
        Known once the network has begun to learn.
    losses, scores : list of (int, float)
        Since the last snapshot: iterations with the loss, and with the network's score in dB.
    single : float, optional
        Score of the best single setting, in dB.
    """

    completed: int
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
        Iterations of the network in all.
    """

    def __init__(self, iterations: int) -> None:
        self._iterations = iterations
        self._began: float | None = None
        self._completed = 0
        self._losses: list[tuple[int, float]] = []
        self._scores: list[tuple[int, float]] = []
        self._single: float | None = None

    def saw(self, item: "TrainingStep") -> None:
        """Take note of a step."""
        if item.index < 0:  # the single setting is fitted first
            return
        if self._began is None:
            self._began = time.monotonic()
        self._completed = item.index
        self._losses.append((item.index, item.loss))
        if item.local is not None:
            self._scores.append((item.index, item.local))
            self._single = item.single

    def snapshot(self) -> TrainingSnapshot:
        """Return what is new."""
        losses, self._losses = self._losses, []
        scores, self._scores = self._scores, []
        done, left = self._completed, None
        if self._began is not None and done:
            left = (time.monotonic() - self._began) * (self._iterations - done) / done
        return TrainingSnapshot(done, self._iterations, left, losses, scores, self._single)


class TrainingPanel(JobPanel):
    """Follows a training, and holds the trained network at its end.

    Parameters
    ----------
    job : Job
        A job that has not begun.
    training : Training
        Its settings.
    queue : Queue
        Where the job runs.
    """

    def __init__(self, job: Job, training: "Training", queue: Queue) -> None:
        self.curves = TrainingCurves()
        self.trained: TrainedNetwork | None = None
        self._training = training
        self._scores = ""
        super().__init__(job, self.curves, queue)
        self.stop_button.setToolTip("End the training, and keep the best network so far.")
        self.cancel_button.setToolTip("End the training, and keep nothing.")

    def _advanced(self, snapshot: TrainingSnapshot) -> None:
        self.curves.add(snapshot.losses, snapshot.scores, snapshot.single)
        if snapshot.scores:
            network = coloured(f"network {snapshot.scores[-1][1]:.2f} dB", SCORE)
            single = coloured(f"best single setting {snapshot.single:.2f} dB", SINGLE)
            self._scores = f"{network}, {single}"
        if self.job.stopping:
            return
        if not self._scores:
            self.numbers.setText("Fitting the best single setting first…")
            return
        self.bar.setRange(0, snapshot.total)
        self.bar.setValue(snapshot.completed)
        left = "" if snapshot.seconds_left is None else f", {duration(snapshot.seconds_left)} left"
        self.numbers.setText(f"Iteration {snapshot.completed} of {snapshot.total}{left}<br>{self._scores}")

    def _ended(self, ending: Ending) -> None:
        self.trained = ending.result
        if ending.error:
            words = sentence(ending.error)
        elif self.trained is None:
            words = "Cancelled."
        else:
            scores = self.trained.metadata
            words = (
                f"Trained for {scores['iterations']} iterations. On validation images the network reaches "
                f"{scores['local']:.2f} dB, the best single setting {scores['single']:.2f} dB. "
                "Save the network to use it."
            )
        details = bug_report(ending.traceback, {"Training": self._training}) if ending.traceback else ""
        self.ended.emit(self, " ".join([words, *map(sentence, ending.notes)]), details)
