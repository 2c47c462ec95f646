"""The one loop."""

from collections.abc import Callable, Iterable, Iterator

import torch
from torch import nn

from napari_dip.optim.iterate import Iterate
from napari_dip.optim.samples import Sample


def fit(
    network: nn.Module,
    samples: Iterable[Sample],
    *,
    learning_rate: float | Callable[[int], float],
    betas: tuple[float, float] = (0.9, 0.999),
) -> Iterator[Iterate]:
    """Minimise by Adam the energies of a stream of samples, one update each; yield before each update.

    Parameters
    ----------
    network : nn.Module
        Its parameters are changed in place, between two iterates.
    samples : iterable of (inputs, energy)
        ``energy(network(*inputs))`` is the loss of one update.
    learning_rate : float or callable
        Adam's step size, or that of each update by its index.
    betas : (float, float)
        Adam's memory of the gradient and of its square.

    Yields
    ------
    Iterate
        The network's output; the first one is that of the network as given.
    """
    fused = all(p.device.type in ("cpu", "cuda") for p in network.parameters())
    rate = learning_rate if callable(learning_rate) else lambda index: learning_rate
    optimizer = torch.optim.Adam(network.parameters(), rate(0), betas=betas, fused=fused)
    for index, (inputs, energy) in enumerate(samples):
        with torch.enable_grad():  # whatever the caller's mode; never across a yield
            x = network(*inputs)
            loss = energy(x)
        yield Iterate(index, x.detach(), loss.detach())
        for group in optimizer.param_groups:
            group["lr"] = rate(index)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
