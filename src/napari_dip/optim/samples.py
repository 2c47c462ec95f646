"""Streams of network inputs and of the energies that judge the outputs."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Generator, Tensor

#: Inputs of a network, and the energy of its output.
Sample = tuple[tuple[Any, ...], Callable[..., Tensor]]


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
    # Drawn in the order that z has in memory: into any other order torch draws five times slower.
    noise = torch.empty(z.numel(), device=z.device)
    shaped = noise.as_strided(z.shape, z.stride())
    while True:
        if jitter:
            noise.normal_(0, jitter, generator=generator)
            yield (z + shaped.to(z.dtype),), energy
        else:
            yield (z,), energy
