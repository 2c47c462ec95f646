"""Which number format is fastest here: measured, not guessed from a name."""

import time
from functools import cache
from threading import Lock

import torch
import torch.nn.functional as F

_MEASURING = Lock()


def compute_dtype(precision: str, device: torch.device) -> torch.dtype:
    """Return the format that the inside of a network works in.

    Parameters
    ----------
    precision : {"auto", "float32", "bfloat16"}
        "auto" takes bfloat16 where this device convolves in it clearly faster than in float32.
    device : torch.device
        Where the network runs.
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
    # Processors without the instructions emulate them, several times slower than float32.
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
