"""What a run of a pretrained network may be told."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class RunSettings:
    """The settings of `FineTune` that its run depends on. They are documented there."""

    action: Literal["auto", "network", "back-projection", "fine-tuning"]
    loss: Literal["auto", "plain", "sure", "masked"]
    iterations: int
    learning_rate: float | None
    self_ensemble: bool
    recover_sources: bool
    time_limit: float | None
