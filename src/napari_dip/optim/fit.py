"""The optimisation loop, the samples that it consumes, and step sizes that change from one to the next."""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Generator, Tensor, nn

from napari_dip.optim.iterate import Iterate

#: Inputs of a network, and the energy of its output.
Sample = tuple[tuple[Any, ...], Callable[..., Tensor]]


def fit(
    network: nn.Module,
    samples: Iterable[Sample],
    *,
    learning_rate: float | Callable[[int], float],
    betas: tuple[float, float] = (0.9, 0.999),
) -> Iterator[Iterate]:
    """Minimise the energies of a stream of samples by Adam, with one iteration per sample.

    The stream yields before each iteration, so the first iterate is the output of the network as given.

    Parameters
    ----------
    network : nn.Module
        Its parameters are changed in place, between two iterates.
    samples : iterable of (inputs, energy)
        ``energy(network(*inputs))`` is the loss of one iteration.
    learning_rate : float or callable
        Adam's step size, or a function that returns it for the index of an iteration.
    betas : (float, float)
        Adam's decay rates of the mean gradient and of the mean squared gradient.

    Yields
    ------
    Iterate
        The network's output and its loss.
    """
    fused = all(p.device.type in ("cpu", "cuda") for p in network.parameters())
    rate = learning_rate if callable(learning_rate) else lambda index: learning_rate
    optimizer = torch.optim.Adam(network.parameters(), rate(0), betas=betas, fused=fused)
    for index, (inputs, energy) in enumerate(samples):
        with torch.enable_grad():  # whatever the caller's mode is; never across a yield
            x = network(*inputs)
            loss = energy(x)
        yield Iterate(index, x.detach(), loss.detach())
        for group in optimizer.param_groups:
            group["lr"] = rate(index)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def noisy_inputs(
    z: Tensor, std: float, energy: Callable[..., Tensor], generator: Generator
) -> Iterator[Sample]:
    """Yield z + N(0, std²) without end, each time with new noise and the same energy.

    Parameters
    ----------
    z : Tensor, shape ``(1, C, *spatial)``
        Network input.
    std : float
        Standard deviation of the noise; with 0 every input is z itself.
    energy : callable
        Energy of the network's output.
    generator : torch.Generator
        Draws the noise; on the device of z.
    """
    # The noise is drawn in z's order in memory: in any other order torch draws five times slower.
    noise = torch.empty(z.numel(), dtype=torch.float32, device=z.device)
    shaped = noise.as_strided(z.shape, z.stride())
    while True:
        if std:
            noise.normal_(0, std, generator=generator)
            yield (z + shaped.to(z.dtype),), energy
        else:
            yield (z,), energy


def cosine_decay(rate: float, iterations: int) -> Callable[[int], float]:
    """Return a step size that falls from `rate` to 0 along half a cosine, as a function of the index."""
    return lambda index: rate * 0.5 * (1 + math.cos(math.pi * index / iterations))
