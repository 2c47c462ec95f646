"""CUDA graphs: the passes of a network are recorded once, and replayed with a single launch."""

from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

#: Number of passes before the recording, in which libraries choose their algorithms.
_WARM_UP = 3
#: Capture mode in which other threads may allocate memory while this one records.
_ALONE = "thread_local"


def record(network: nn.Module, z: Tensor) -> None:
    """Record the forward and backward pass of a network, which replays them from now on.

    For small images, launching the CUDA kernels one by one takes longer than running them. Weights and
    results do not change; the running statistics of the normalisation are a few passes ahead.

    Parameters
    ----------
    network : nn.Module
        Network on a CUDA device, in training mode. Its computations must not depend on the values of z.
    z : Tensor
        An input. Later ones must have its shape, dtype and memory layout, and need no gradient.
    """
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    recording = _Recording.of(network, z, weights)

    def forward(z: Tensor) -> Tensor:
        # This refers to the weights and not to the network: a cycle would keep the memory alive.
        played: Tensor = _Playback.apply(recording, z, *weights)
        return played

    network.forward = forward


@dataclass(frozen=True, eq=False)
class _Recording:
    """The graphs of the forward and backward pass, and the tensors that they read and write."""

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
    """The recorded network as one differentiable function."""

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
