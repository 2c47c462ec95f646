"""The image that explains data and lies near another image, by conjugate gradients."""

import numpy as np
import torch
from torch import Tensor

from napari_dip.operators import Operator


def proximal(
    operator: Operator,
    data: Tensor,
    precision: Tensor,
    other: Tensor,
    nearness: Tensor,
    start: Tensor,
    *,
    steps: int,
    tolerance: float = 1e-4,
) -> Tensor:
    """Return the x that minimises Σ p (y − A x)² + Σ q (x − z)², after some steps of conjugate gradients.

    Parameters
    ----------
    operator : Operator
        A, on the CPU.
    data, precision : Tensor, shape ``(1, C, *spatial)``
        Data y, and the weight p of each pixel: the inverse of its variance, and 0 where it is missing.
    other, nearness : Tensor, shape ``(1, C, *grid)``
        Image z, and the weight q of each of its pixels.
    start : Tensor, shape ``(1, C, *grid)``
        x to start from.
    steps : int
        Largest number of steps.
    tolerance : float
        Size of the residual of the normal equations, as a share of their right-hand side, at which the steps
        end.

    Returns
    -------
    Tensor, shape ``(1, C, *grid)``
        The image.
    """
    from scipy.sparse.linalg import LinearOperator, cg

    def image(flat: np.ndarray) -> Tensor:
        return torch.from_numpy(flat).view_as(other)

    def normal(flat: np.ndarray) -> np.ndarray:
        x = image(flat)
        result: np.ndarray = (operator.adjoint(precision * operator(x)) + nearness * x).flatten().numpy()
        return result

    n = other.numel()
    with torch.no_grad():
        wanted = operator.adjoint(precision * (data - operator(other)))
        change, _ = cg(
            LinearOperator((n, n), matvec=normal, dtype=other.numpy().dtype),
            wanted.flatten().numpy(),
            (start - other).flatten().numpy(),
            rtol=tolerance,
            maxiter=steps,
        )
    return other + image(change)
