"""Tags of TIFF files that are carried over: who made an image, how it is turned, where it lies on Earth."""

from collections.abc import Sequence
from typing import Any

import numpy as np

#: Code, data type, count and value, as tifffile writes them.
Tag = tuple[int, int, int, Any]

_SCALE, _TIE_POINTS, _MATRIX, _GEO_KEYS = 33550, 33922, 34264, 34735
_KEPT = {
    *(271, 272, 274, 306, 315, 33432),  # make, model, orientation, date, artist, copyright
    *(_SCALE, _TIE_POINTS, _MATRIX, _GEO_KEYS, 34736, 34737, 42112),  # GeoTIFF, and GDAL's metadata
}
_RASTER_TYPE, _POINT = 1025, 2
_ASCII = 2
#: How many numbers there may be.
_SIZES = {_SCALE: (3,), _MATRIX: (16,), _TIE_POINTS: range(6, 60_001, 6), _GEO_KEYS: range(4, 60_001, 4)}


def kept_tags(page: Any) -> tuple[Tag, ...]:
    """Return the tags of a page that are carried over, without those that are malformed."""
    found = []
    for tag in page.tags:
        if tag.code not in _KEPT:
            continue
        if isinstance(tag.value, str):
            found.append((tag.code, _ASCII, 0, tag.value.encode()))
        elif _is_numbers(tag.value) and np.size(tag.value) in _SIZES.get(tag.code, (tag.count,)):
            found.append((tag.code, int(tag.dtype), tag.count, tag.value))
    return tuple(found)


def _is_numbers(value: Any) -> bool:
    return np.asarray(value).dtype.kind in "uif"


def placed(tags: Sequence[Tag], start: tuple[int, ...], factors: tuple[int, ...]) -> tuple[Tag, ...]:
    """Return tags for a part of the image with finer pixels, which keep their places on Earth.

    Column and row p become f (p − start), measured from the corner of the first pixel.

    Parameters
    ----------
    tags : sequence of Tag
        Tags of the whole image.
    start : (int, int)
        First column and row of the part.
    factors : (int, int)
        Number of fine pixels per pixel, along columns and rows.
    """
    values = {tag[0]: np.array(tag[3], float) for tag in tags if tag[0] in (_SCALE, _TIE_POINTS, _MATRIX)}
    # Coordinates of pixels may be those of their centres.
    centre = 0.5 if _are_points(tags) else 0.0
    first, f = np.array(start, float), np.array(factors, float)
    if _SCALE in values:
        values[_SCALE][:2] /= f
    if _TIE_POINTS in values:
        points = values[_TIE_POINTS].reshape(-1, 6)
        points[:, :2] = f * (points[:, :2] + centre - first) - centre
    if _MATRIX in values:
        matrix = values[_MATRIX].reshape(4, 4)
        matrix[:, 3] += matrix[:, :2] @ (centre / f + first - centre)
        matrix[:, :2] /= f
    return tuple(
        (code, dtype, count, tuple(values[code].ravel().tolist()) if code in values else value)
        for code, dtype, count, value in tags
    )


def _are_points(tags: Sequence[Tag]) -> bool:
    keys = next((np.reshape(tag[3], (-1, 4)) for tag in tags if tag[0] == _GEO_KEYS), ())
    return any(key[0] == _RASTER_TYPE and key[3] == _POINT for key in keys)
