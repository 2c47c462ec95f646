"""Affine transforms between images: masks and guides on other grids, crops, finer grids."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from napari_dip.image.grid import Grid

#: In pixels: much more than the round-off of an affine matrix, and much less than anyone can see.
_TOLERANCE = 1e-6


def aligned(
    mask: np.ndarray, mask_to_world: np.ndarray, image_to_world: np.ndarray, shape: tuple[int, ...]
) -> np.ndarray:
    """Resample a mask onto an image's grid, by its nearest pixel; False outside the mask.

    The centres of pixels lie at integers, and a pixel extends half a pixel to each side. The mask's axes are
    the last axes of the image's world, so a mask of one plane applies to every plane and frame.

    Parameters
    ----------
    mask : ndarray, ``d`` axes
        All values but zero are true.
    mask_to_world : ndarray, shape ``(d + 1, d + 1)``
        Homogeneous affine matrix from the mask's pixels to world coordinates, in the order of the axes.
    image_to_world : ndarray, shape ``(n + 1, n + 1)``
        Homogeneous affine matrix from the image's pixels to world coordinates.
    shape : tuple of int
        Shape of the image, with ``n >= d`` axes.

    Returns
    -------
    ndarray of bool, shape `shape`
        A read-only view. Axes of the image along which nothing changes are broadcast, and a mask that is on
        the image's grid already is not copied.

    Raises
    ------
    ValueError
        The mask has more axes than the image, or a matrix has the wrong shape or can't be inverted.
    """
    mask = np.asarray(mask).astype(bool, copy=False)
    # Positions halfway between two pixels are rounded up, whatever the round-off.
    return _sampled("mask", mask, mask_to_world, image_to_world, shape, ahead=_TOLERANCE, order=0, cval=0)


def resampled_onto(
    image: np.ndarray, image_to_world: np.ndarray, grid_to_world: np.ndarray, shape: tuple[int, ...]
) -> np.ndarray:
    """Resample an image onto another grid, by linear interpolation.

    The image's axes are the last axes of the grid's world, so one plane applies to every plane and frame.
    Beyond its border the image continues with its nearest value. A pixel next to NaN becomes NaN.

    Parameters
    ----------
    image : ndarray, ``d`` axes
        Real numbers.
    image_to_world : ndarray, shape ``(d + 1, d + 1)``
        Homogeneous affine matrix from the image's pixels to world coordinates.
    grid_to_world : ndarray, shape ``(n + 1, n + 1)``
        Homogeneous affine matrix from the grid's pixels to world coordinates.
    shape : tuple of int
        Shape of the grid, with ``n >= d`` axes.

    Returns
    -------
    ndarray of float32, shape `shape`
        A read-only view. Axes along which nothing changes are broadcast.

    Raises
    ------
    ValueError
        The image has more axes than the grid, or a matrix has the wrong shape or can't be inverted.
    """
    image = np.asarray(image, np.float32)
    return _sampled("guide", image, image_to_world, grid_to_world, shape, order=1, mode="nearest")


def covered(corners: np.ndarray, shape: tuple[int, int], *, ellipse: bool = False) -> np.ndarray:
    """Return a mask of the pixels whose centres lie in a polygon or an ellipse.

    Parameters
    ----------
    corners : ndarray, shape ``(n, 2)``
        Positions in pixels, in order around the outline.
    shape : (int, int)
        Shape of the image.
    ellipse : bool
        Mark the ellipse inside the parallelogram of four corners, not the polygon.
    """
    from skimage.draw import polygon2mask

    if ellipse:
        centre, across, down = corners.mean(0), (corners[1] - corners[0]) / 2, (corners[2] - corners[1]) / 2
        turn = np.linspace(0, 2 * np.pi, 180, endpoint=False)[:, None]
        corners = centre + np.cos(turn) * across + np.sin(turn) * down
    return polygon2mask(shape, corners)


def grid_to_pixels(grid: Grid, axes: tuple[int, ...], ndim: int) -> np.ndarray:
    """Return the homogeneous matrix from the samples of a grid to the pixels of the data.

    Parameters
    ----------
    grid : Grid
        Grid along some axes of the data.
    axes : tuple of int
        These axes. Along the others, samples and pixels are the same.
    ndim : int
        Number of axes of the data.
    """
    matrix = np.eye(ndim + 1)
    matrix[axes, axes] = grid.step
    matrix[axes, -1] = grid.origin
    return matrix


def crop_translation(linear: np.ndarray, start: ArrayLike) -> np.ndarray:
    """Return the translation of a crop relative to the image that it was cut from.

    Parameters
    ----------
    linear : ndarray, shape ``(d, d)``
        Rotate @ shear @ diag(scale), from pixels to physical units.
    start : array_like of float
        Position of the crop's first pixel along each axis, in pixels of the whole image.

    Returns
    -------
    ndarray, shape ``(d,)``
        In physical units: add it to the translation of the whole image.
    """
    return np.asarray(linear, dtype=float) @ np.asarray(start, dtype=float)


def _affine(name: str, matrix: np.ndarray, axes: int) -> np.ndarray:
    matrix = np.asarray(matrix, dtype=float)
    if matrix.shape != (axes + 1, axes + 1) or not np.isfinite(matrix).all():
        raise ValueError(
            f"{name} must be a finite {axes + 1} x {axes + 1} matrix for {axes} axes, "
            f"got shape {matrix.shape}"
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
    """Return an array resampled onto a grid, as a view if nothing has to be computed."""
    from scipy.ndimage import affine_transform

    d, n = array.ndim, len(shape)
    if d > n:
        raise ValueError(
            f"the {name} must have no more axes than the image, got {d} axes for an image of {n}: "
            f"choose one plane or frame of the {name}"
        )
    linear, offset = _to_pixels(
        name, _affine(f"{name}_to_world", array_to_world, d), _affine("image_to_world", grid_to_world, n)
    )

    reach = np.maximum(np.array(shape) - 1, 0)  # position of the grid's last pixel along each axis
    same = np.eye(n)[n - d :]
    if (
        array.shape == tuple(shape[n - d :])
        and _still(linear - same, reach).all()
        and _still(offset, 1).all()
    ):
        return np.broadcast_to(array, shape)

    size = np.where(_still(linear, reach).all(axis=0), np.minimum(shape, 1), shape)
    # SciPy needs as many axes in the input as in the output: the array gets leading axes of length 1.
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
    """Return the matrix, shape ``(d, n)``, and the offset from the grid's pixels to the array's."""
    d = len(array_to_world) - 1
    linear = array_to_world[:d, :d]
    lengths = np.linalg.norm(linear, axis=0)  # units of different axes may differ by orders of magnitude
    if not lengths.all() or np.linalg.matrix_rank(linear / lengths) < d:
        raise ValueError(
            f"the {name}'s transform is singular, since it maps different pixels to one position: give it a "
            "scale other than 0 along each axis, and axes that point in different directions"
        )
    grid = grid_to_world[-1 - d : -1]
    moved = grid[:, -1] - array_to_world[:d, d]
    return np.linalg.solve(linear, grid[:, :-1]), np.linalg.solve(linear, moved)


def _still(rates: np.ndarray, reach: np.ndarray | int) -> np.ndarray:
    """Return where pixels move by less than the tolerance."""
    return np.abs(rates) * reach < _TOLERANCE
