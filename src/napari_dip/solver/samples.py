"""Streams of network inputs and of the energies that judge the outputs."""

from collections.abc import Callable, Iterator

import torch
from torch import Generator, Tensor

Sample = tuple[tuple[Tensor, ...], Callable[..., Tensor]]


def jittered(
    z: Tensor, jitter: float, energy: Callable[..., Tensor], generator: Generator
) -> Iterator[Sample]:
    """Yield z + N(0, jitter²) for ever, with the same energy.

    Parameters
    ----------
    z : Tensor, shape ``(1, C, *spatial)``
        Network input.
    jitter : float
        Standard deviation of the noise added afresh each time; 0 leaves z alone.
    energy : callable
        Of the network's output.
    generator : torch.Generator
        On the device of z.
    """
    noise = torch.empty_like(z, dtype=torch.float32)
    while True:
        yield ((z + noise.normal_(0, jitter, generator=generator)).to(z.dtype) if jitter else z,), energy
