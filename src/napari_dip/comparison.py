"""A restored image against its original."""

import numpy as np


def blended(
    original: np.ndarray, restored: np.ndarray, strength: float, missing: np.ndarray | None = None
) -> np.ndarray:
    """Return original + strength · (restored − original), and the one image where there is no other.

    Parameters
    ----------
    original, restored : ndarray
        Grey levels, of the same shape.
    strength : float
        0 gives the original, 1 the restored image.
    missing : ndarray of bool, optional
        Pixels without an original, of the images' shape or one that broadcasts to it; a last axis of
        channels may be left out. Pixels that are not finite are missing as well.

    Returns
    -------
    ndarray of float32
    """
    if not 0 <= strength <= 1:
        raise ValueError(f"strength must lie in [0, 1], got {strength}")
    before, after, hidden = _compared(original, restored, missing)
    before[hidden] = 0  # not a number stays one, whatever it is multiplied by
    blend = np.float32(1 - strength) * before + np.float32(strength) * after
    blend[hidden] = after[hidden]
    if strength < 1:
        blank = ~np.isfinite(after)  # a frame that was not reached: nothing to blend with
        blend[blank] = before[blank]
    return blend


def residual(original: np.ndarray, restored: np.ndarray, missing: np.ndarray | None = None) -> np.ndarray:
    """Return original − restored: noise alone, where the restoration is good. NaN where either is missing.

    Parameters
    ----------
    original, restored, missing
        As for `blended`.

    Returns
    -------
    ndarray of float32
    """
    before, after, hidden = _compared(original, restored, missing)
    hidden |= ~np.isfinite(after)
    before[hidden] = after[hidden] = np.nan
    return before - after


def _compared(
    original: np.ndarray, restored: np.ndarray, missing: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return copies of both as float32, and where the original is missing."""
    with np.errstate(over="ignore"):  # what float32 can't hold becomes infinite, and so missing
        before, after = (np.array(image, dtype=np.float32) for image in (original, restored))
    if before.shape != after.shape:
        raise ValueError(f"restored must have the original's shape {before.shape}, got {after.shape}")
    hidden = ~np.isfinite(before)
    if missing is not None:
        hidden |= _spread(np.asarray(missing) != 0, before.shape)
    return before, after, hidden


def _spread(missing: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    for mask in (missing, missing[..., None]):
        try:
            return np.broadcast_to(mask, shape)
        except ValueError:
            continue
    raise ValueError(f"missing must fit the image's shape {shape}, got {missing.shape}")
