"""The image that explains data and lies near another image."""

import numpy as np
import pytest
import torch

from napari_dip import GaussianPSF
from napari_dip.operators import Blur, Identity, Resample
from napari_dip.optim.proximal import proximal

OPERATORS = {
    "identity": Identity(),
    "blur": Blur(torch.from_numpy(GaussianPSF(2.0).kernel(2)).double()),
    "resample": Resample((2, 2)),
}


@pytest.mark.parametrize("operator", OPERATORS.values(), ids=OPERATORS)
def test_it_minimises_the_sum_of_both_distances(operator):
    draw = torch.Generator().manual_seed(0)
    data = torch.randn(1, 2, 8, 9, generator=draw, dtype=torch.float64)
    precision = torch.rand(data.shape, generator=draw, dtype=torch.float64)
    precision[..., 2:4, 3:5] = 0
    grid = operator.grid((8, 9)).shape
    other, nearness = torch.rand(2, 1, 2, *grid, generator=draw, dtype=torch.float64) + 0.1
    x = proximal(operator, data, precision, other, nearness, other, steps=500, tolerance=1e-10)
    x.requires_grad_()
    energy = (precision * (data - operator(x)).square()).sum() + (nearness * (x - other).square()).sum()
    (slope,) = torch.autograd.grad(energy, x)
    np.testing.assert_allclose(slope, 0, atol=1e-6)


def test_few_steps_come_closer_from_a_better_start():
    operator, draw = OPERATORS["blur"], torch.Generator().manual_seed(0)
    data = torch.randn(1, 1, 20, 20, generator=draw, dtype=torch.float64)
    other = torch.zeros(1, 1, *operator.grid((20, 20)).shape, dtype=torch.float64)
    weights = torch.ones_like(data), torch.full_like(other, 1e-3)
    solution = proximal(operator, data, weights[0], other, weights[1], other, steps=2000, tolerance=1e-12)
    errors = [
        float((proximal(operator, data, weights[0], other, weights[1], start, steps=3) - solution).norm())
        for start in (other, 0.9 * solution)
    ]
    assert errors[1] < 0.5 * errors[0]
