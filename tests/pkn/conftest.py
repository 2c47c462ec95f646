import numpy as np
import pytest
import torch


@pytest.fixture
def speckled(random):
    """An edge with noise, 14 x 17 pixels."""
    return 100 + 40 * (np.arange(17) > 8) + random.normal(0, 10, (14, 17))


@pytest.fixture
def brute():
    """A function that computes Σ w x / Σ w pixel by pixel: slow, and simple enough to trust."""

    def mean(image, weights_of, radius, seen=None):
        """Take the weights of each window from `weights_of(row, column)`."""
        seen = np.ones(image.shape) if seen is None else seen
        padded, known = np.pad(image, radius, mode="reflect"), np.pad(seen, radius, mode="reflect")
        result, side = np.empty(image.shape), 2 * radius + 1
        for row, column in np.ndindex(image.shape):
            window = slice(row, row + side), slice(column, column + side)
            weights = weights_of(row, column) * known[window]
            result[row, column] = (weights * padded[window]).sum() / weights.sum()
        return result

    return mean


@pytest.fixture
def offsets():
    """A function that returns the rows and columns of a window, counted from its centre."""
    return lambda radius: np.mgrid[-radius : radius + 1, -radius : radius + 1]


@pytest.fixture
def tensor():
    """A function that returns an array as a batch of one image with one channel, in double precision."""
    return lambda array: torch.from_numpy(np.array(array, np.float64))[None, None]
