"""Places where the data show nothing but noise: a restored image has no structure there."""

import numpy as np

#: Standard deviations of the Gaussians that look for structure, in pixels, and the largest one as a share of
#: the shortest axis.
_WIDTHS, _LARGEST = (0.7, 1.0, 1.4, 2.0, 2.8, 4.0, 5.6, 8.0), 1 / 8
#: Significance from which something counts as structure, and the distance up to which it belongs to it, in
#: standard deviations of the Gaussian.
_SIGNIFICANT, _REACH = 3.5, 1.5
#: Standard deviation of the Gaussian that smooths empty places, in pixels; the share of its weight that has
#: to lie in such places; and the width of the transition to other places, in pixels.
_SMOOTH, _ENOUGH, _TRANSITION = 10.0, 0.15, 1.0


def smooth_where_empty(x: np.ndarray, data: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Replace a restored image where its data show nothing but noise by their smooth mean.

    A fit leaves mottles there, which come from the noise. The data show something where a difference of two
    Gaussians, of widths s and 2 s, exceeds 3.5 standard errors, for any of several widths. This is the
    multiresolution support of Starck, Murtagh and Bijaoui (Graphical Models and Image Processing 57, 1995).
    The sum of the image does not change.

    Parameters
    ----------
    x : ndarray, shape ``(*spatial)``
        The restored image.
    data : ndarray, shape ``(*spatial)``
        The data, with independent noise of variance 1.

    Returns
    -------
    (ndarray, ndarray), each of shape ``(*spatial)``
        The image, and the share of the smooth mean in it: 0 where the data show structure.
    """
    from scipy.ndimage import gaussian_filter

    empty = (~_structure(data)).astype(float)
    weight = gaussian_filter(empty, _SMOOTH)
    smooth = np.zeros_like(data)
    for _ in range(2):  # the second time corrects what the first one has done to slopes at the border
        left = empty * (data - smooth)
        smooth = smooth + gaussian_filter(left, _SMOOTH) / np.maximum(weight, _ENOUGH)
    share = np.where(weight > _ENOUGH, gaussian_filter(empty, _TRANSITION), 0)
    change = share * (smooth - x)
    # Bright counts look more like structure than dark ones do, so without them the mean would be too low.
    change -= share * (change.sum() / max(share.sum(), 1e-30))
    return x + change, share


def _structure(data: np.ndarray) -> np.ndarray:
    """Return where data with noise of variance 1 show more than noise."""
    from scipy.ndimage import distance_transform_edt, gaussian_filter

    found = np.zeros(data.shape, bool)
    long = [n for n in data.shape if n > 1]
    for width in _WIDTHS:
        if width > _LARGEST * min(long, default=0) and width > _WIDTHS[0]:
            break
        difference = gaussian_filter(data, width) - gaussian_filter(data, 2 * width)
        significant = np.abs(difference) > _SIGNIFICANT * _error(width, len(long))
        if significant.any():
            found |= distance_transform_edt(~significant) <= _REACH * width
    return found


def _error(width: float, axes: int) -> float:
    """Return the standard deviation of the difference of two Gaussians of noise of variance 1."""
    at = np.arange(-int(8 * width) - 1, int(8 * width) + 2)
    narrow, wide = (np.exp(-np.square(at) / (2 * one**2)) for one in (width, 2 * width))
    narrow, wide = narrow / narrow.sum(), wide / wide.sum()
    products = (narrow @ narrow) ** axes - 2 * (narrow @ wide) ** axes + (wide @ wide) ** axes
    return float(np.sqrt(products))
