import numpy as np
import pytest

from napari_dip.image.axes import Axes
from napari_dip.image.region import index, parsed, written


@pytest.mark.parametrize(
    ("letters", "shape", "text", "expected"),
    [
        ("YX", (20, 30), "1:9,2:30", ((1, 9), (2, 30))),
        ("YX", (20, 30), ":9, 2:", ((0, 9), (2, 30))),
        ("YXC", (20, 30, 3), "1:9,2:8", ((1, 9), (2, 8), (0, 3))),
        ("CYX", (3, 20, 30), "1:9,2:8", ((0, 3), (1, 9), (2, 8))),
        ("TYX", (5, 20, 30), "1:3,1:9,2:8", ((1, 3), (1, 9), (2, 8))),
        ("ZYX", (5, 20, 30), "1:3,1:9,:", ((1, 3), (1, 9), (0, 30))),
    ],
)
def test_a_region_has_a_range_for_each_spatial_axis_or_for_every_axis(letters, shape, text, expected):
    roi = parsed(text, Axes(letters), shape)
    assert roi == expected
    assert parsed(written(roi), Axes(letters), shape) == roi
    assert np.empty(shape)[index(roi)].shape == tuple(stop - start for start, stop in roi)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1:9", "must have 2 or 3 ranges for an image of shape"),
        ("1:9,1:9,1:9,1:9", "must have 2 or 3 ranges"),
        ("1:21,:", "first < last <= 20, the image's size along this axis, got '1:21'"),
        ("9:9,:", "first < last"),
        (":0,:", "first < last"),
        ("25:,:", "first < last"),
        ("-3:,:", "ranges like 100:356, got '-3:'"),
        ("1:9:2,:", "ranges like"),
        ("5,:", "ranges like 100:356, got '5'"),
        ("", "2 or 3 ranges"),
    ],
)
def test_an_invalid_region_is_refused_with_the_reason(text, message):
    with pytest.raises(ValueError, match=message):
        parsed(text, Axes("TYX"), (5, 20, 30))
