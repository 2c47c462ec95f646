"""Passes of a network on a CUDA device, recorded once and played back: launched all at once."""

from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

#: Passes before the recording, in which libraries choose their algorithms.
_WARM_UP = 3
#: Other threads may go on taking memory while this one records.
_ALONE = "thread_local"


def record(network: nn.Module, z: Tensor) -> None:
    """Let a network play back its forward and its backward pass from now on.

    For small images launching the kernels one by one takes longer than they run. Weights and results are as
    before; statistics that normalisation keeps of earlier passes are a few passes ahead.

    Parameters
    ----------
    network : nn.Module
        On a CUDA device, in training mode. It has to do the same with every input.
    z : Tensor
        An input. All that follow have its shape, dtype and memory layout, and need no gradient.
    """
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    recording = _Recording.of(network, z, weights)

    def forward(z: Tensor) -> Tensor:
        # Refers to weights, not to the network: no circle keeps the memory when that is gone.
        played: Tensor = _Playback.apply(recording, z, *weights)
        return played

    network.forward = forward


@dataclass(frozen=True, eq=False)
class _Recording:
    """Two graphs, and the tensors that they read and write."""

    ahead: torch.cuda.CUDAGraph
    back: torch.cuda.CUDAGraph
    z: Tensor
    output: Tensor
    gradient: Tensor
    gradients: tuple[Tensor | None, ...]

    @classmethod
    def of(cls, network: nn.Module, z: Tensor, weights: list[nn.Parameter]) -> Self:
        z, ahead, back = z.clone(), torch.cuda.CUDAGraph(), torch.cuda.CUDAGraph()
        with torch.cuda.device(z.device), torch.enable_grad():
            aside = torch.cuda.Stream()
            aside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(aside):
                for _ in range(_WARM_UP):
                    output = network(z)
                    torch.autograd.grad(output, weights, torch.zeros_like(output), allow_unused=True)
            torch.cuda.current_stream().wait_stream(aside)
            del output
            with torch.cuda.graph(ahead, capture_error_mode=_ALONE):
                output = network(z)
            gradient = torch.zeros_like(output)
            with torch.cuda.graph(back, pool=ahead.pool(), capture_error_mode=_ALONE):
                gradients = torch.autograd.grad(output, weights, gradient, allow_unused=True)
        return cls(ahead, back, z, output.detach(), gradient, gradients)


class _Playback(torch.autograd.Function):
    """The network as one step of differentiation."""

    @staticmethod
    def forward(ctx: Any, recording: _Recording, z: Tensor, *weights: Tensor) -> Tensor:
        ctx.recording = recording
        recording.z.copy_(z)
        recording.ahead.replay()
        return recording.output.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        recording: _Recording = ctx.recording
        recording.gradient.copy_(gradient)
        recording.back.replay()
        gradients = (one if one is None else one.detach() for one in recording.gradients)
        return (None, None, *gradients)
