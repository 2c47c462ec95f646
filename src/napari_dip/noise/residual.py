"""The strength of the noise, measured in the residual of a restored image."""

from torch import Tensor


def residual_sigma(residual: Tensor, seen: Tensor) -> Tensor:
    """Return the root mean square of the residual y − A x in each channel, over observed pixels.

    This is the maximum-likelihood estimate of σ for Gaussian noise and a restored image x that explains the
    data. It is too low if x has followed the noise, and too high if x lacks structure.

    Parameters
    ----------
    residual : Tensor, shape ``(C, *spatial)``
        Grey levels.
    seen : Tensor of bool, the same shape
        False where a pixel is missing.

    Returns
    -------
    Tensor, shape ``(C, 1, ...)``
        In grey levels; 0 for a channel without observed pixels.
    """
    axes = tuple(range(1, residual.ndim))
    power = residual.square().where(seen, 0).sum(axes, keepdim=True)
    return (power / seen.sum(axes, keepdim=True).clamp_min(1)).sqrt()
