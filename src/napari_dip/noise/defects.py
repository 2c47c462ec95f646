"""Defects of a detector in an image: dead pixels, and rows or columns that differ from their neighbours."""

from dataclasses import dataclass

import numpy as np

from napari_dip.image.units import Units

#: Least side of an image in which defects are looked for, in pixels.
_SIDE = 24
#: What makes a pixel of value 0 a dead one: standard deviations of the noise by which it lies below its
#: surroundings, and their least brightness as a share of that of the brightest places. The side of the
#: surroundings, and the largest share of dead pixels.
_DEEP, _BRIGHT, _AROUND, _MANY = 8.0, 0.1, 5, 0.2
#: Standard errors by which a line differs from its neighbours, and those by which most lines differ in a
#: striped image.
_LINE, _STRIPED = 10.0, 3.0
#: Least share of the lines that differ from both neighbours in the same way in a striped image. Of stripes
#: that are drawn at random, two thirds do so, and half of them clearly.
_EXTREME = 0.2
#: Share by which the parts of a line may differ from all of it, their number, and the least agreement
#: (correlation) between the two halves of striped lines.
_UNLIKE, _PARTS, _AGREEMENT = 0.5, 8, 0.7
#: Largest correlation between neighbouring lines of a striped image; it is −2/3 for independent stripes.
_ROUGH = -0.3
#: The median of the magnitude of normal numbers, and the ratio of the standard errors of median and mean.
_MAGNITUDE, _MEDIAN = 0.6745, 1.2533


@dataclass(frozen=True)
class Lines:
    """Rows or columns that differ from their neighbours over their whole length.

    Parameters
    ----------
    numbers : tuple of int
        Their indices; empty if most of them differ.
    striped : bool
        Whether most of them differ.
    step : float
        By how many grey levels they differ, typically.
    """

    numbers: tuple[int, ...]
    striped: bool
    step: float


def dead_pixels(image: np.ndarray, seen: np.ndarray) -> int:
    """Return the number of pixels that are 0, far below all that surrounds them.

    Parameters
    ----------
    image : ndarray of float, shape ``(H, W)``
        Grey levels.
    seen : ndarray of bool, shape ``(H, W)``
        False where a pixel is missing.
    """
    from scipy.ndimage import median_filter, minimum_filter

    dark = seen & (image == 0)
    if min(image.shape) < _SIDE or not dark.any() or dark.mean() > _MANY:
        return 0
    around = median_filter(image, _AROUND)
    apart = np.abs(image - around)[seen & ~dark]
    sigma = float(np.median(apart)) / _MAGNITUDE if apart.size else 0.0
    # The dark parts of a scene are surrounded by other dark pixels.
    darkest = minimum_filter(np.where(dark, np.inf, image), 3)
    bright = max(_DEEP * sigma, _BRIGHT * float(np.quantile(image[seen], 0.99)))
    return int(np.count_nonzero(dark & (around > bright) & (darkest > around / 2)))


def odd_lines(image: np.ndarray, axis: int) -> Lines | None:
    """Return the lines across an axis that differ from their neighbours; None if there are none.

    Each pixel is compared with its two neighbours along the axis. A structure of the scene hardly ever
    differs from both of them in the same way along a whole line. Where the scene is smooth, or has an edge
    along a line, that line lies between its neighbours.

    Parameters
    ----------
    image : ndarray of float, shape ``(H, W)``
        Grey levels without missing pixels.
    axis : {0, 1}
        0 for rows, 1 for columns.
    """
    if min(image.shape) < _SIDE:
        return None
    units = Units.of(image.ravel())  # products of extreme grey levels would overflow
    lines = units.to_working(image if axis == 0 else image.T).astype(np.float64)
    apart = lines[1:-1] - (lines[:-2] + lines[2:]) / 2
    typical = np.median(apart, axis=1)
    before, after = (np.median(lines[1:-1] - beside, axis=1) for beside in (lines[:-2], lines[2:]))
    extreme = (before * after > 0) & (np.minimum(np.abs(before), np.abs(after)) > _UNLIKE * np.abs(typical))
    spread = float(np.median(np.abs(apart - typical[:, None]))) / _MAGNITUDE
    error = _MEDIAN * spread / lines.shape[1] ** 0.5
    if error == 0:
        return None
    if extreme.mean() > _EXTREME and float(np.median(np.abs(typical))) / _MAGNITUDE > _STRIPED * error:
        half = lines.shape[1] // 2
        first, second = (np.median(part, axis=1) for part in (apart[:, :half], apart[:, half:]))
        agree = float(np.corrcoef(first, second)[0, 1]) > _AGREEMENT
        # Where a smooth scene is curved, neighbouring lines differ in the same way.
        striped = agree and float(np.corrcoef(typical[:-1], typical[1:])[0, 1]) < _ROUGH
        step = units.scale * float(np.median(np.abs(typical)))
        return Lines((), striped=True, step=step) if striped else None
    parts = np.stack([np.median(part, axis=1) for part in np.array_split(apart, _PARTS, axis=1)])
    alike = (np.abs(parts - typical) <= _UNLIKE * np.abs(typical)).all(0)
    # A line that differs makes both of its neighbours seem to differ, half as much.
    beside = np.pad(np.abs(typical), 1)
    largest = np.abs(typical) >= np.maximum(beside[:-2], beside[2:])
    odd = (np.abs(typical) > _LINE * error) & alike & largest & extreme
    if not odd.any():
        return None
    numbers = tuple(int(n) + 1 for n in np.flatnonzero(odd))
    return Lines(numbers, striped=False, step=units.scale * float(np.abs(typical[odd]).mean()))
