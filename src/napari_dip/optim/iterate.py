"""What the loop yields."""

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor


class Outcome(Enum):
    """Why a run ended, in a sentence for the user."""

    NO_IMPROVEMENT = "The error on held-out pixels has stopped falling; the best result until then was kept."
    VARIANCE = (
        "The outputs have stopped settling: from here on they would follow the noise; "
        "the steadiest result until then was kept."
    )
    DISCREPANCY = "The residual is as weak as the noise: from here on the fit would follow the noise."
    MAX_ITERATIONS = "The number of updates asked for was reached."
    RISK = "The estimated error has stopped falling; the best weights until then were kept."
    CONSISTENT = "The network's output agrees with the data: nothing was changed."
    COMPUTED = "It was computed in one step."
    TIME_LIMIT = "The time limit was reached."
    STOPPED = "You stopped it."
    FAILED = "It could not be restored."
    DIVERGED = (
        "The loss was no longer a finite number; the best result until then was kept. "
        "Lower the learning rate."
    )


class StoppingCriterion(Enum):
    """What decides when a run has come far enough, in a sentence for the user."""

    HELD_OUT = "Pixels held out of the fit decide when to stop."
    VARIANCE = (
        "How much the outputs vary decides when to stop, which suits noise that is correlated between pixels."
    )
    DISCREPANCY = (
        "The strength of the noise decides when to stop, which suits noise that is correlated between pixels."
    )
    RISK = "Stein's estimate of the error decides when to stop."
    CROSS_SCALE = (
        "How well the network restores coarser pixels, of this image and of made ones, decides when to stop."
    )


@dataclass(frozen=True, slots=True)
class Map:
    """A number at each pixel that a method gives beside the image.

    Parameters
    ----------
    meaning : str
        What it says, for the user.
    unit : str
        Such as "px"; "noise" stands for the standard deviation of the noise.
    low, high : float
        Between which it lies.
    compute : callable
        Returns the numbers, in the shape of the spatial axes: not before somebody asks for them.
    neutral : float, optional
        In between, what changes nothing: where it makes sense to tell more from less.
    """

    meaning: str
    unit: str
    low: float
    high: float
    compute: "Callable[[], Tensor]"
    neutral: float | None = None


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
        What the criterion measured; lower is better. Of held-out pixels the error, in nats per pixel.
    outcome : Outcome, optional
        Set on the last one: why the run ended.
    frame : tuple of int
        Which frame of a series it belongs to.
    criterion : StoppingCriterion, optional
        What decides about the end; None where the number of updates does.
    maps : mapping of str to Map
        What the method gives beside the image.
    note : str
        What the user should know of it, in a sentence.
    error : Exception, optional
        Why the frame could not be restored.
    state : mapping of str to Tensor, optional
        On an answer: what the network has become, where that is worth keeping.
    """

    index: int
    x: "Tensor"
    loss: "Tensor"
    score: float | None = None
    outcome: Outcome | None = None
    frame: tuple[int, ...] = ()
    criterion: StoppingCriterion | None = None
    maps: "Mapping[str, Map]" = field(default_factory=dict)
    note: str = ""
    error: Exception | None = None
    state: "Mapping[str, Tensor] | None" = None
