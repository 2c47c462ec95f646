"""What the loop yields."""

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


class Outcome(Enum):
    """Why a run ended, in a sentence for the user."""

    NO_IMPROVEMENT = "The error on held-out pixels has stopped falling; the best result until then was kept."
    BUDGET = "The number of updates asked for was reached."
    TIME_LIMIT = "The time limit was reached."
    ASKED = "You stopped it."
    DIVERGED = (
        "The loss was no longer a finite number; the best result until then was kept. "
        "Lower the learning rate."
    )


@dataclass(frozen=True, slots=True)
class Iterate:
    """One step of a run.

    Parameters
    ----------
    index : int
        Updates of the weights before it; 0 is the network as given.
    x : Tensor
        The image, in grey levels. Later updates leave it alone.
    loss : Tensor
        The energy that was minimised, 0-d.
    score : float, optional
        Error on held-out pixels, in nats per pixel; lower is better.
    outcome : Outcome, optional
        Set on the last one: why the run ended.
    frame : tuple of int
        Which frame of a series it belongs to.
    """

    index: int
    x: "Tensor"
    loss: "Tensor"
    score: float | None = None
    outcome: Outcome | None = None
    frame: tuple[int, ...] = ()
