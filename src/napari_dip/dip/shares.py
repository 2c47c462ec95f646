"""How much of another image held-out pixels prefer in a mean."""

import torch
from torch import Tensor


def preferred_share(
    error: Tensor, change: Tensor, *, usual: float, weight: float, variance: float | None = None
) -> Tensor:
    """Return the share of another image that best predicts held-out pixels by least squares.

    Where these are few, or the images hardly differ, it is near the usual share.

    Parameters
    ----------
    error : Tensor, shape ``(number,)``
        Data less the first image, in held-out pixels.
    change : Tensor, shape ``(number,)``
        The other image less the first one, in the same pixels.
    usual, weight : float
        The share without evidence, and the inverse of its variance from image to image.
    variance : float, optional
        Variance of the errors. By default it is their mean square.

    Returns
    -------
    Tensor, 0-d
        From 0 to 1.
    """
    scale = error.square().sum() / max(len(error), 1) if variance is None else error.new_tensor(variance)
    scale = scale.clamp_min(torch.finfo(error.dtype).tiny)
    evidence, certainty = (change * error).sum() / scale, change.square().sum() / scale
    return ((weight * usual + evidence) / (weight + certainty)).clamp(0, 1)
