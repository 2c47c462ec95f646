"""How the run of one frame ended."""

import math
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from annotated_types import Ge

from napari_dip.diagnostics.report import Diagnostics
from napari_dip.optim.iterate import Outcome, StoppingCriterion


@dataclass(frozen=True, slots=True)
class FrameReport:
    """How the run of one frame ended.

    Parameters
    ----------
    index : tuple of int
        Index of the frame along the frame axes.
    outcome : Outcome
        Why the run ended.
    iterations : int
        Iterations after which the answer was found.
    score : float or None
        What the stopping criterion measured, such as the error on held-out pixels in nats per pixel.
    seconds : float
        How long the run took.
    criterion : StoppingCriterion or None
        What decided when the run ended, where more than the number of iterations did.
    note : str
        What else the user should know about it, in a sentence.
    measured_noise : bool
        Whether noise that was unknown before was measured in the data, and then used as if it had been told.
    error : str, optional
        Why the frame could not be restored.
    diagnostics : Diagnostics, optional
        How far the restored frame can be trusted; None if nothing was restored.
    """

    index: tuple[Annotated[int, Ge(0)], ...]
    outcome: Outcome
    iterations: Annotated[int, Ge(0)]
    score: float | None = None
    seconds: Annotated[float, Ge(0)] = 0.0
    criterion: StoppingCriterion | None = None
    note: str = ""
    measured_noise: bool = False
    error: str | None = None
    diagnostics: Diagnostics | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        criterion = None if self.criterion is None else self.criterion.name
        score = (
            self.score if self.score is not None and math.isfinite(self.score) else None
        )  # JSON has no NaN
        own = {**asdict(self), "outcome": self.outcome.name, "score": score, "criterion": criterion}
        return {**own, "diagnostics": None if self.diagnostics is None else self.diagnostics.to_dict()}
