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
    """Return x after some steps of conjugate gradients towards A x = data.

    Parameters
    ----------
    operator, data, x, weights
        As for `cgls`.
    steps : int
        Largest number of steps.
    tolerance : float
        Root-mean-square residual, in grey levels, at which the steps end.
    """
    for index, (closer, residual) in enumerate(cgls(operator, data, x, weights=weights)):
        x = closer
        if index == steps or residual <= tolerance:
            break
    return x


def cgls(
    operator: Operator, data: Tensor, x: Tensor, *, weights: Tensor | None = None
) -> Iterator[tuple[Tensor, float]]:
    """Yield x, then x after each step of conjugate gradients on the normal equations (CGLS).

    Each step takes the direction in which the residual falls fastest. Details that A hardly transmits come
    last, so that few steps amplify little noise. Components of x that A does not transmit stay unchanged.

    Parameters
    ----------
    operator : Operator
        A.
    data : Tensor, shape ``(N, C, *spatial)``
        Data y.
    x : Tensor, shape ``(N, C, *grid)``
        Image to start from; it is not modified.
    weights : Tensor, optional
        0 where a pixel of the data is missing, else 1.

    Yields
    ------
    (Tensor, float)
        The image, and its root-mean-square residual in grey levels.
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
