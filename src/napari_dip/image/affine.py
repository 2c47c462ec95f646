"""Where images lie in the world: masks and guides on another grid, crops, finer grids."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from napari_dip.image.grid import Grid

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
    mask = np.asarray(mask).astype(bool, copy=False)
    # Ties go up, whatever the round-off; outside of the mask nothing is marked.
    return _sampled("mask", mask, mask_to_world, image_to_world, shape, ahead=_TOLERANCE, order=0, cval=0)


def resampled_onto(
    image: np.ndarray, image_to_world: np.ndarray, grid_to_world: np.ndarray, shape: tuple[int, ...]
) -> np.ndarray:
    """Return what an image shows at the pixels of another grid, by linear interpolation.

    Its axes are the last axes of the grid's world, so that a plane serves every plane and frame. Beyond its
    border the image goes on with the nearest of its own values. Next to NaN it is NaN.

    Parameters
    ----------
    image : ndarray, ``d`` axes
        Real numbers.
    image_to_world : ndarray, shape ``(d + 1, d + 1)``
        Homogeneous affine matrix, from the image's pixels to world coordinates.
    grid_to_world : ndarray, shape ``(n + 1, n + 1)``
        Likewise from the pixels of the grid.
    shape : tuple of int
        Of the grid, ``n >= d`` axes.

    Returns
    -------
    ndarray of float32, of this shape
        A read-only view: axes along which nothing changes are broadcast.

    Raises
    ------
    ValueError
        The image has more axes than the grid, or a matrix doesn't fit or can't be inverted.
    """
    image = np.asarray(image, np.float32)
    return _sampled("guide", image, image_to_world, grid_to_world, shape, order=1, mode="nearest")


def covered(corners: np.ndarray, shape: tuple[int, int], *, ellipse: bool = False) -> np.ndarray:
    """Return the pixels whose centres lie in a polygon, or in the ellipse within a parallelogram.

    Parameters
    ----------
    corners : ndarray, shape ``(n, 2)``
        In pixels, one after another around the outline.
    shape : (int, int)
        Of the image.
    ellipse : bool
        The four corners are those of the parallelogram.
    """
    from skimage.draw import polygon2mask

    if ellipse:
        centre, across, down = corners.mean(0), (corners[1] - corners[0]) / 2, (corners[2] - corners[1]) / 2
        turn = np.linspace(0, 2 * np.pi, 180, endpoint=False)[:, None]
        corners = centre + np.cos(turn) * across + np.sin(turn) * down
    return polygon2mask(shape, corners)


def grid_to_pixels(grid: Grid, axes: tuple[int, ...], ndim: int) -> np.ndarray:
    """Return the homogeneous matrix from the samples of a grid to the pixels of the data under it.

    Parameters
    ----------
    grid : Grid
        Of some axes.
    axes : tuple of int
        Which axes of the data these are; along the others samples and pixels are the same.
    ndim : int
        How many axes the data have.
    """
    matrix = np.eye(ndim + 1)
    matrix[axes, axes] = grid.step
    matrix[axes, -1] = grid.origin
    return matrix


def crop_translation(linear: np.ndarray, start: ArrayLike) -> np.ndarray:
    """Return how far an image that begins at place `start` of another one is moved against it.

    Parameters
    ----------
    linear : ndarray, shape ``(d, d)``
        Rotate @ shear @ diag(scale), from pixels to physical units.
    start : array_like of float
        Where its first pixel lies along each axis, in pixels of the other one.

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


def _sampled(
    name: str,
    array: np.ndarray,
    array_to_world: np.ndarray,
    grid_to_world: np.ndarray,
    shape: tuple[int, ...],
    *,
    ahead: float = 0.0,
    mode: str = "grid-constant",
    **how: Any,
) -> np.ndarray:
    """Return an array at the pixels of a grid, a view where nothing has to be computed."""
    from scipy.ndimage import affine_transform

    d, n = array.ndim, len(shape)
    if d > n:
        raise ValueError(
            f"the {name} must have no more axes than the image, got {d} axes for an image of {n}: "
            f"take one plane or frame of the {name}"
        )
    linear, offset = _to_pixels(
        name, _affine(f"{name}_to_world", array_to_world, d), _affine("image_to_world", grid_to_world, n)
    )

    reach = np.maximum(np.array(shape) - 1, 0)  # how far the grid's pixels go, along each of its axes
    same = np.eye(n)[n - d :]
    if (
        array.shape == tuple(shape[n - d :])
        and _still(linear - same, reach).all()
        and _still(offset, 1).all()
    ):
        return np.broadcast_to(array, shape)

    size = np.where(_still(linear, reach).all(axis=0), np.minimum(shape, 1), shape)
    # scipy wants as many axes on both sides: the array gets leading ones of length 1, always at pixel 0.
    lifted = np.zeros((n, n)), np.zeros(n)
    lifted[0][n - d :], lifted[1][n - d :] = linear, offset + ahead
    sampled = affine_transform(
        array.reshape((1,) * (n - d) + array.shape),
        *lifted,
        output_shape=tuple(size),
        mode=mode,
        prefilter=False,
        **how,
    )
    return np.broadcast_to(sampled, shape)


def _to_pixels(
    name: str, array_to_world: np.ndarray, grid_to_world: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the matrix, shape ``(d, n)``, and the offset that take the grid's pixels to the array's."""
    d = len(array_to_world) - 1
    linear = array_to_world[:d, :d]
    lengths = np.linalg.norm(linear, axis=0)  # units of different axes may differ by many powers of ten
    if not lengths.all() or np.linalg.matrix_rank(linear / lengths) < d:
        raise ValueError(
            f"the {name}'s transform is singular, it takes different pixels to one place: give it a scale "
            "other than 0 along each axis, and axes that point in different directions"
        )
    grid = grid_to_world[-1 - d : -1]
    moved = grid[:, -1] - array_to_world[:d, d]
    return np.linalg.solve(linear, grid[:, :-1]), np.linalg.solve(linear, moved)


def _still(rates: np.ndarray, reach: np.ndarray | int) -> np.ndarray:
    """Return where the pixels move by less than anyone can see."""
    return np.abs(rates) * reach < _TOLERANCE
