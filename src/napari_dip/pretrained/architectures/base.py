"""The base class of the architectures."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar, Self

import torch
from torch import Tensor, nn

Weights = Mapping[str, Tensor]


class KnownArchitecture(nn.Module, ABC):
    """A network whose size follows from the names and shapes of its weights.

    Parameters
    ----------
    channels : int
        Channels of the images.
    factor : int
        Pixels of the result per pixel of the input, along each axis.
    """

    #: Its name.
    title: ClassVar[str]
    #: Whether it takes images that have been interpolated to the size of the result.
    pre_upsampled: ClassVar[bool] = False

    def __init__(self, channels: int, factor: int = 1) -> None:
        super().__init__()
        self.channels, self.factor = channels, factor

    @classmethod
    @abstractmethod
    def sized(cls, weights: Weights) -> Self:
        """Return a network that these weights fit. Its own weights are not set.

        Raises
        ------
        KeyError, ValueError, TypeError, IndexError, RuntimeError
            A name is missing or a shape does not fit: the weights belong to another architecture.
        """

    @classmethod
    def renamed(cls, weights: Weights) -> Weights:
        """Return the weights by the names that this package uses, whatever other programs call them."""
        return weights

    @classmethod
    def of(cls, weights: Weights) -> Self | None:
        """Return the network that has these weights, or None if they belong to another architecture."""
        try:
            weights = cls.renamed(weights)
            with torch.device("meta"):  # the initial weights are replaced, so they need no memory
                network = cls.sized(weights)
        # Shapes of another architecture: too few axes, or sizes that torch multiplies to too large a number.
        except (KeyError, ValueError, TypeError, IndexError, RuntimeError):
            return None
        if _kinds(network.state_dict()) != _kinds(weights):
            return None
        network.load_state_dict({name: value.clone() for name, value in weights.items()}, assign=True)
        return network.eval()


def _kinds(weights: Weights) -> dict[str, tuple[torch.Size, bool]]:
    return {name: (value.shape, value.is_floating_point()) for name, value in weights.items()}


def replaced(weights: Weights, names: Mapping[str, str | Callable[[re.Match[str]], str]]) -> Weights:
    """Return the weights with the start of each name replaced where it matches a pattern."""
    return {_replaced(name, names): value for name, value in weights.items()}


def _replaced(name: str, names: Mapping[str, str | Callable[[re.Match[str]], str]]) -> str:
    for pattern, other in names.items():
        new, count = re.subn("^" + pattern, other, name)
        if count:
            return new
    return name


def numbered(weights: Weights, prefix: str) -> list[int]:
    """Return the numbers that follow a prefix in the names of the weights, in ascending order."""
    starts = (name.removeprefix(prefix).split(".")[0] for name in weights if name.startswith(prefix))
    return sorted({int(start) for start in starts if start.isdecimal()})


def root(n: int, channels: int) -> int:
    """Return the factor whose square times `channels` is n.

    Raises
    ------
    ValueError
        No whole factor fits.
    """
    factor = round((n / channels) ** 0.5) if channels else 0
    if not factor or factor**2 * channels != n:
        raise ValueError(f"{n} channels do not correspond to a whole factor")
    return factor
