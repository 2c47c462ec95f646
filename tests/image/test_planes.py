import numpy as np
import pytest

from napari_dip.image.axes import Axes
from napari_dip.image.planes import sampled_planes

#: Every plane of an array with these axes, from an index along each of the others.
SHAPES = {"TYX": (12, 5, 6), "ZYX": (12, 5, 6), "YXC": (5, 6, 3), "XYT": (6, 5, 4), "CTZYX": (3, 2, 4, 5, 6)}


@pytest.mark.parametrize("letters", SHAPES)
def test_all_planes_are_returned_in_their_order_if_there_are_few(letters, random):
    image = random.random(SHAPES[letters])
    inside = tuple(letters.index(letter) for letter in letters if letter in "YX")
    others = tuple(axis for axis in range(image.ndim) if axis not in inside)
    expected = image.transpose(*others, *inside).reshape(-1, *(image.shape[axis] for axis in inside))
    planes = sampled_planes(image, None, letters, count=100)
    np.testing.assert_array_equal([values for values, _ in planes], expected)
    assert all(valid.all() for _, valid in planes)


def test_planes_are_evenly_spread_and_cropped_to_their_middle():
    image = np.broadcast_to(np.arange(40.0)[:, None, None], (40, 50, 9)) + np.arange(9)
    planes = sampled_planes(image, None, "TYX", count=4, side=3)
    assert [values.shape for values, _ in planes] == [(3, 3)] * 4
    assert [values[0].tolist() for values, _ in planes] == [[t + 3, t + 4, t + 5] for t in (0, 13, 26, 39)]


@pytest.mark.parametrize(
    ("letters", "shape"),
    [
        ("TYXC", (4, 5, 6, 3)),
        ("TYXC", (4, 5, 6)),
        ("TYXC", (5, 6)),
        ("TZYX", (4, 3, 5, 6)),
        ("TZYX", (3, 5, 6)),
    ],
)
def test_missing_pixels_are_zero_and_not_valid(letters, shape, random):
    whole = (4, 5, 6, 3) if letters == "TYXC" else (4, 3, 5, 6)
    image, mask = 1 + random.random(whole), random.random(shape) < 0.3
    image[0, 0, 0, 0] = np.nan
    hidden = Axes(letters).broadcast("missing", mask, whole) | np.isnan(image)
    planes = sampled_planes(np.ma.array(image, mask=hidden), None, letters, count=12)
    again = sampled_planes(image, mask, letters, count=12)
    assert sum(int((~valid).sum()) for _, valid in planes) == hidden.sum()
    for one, other in zip(planes, again, strict=True):
        np.testing.assert_array_equal(one, other)
        assert np.array_equal(one[0] == 0, ~one[1])


@pytest.mark.parametrize(("letters", "read"), [("TYXC", [0, 4, 9]), ("TCYX", [0, 4, 9]), ("TZYX", [0, 4, 9])])
def test_a_lazy_array_and_its_mask_are_read_only_where_the_planes_lie(letters, read, lazy, random):
    image = random.random((10, *(3 if letter in "CZ" else 20 for letter in letters[1:])))
    (series, computed), (mask, hidden) = lazy(image), lazy(image > 0.5)
    found = sampled_planes(series, mask, letters, count=3)
    assert computed == hidden == read
    np.testing.assert_array_equal(found, sampled_planes(image, image > 0.5, letters, count=3))


def test_channels_of_a_frame_are_read_together(lazy, random):
    image = random.random((2, 20, 20, 3))
    series, computed = lazy(image)
    assert len(sampled_planes(series, None, "TYXC", count=8)) == 6
    assert computed == [0, 1]


def test_the_image_is_not_modified_and_has_to_hold_real_numbers(random):
    image = np.where(random.random((8, 9)) < 0.5, np.nan, 1.0)
    before = image.copy()
    sampled_planes(image, None, None, count=8)
    np.testing.assert_array_equal(image, before)
    with pytest.raises(ValueError, match="real numbers, got dtype complex"):
        sampled_planes(image + 0j, None, None, count=8)
