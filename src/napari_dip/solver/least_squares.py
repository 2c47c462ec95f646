"""Least squares by conjugate gradients."""

from torch import Tensor, no_grad

from napari_dip.operators import Operator


def nearest_consistent(
    operator: Operator,
    data: Tensor,
    x: Tensor,
    *,
    weights: Tensor | None = None,
    steps: int,
    until: float = 0.0,
) -> Tensor:
    """Move x towards A x = data by conjugate gradients on the normal equations (CGLS).

    Each step takes the direction in which the residual falls most, details that A hardly lets through last:
    few steps amplify little noise. What A does not see of x stays as it was.

    Parameters
    ----------
    operator : Operator
        A.
    data : Tensor, shape ``(N, C, *spatial)``
        What A x should be.
    x : Tensor, shape ``(N, C, *grid)``
        To begin with; it is not changed.
    weights : Tensor, optional
        0 where a pixel of the data doesn't count, else 1.
    steps : int
        At the most.
    until : float
        Root-mean-square residual that is small enough.
    """
    seen = data.new_ones(()) if weights is None else weights
    count = seen.expand_as(data).sum()
    with no_grad():
        residual = seen * (data - operator(x))
        direction = gradient = operator.adjoint(residual)
        for _ in range(steps):
            power = gradient.square().sum()
            if residual.square().sum() <= until**2 * count or power == 0:
                break
            image = seen * operator(direction)
            step = power / image.square().sum().clamp_min(1e-30)
            x = x + step * direction
            residual = residual - step * image
            gradient = operator.adjoint(residual)
            direction = gradient + gradient.square().sum() / power.clamp_min(1e-30) * direction
    return x
