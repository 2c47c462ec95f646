"""Least squares by conjugate gradients."""

from collections.abc import Iterator

from torch import Tensor, no_grad

from napari_dip.operators import Operator


def back_project(
    operator: Operator,
    data: Tensor,
    x: Tensor,
    *,
    weights: Tensor | None = None,
    steps: int,
    tolerance: float = 0.0,
) -> Tensor:
    """Move x towards A x = data by conjugate gradients.

    Parameters
    ----------
    operator, data, x, weights
        As for `cgls`.
    steps : int
        At the most.
    tolerance : float
        Root-mean-square residual that is small enough.
    """
    for index, (closer, left) in enumerate(cgls(operator, data, x, weights=weights)):
        x = closer
        if index == steps or left <= tolerance:
            break
    return x


def cgls(
    operator: Operator, data: Tensor, x: Tensor, *, weights: Tensor | None = None
) -> Iterator[tuple[Tensor, float]]:
    """Yield x, and what each step of conjugate gradients on the normal equations (CGLS) makes of it.

    Each takes the direction in which the residual falls most, details that A hardly lets through last: few
    steps amplify little noise. What A does not see of x stays as it was.

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

    Yields
    ------
    (Tensor, float)
        The image, and its root-mean-square residual.
    """
    seen = data.new_ones(()) if weights is None else weights
    count = seen.expand_as(data).sum()
    with no_grad():
        residual = seen * (data - operator(x))
        direction = gradient = operator.adjoint(residual)
    while True:
        yield x, float((residual.square().sum() / count).sqrt())
        with no_grad():
            power = gradient.square().sum()
            if power == 0:
                return
            image = seen * operator(direction)
            step = power / image.square().sum().clamp_min(1e-30)
            x = x + step * direction
            residual = residual - step * image
            gradient = operator.adjoint(residual)
            direction = gradient + gradient.square().sum() / power.clamp_min(1e-30) * direction
