import numpy as np
import pytest
import torch

from napari_dip import UnknownNoise
from napari_dip.operators import Identity
from napari_dip.problem import Problem


@pytest.fixture
def problem():
    """Return a function that makes a problem of one channel."""

    def made(image, weights=None, noise=None, **options):
        data = torch.as_tensor(np.asarray(image, np.float32))[None, None]
        weights = torch.ones_like(data) if weights is None else torch.as_tensor(weights)[None, None].float()
        options = {"operator": Identity(), **options}
        return Problem(data, noise=noise or UnknownNoise(), weights=weights, **options)

    return made


@pytest.fixture
def drained():
    """Return a function that gives what a generator yields once the fit has begun, and what it returns."""

    def items_and_result(run):
        iterates = []
        while True:
            try:
                iterate = next(run)
            except StopIteration as end:
                return iterates, end.value
            if not iterate.preparing:
                iterates.append(iterate)

    return items_and_result
