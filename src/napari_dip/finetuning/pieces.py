"""Long computations in pieces, so that a run can be shown, stopped or cancelled between two of them."""

from collections.abc import Callable, Generator
from typing import TypeAlias, TypeVar

from torch import Tensor

T = TypeVar("T")

#: Yields after each piece, with an image if there is a new one to show, and returns the result.
Pieces: TypeAlias = Generator[Tensor | None, None, T]


def mapped(pieces: Pieces[Tensor], function: Callable[[Tensor], Tensor]) -> Pieces[Tensor]:
    """Return a computation with a function applied to its images and to its result."""
    while True:
        try:
            image = next(pieces)
        except StopIteration as end:
            return function(end.value)
        yield None if image is None else function(image)
