"""What our architectures have in common."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar, Self

import torch
from torch import Tensor, nn

Weights = Mapping[str, Tensor]


class Architecture(nn.Module, ABC):
    """A network whose size can be told from the names and shapes of its weights.

    Parameters
    ----------
    channels : int
        Of the images.
    factor : int
        Pixels of the result for one of the input along each axis.
    """

    #: What it is called.
    title: ClassVar[str]
    #: Whether it wants images that were enlarged before.
    pre_upsampled: ClassVar[bool] = False

    def __init__(self, channels: int, factor: int = 1) -> None:
        super().__init__()
        self.channels, self.factor = channels, factor

    @classmethod
    @abstractmethod
    def sized(cls, weights: Weights) -> Self:
        """Return a network of the size that weights have.

        Raises
        ------
        KeyError, ValueError
            A name is absent, or a shape is of another kind: the weights are another architecture's.
        """

    @classmethod
    def renamed(cls, weights: Weights) -> Weights:
        """Return weights by the names that they have here, where others call them differently."""
        return weights

    @classmethod
    def of(cls, weights: Weights) -> Self | None:
        """Return the network that has these weights; None where they are another architecture's."""
        weights = cls.renamed(weights)
        try:
            with torch.device("meta"):  # what will be replaced needs no memory
                network = cls.sized(weights)
        except (KeyError, ValueError):
            return None
        if _kinds(network.state_dict()) != _kinds(weights):
            return None
        network.load_state_dict({name: value.clone() for name, value in weights.items()}, assign=True)
        return network.eval()


def _kinds(weights: Weights) -> dict[str, tuple[torch.Size, bool]]:
    return {name: (value.shape, value.is_floating_point()) for name, value in weights.items()}


def replaced(weights: Weights, names: Mapping[str, str | Callable[[re.Match[str]], str]]) -> Weights:
    """Return weights by other names: in each, what stands for a pattern takes its place at the start."""
    return {_replaced(name, names): value for name, value in weights.items()}


def _replaced(name: str, names: Mapping[str, str | Callable[[re.Match[str]], str]]) -> str:
    for pattern, other in names.items():
        new, count = re.subn("^" + pattern, other, name)
        if count:
            return new
    return name


def numbered(weights: Weights, prefix: str) -> list[int]:
    """Return the numbers that follow a prefix in the names of weights, in order."""
    starts = (name.removeprefix(prefix).split(".")[0] for name in weights if name.startswith(prefix))
    return sorted({int(start) for start in starts if start.isdecimal()})


def root(n: int, channels: int) -> int:
    """Return the factor whose square times `channels` is n.

    Raises
    ------
    ValueError
        There is none.
    """
    factor = round((n / channels) ** 0.5) if channels else 0
    if not factor or factor**2 * channels != n:
        raise ValueError(f"{n} channels are not those of a whole factor")
    return factor
