"""How far a run has come."""

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_dip.restoration.uncertainty import REFITS

if TYPE_CHECKING:
    from napari_dip.methods import Method
    from napari_dip.optim.iterate import Iterate


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a run.

    Parameters
    ----------
    completed, total : int
        Iterations so far, and at most, over all frames.
    seconds_left : float
        Time left at most. Most runs end earlier.
    frame : int
        Number of frames that are finished.
    """

    completed: int
    total: int
    seconds_left: float
    frame: int


class ProgressTracker:
    """Follows the iterates of a run.

    Parameters
    ----------
    method : Method
        Its iterations and its time limit bound the run.
    frames : int
        How many frames are restored, one after another.
    uncertainty : bool
        Whether simulated data of each frame are restored, too.
    """

    def __init__(self, method: "Method", frames: int = 1, *, uncertainty: bool = False) -> None:
        fits = 1 + REFITS * uncertainty
        self._iterations, self._frames = fits * method.max_iterations, frames
        self._limit = math.inf if method.time_limit is None else fits * method.time_limit * frames
        self._frame: tuple[int, ...] | None = None
        self._finished = self._completed = 0
        self._began = self._fit_began = time.monotonic()

    @property
    def total(self) -> int:
        """The largest number of iterations, over all frames."""
        return self._iterations * self._frames

    def at(self, iterate: "Iterate") -> Position:
        """Return how far the run has come; iterates may be left out, except for the first of a frame."""
        if iterate.frame != self._frame:
            self._finished += self._frame is not None
            self._frame = iterate.frame
        now = time.monotonic()
        if iterate.preparing and not self._completed:  # how long this takes tells nothing about iterations
            self._fit_began = now
        total = self.total
        # A run ends with its best iterate, whose index may be smaller: that is no step back.
        done = min(self._finished * self._iterations + iterate.index, total)
        completed = self._completed = max(self._completed, done)
        rest = (now - self._fit_began) * (total - completed) / max(completed, 1)
        left = min(rest, self._limit - (now - self._began))
        return Position(completed, total, max(0.0, left), self._finished)
