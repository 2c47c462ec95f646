"""Where images lie in the world: masks on another grid, crops."""

import numpy as np

#: Pixels. Far more than round-off in an affine matrix, far less than anyone can see.
_TOLERANCE = 1e-6


def aligned(
    mask: np.ndarray, mask_to_world: np.ndarray, image_to_world: np.ndarray, shape: tuple[int, ...]
) -> np.ndarray:
    """Return where a mask lies on an image's grid: its nearest pixel, and False outside of it.

    A pixel reaches half a pixel to each side of its centre, which lies at integers. The mask's axes are the
    last axes of the image's world, so that a mask of a plane serves every plane and frame.

    Parameters
    ----------
    mask : ndarray, ``d`` axes
        Anything but zero is true.
    mask_to_world : ndarray, shape ``(d + 1, d + 1)``
        Homogeneous affine matrix, from the mask's pixels to world coordinates, in the order of the axes.
    image_to_world : ndarray, shape ``(n + 1, n + 1)``
        Likewise from the image's pixels.
    shape : tuple of int
        The image's, ``n >= d`` axes.

    Returns
    -------
    ndarray of bool, of this shape
        A read-only view: axes of the image along which nothing changes are broadcast, and a mask on the
        image's own grid is returned as it is.

    Raises
    ------
    ValueError
        The mask has more axes than the image, or a matrix doesn't fit or can't be inverted.
    """
    from scipy.ndimage import affine_transform

    mask = np.asarray(mask).astype(bool, copy=False)
    d, n = mask.ndim, len(shape)
    if d > n:
        raise ValueError(
            f"the mask must have no more axes than the image, got {d} axes for an image of {n}: "
            "take one plane or frame of the mask"
        )
    linear, offset = _to_mask(
        _affine("mask_to_world", mask_to_world, d), _affine("image_to_world", image_to_world, n)
    )

    reach = np.maximum(np.array(shape) - 1, 0)  # how far the image's pixels go, along each of its axes
    same = np.eye(n)[n - d :]
    if mask.shape == tuple(shape[n - d :]) and _still(linear - same, reach).all() and _still(offset, 1).all():
        return np.broadcast_to(mask, shape)

    size = np.where(_still(linear, reach).all(axis=0), np.minimum(shape, 1), shape)
    # scipy wants as many axes on both sides: the mask gets leading ones of length 1, always at pixel 0.
    lifted = np.zeros((n, n)), np.zeros(n)
    lifted[0][n - d :], lifted[1][n - d :] = linear, offset + _TOLERANCE  # ties go up, whatever the round-off
    sampled = affine_transform(
        mask.reshape((1,) * (n - d) + mask.shape),
        *lifted,
        output_shape=tuple(size),
        order=0,
        mode="grid-constant",
        cval=0,
        prefilter=False,
    )
    return np.broadcast_to(sampled, shape)


def crop_translation(linear: np.ndarray, start: tuple[int, ...]) -> np.ndarray:
    """Return how far a crop that begins at pixel `start` is moved against the whole image.

    Parameters
    ----------
    linear : ndarray, shape ``(d, d)``
        Rotate @ shear @ diag(scale), from pixels to physical units.
    start : tuple of int
        First pixel of the crop, along each axis.

    Returns
    -------
    ndarray, shape ``(d,)``
        In physical units: to be added to the image's translation.
    """
    return np.asarray(linear, dtype=float) @ np.asarray(start, dtype=float)


def _affine(name: str, matrix: np.ndarray, axes: int) -> np.ndarray:
    matrix = np.asarray(matrix, dtype=float)
    if matrix.shape != (axes + 1, axes + 1) or not np.isfinite(matrix).all():
        raise ValueError(
            f"{name} must be a finite {axes + 1} x {axes + 1} matrix for {axes} axes, "
            f"got one of shape {matrix.shape}"
        )
    return matrix


def _to_mask(mask_to_world: np.ndarray, image_to_world: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the matrix, shape ``(d, n)``, and the offset that take the image's pixels to the mask's."""
    d = len(mask_to_world) - 1
    linear = mask_to_world[:d, :d]
    lengths = np.linalg.norm(linear, axis=0)  # units of different axes may differ by many powers of ten
    if not lengths.all() or np.linalg.matrix_rank(linear / lengths) < d:
        raise ValueError(
            "the mask's transform is singular, it takes different pixels to one place: give it a scale "
            "other than 0 along each axis, and axes that point in different directions"
        )
    image = image_to_world[-1 - d : -1]
    moved = image[:, -1] - mask_to_world[:d, d]
    return np.linalg.solve(linear, image[:, :-1]), np.linalg.solve(linear, moved)


def _still(rates: np.ndarray, reach: np.ndarray | int) -> np.ndarray:
    """Return where the pixels move by less than anyone can see."""
    return np.abs(rates) * reach < _TOLERANCE
