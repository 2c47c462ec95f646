"""The device on which to compute."""

from typing import Literal

from napari_dip.errors import InputError

Device = Literal["auto", "cpu", "cuda", "mps"]


def choose(name: Device) -> str:
    """Return the device that a name stands for on this machine; "auto" prefers an accelerator.

    Raises
    ------
    InputError
        The machine has no such device.
    """
    import torch

    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return next(kind for kind, there in available.items() if there)
    if name not in available:
        raise InputError("device", f"device must be one of auto, {', '.join(available)}, got {name!r}")
    if not available[name]:
        raise InputError("device", f"device {name!r} is not available on this machine: use 'auto' or 'cpu'")
    return name


def release(name: str) -> None:
    """Release the memory of a device that torch keeps to use again."""
    import torch

    if name == "cuda":
        torch.cuda.empty_cache()
    elif name == "mps":
        torch.mps.empty_cache()
