"""Step sizes that change while a network learns."""

import math
from collections.abc import Callable


def cosine_decay(rate: float, iterations: int) -> Callable[[int], float]:
    """Return a step size by the index of an update: it falls to 0 as half a cosine does."""
    return lambda index: rate * 0.5 * (1 + math.cos(math.pi * index / iterations))
