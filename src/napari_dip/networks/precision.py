"""The fastest number format on this machine: measured, not guessed from a device's name."""

import time
from functools import cache
from threading import Lock
from typing import Literal

import torch
import torch.nn.functional as F

_MEASURING = Lock()


def resolved_precision(precision: str, device: str) -> Literal["float32", "bfloat16"]:
    """Return the name of the number format that `compute_dtype` chooses."""
    return "bfloat16" if compute_dtype(precision, torch.device(device)) == torch.bfloat16 else "float32"


def compute_dtype(precision: str, device: torch.device) -> torch.dtype:
    """Return the number format in which a network computes.

    Parameters
    ----------
    precision : {"auto", "float32", "bfloat16"}
        "auto" takes bfloat16 where convolutions in it are clearly faster than in float32 on this device.
    device : torch.device
        Device of the network.
    """
    if precision == "auto":
        with _MEASURING:
            return torch.bfloat16 if _bfloat16_pays(device.type) else torch.float32
    return torch.bfloat16 if precision == "bfloat16" else torch.float32


@cache
def _bfloat16_pays(device: str) -> bool:
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device != "cpu":
        return False
    # CPUs without instructions for bfloat16 emulate it, several times slower than float32.
    return _seconds(torch.bfloat16) < 0.9 * _seconds(torch.float32)


def _seconds(dtype: torch.dtype) -> float:
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(1, 32, 96, 96, generator=generator).to(dtype, memory_format=torch.channels_last)
    weight = torch.rand(32, 32, 3, 3, generator=generator).to(dtype, memory_format=torch.channels_last)
    best = float("inf")
    with torch.no_grad():
        for _ in range(7):
            start = time.perf_counter()
            F.conv2d(x, weight, padding=1)
            best = min(best, time.perf_counter() - start)
    return best
