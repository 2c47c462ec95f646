"""The number format of networks: what the processor has instructions for."""

from typing import Literal

import torch

#: Instructions of x86 processors that multiply bfloat16, as torch names them.
_INSTRUCTIONS = ("avx512_bf16", "amx_bf16")


def resolved_precision(precision: str, device: str) -> Literal["float32", "bfloat16"]:
    """Return the name of the number format that `compute_dtype` chooses."""
    return "bfloat16" if compute_dtype(precision, torch.device(device)) == torch.bfloat16 else "float32"


def compute_dtype(precision: str, device: torch.device) -> torch.dtype:
    """Return the number format in which a network computes.

    The choice depends on the processor alone, so that a run gives the same pixels whatever else the machine
    is doing.

    Parameters
    ----------
    precision : {"auto", "float32", "bfloat16"}
        "auto" takes bfloat16 where the device has instructions for it.
    device : torch.device
        Device of the network.
    """
    fast = precision == "auto" and multiplies_bfloat16(device.type)
    return torch.bfloat16 if precision == "bfloat16" or fast else torch.float32


def multiplies_bfloat16(device: str) -> bool:
    """Return whether a kind of device has instructions for bfloat16.

    Others emulate it, several times slower than float32.
    """
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities = getattr(torch.cpu, "get_capabilities", None)  # torch 2.5 does not tell
    known = capabilities() if device == "cpu" and capabilities is not None else {}
    return any(bool(known.get(name)) for name in _INSTRUCTIONS)
