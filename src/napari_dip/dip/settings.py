"""The settings that a fit of Deep Image Prior depends on."""

from dataclasses import dataclass
from typing import Literal

from napari_dip.networks.settings import Architecture


@dataclass(frozen=True)
class FitSettings:
    """The settings of `DIP` that a fit depends on; `DIP` describes them."""

    iterations: int
    ensemble_size: int
    time_limit: float | None
    stopping: Literal["auto", "held-out", "split", "variance", "discrepancy", "max-iterations"]
    patience: int
    validation_fraction: float | None
    initial_estimate: bool
    postfilter: bool
    recover_sources: bool
    sieve_width: float
    learning_rate: float
    beta2: float
    input_noise_std: float
    ema_decay: float
    input: Literal["noise", "coordinates", "guide"]
    input_channels: int
    network: Architecture
    precision: Literal["auto", "float32", "bfloat16"]
