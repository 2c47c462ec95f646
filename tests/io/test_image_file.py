import math
import tracemalloc

import numpy as np
import pytest

from napari_dip.io import ImageFile
from napari_dip.io.image_file import as_dtype


def test_rounding_counts_what_was_clipped():
    data = np.array([-0.4, 0.5, 1.6, 255.4, 255.6, 300], np.float32)
    rounded, clipped = as_dtype(data, np.dtype(np.uint8))
    assert rounded.tolist() == [0, 0, 2, 255, 255, 255]
    assert clipped == 2


def test_a_refined_image_is_blank_and_takes_no_memory():
    image = ImageFile(np.ones((3, 4, 5), np.uint16), "ZYX", {"Z": (2.0, "µm"), "X": (0.5, "nm")})
    finer = image.refined("ZYX", (1, 4, 4))
    assert (finer.data.shape, finer.data.dtype, finer.data.strides) == ((3, 16, 20), np.uint16, (0, 0, 0))
    assert finer.pixel_size == {"Z": (2.0, "µm"), "X": (0.125, "nm")}


@pytest.mark.parametrize(
    ("own", "other", "ratio"),
    [
        ((3.0, "nm"), (2.0, "nm"), 1.5),
        ((3.0, "nm"), (2.0, "µm"), 1.5e-3),
        ((1.0, "cm"), (2.0, "m"), 5e-3),
        ((3.0, "pixel"), (2.0, "pixel"), 1.5),
        ((3.0, "pixel"), (2.0, "nm"), None),
        ((0.0, "nm"), (2.0, "nm"), None),
    ],
)
def test_the_ratio_of_pixel_sizes(own, other, ratio):
    a, b = (ImageFile(np.zeros((3, 3)), "YX", dict.fromkeys("YX", size)) for size in (own, other))
    assert a.pixel_ratio(b, "YX") == (None if ratio is None else pytest.approx((ratio, ratio)))
    assert a.pixel_ratio(b, "ZYX") is None


INTEGERS = [np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.uint64, np.int64]


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("source", [np.float32, np.float64])
def test_values_are_rounded_and_clipped_exactly(dtype, source):
    limits = np.iinfo(dtype)
    values = [math.nan, math.inf, -math.inf, 0.5, 1.5, 2.5, -0.4, 1e30, -1e30]
    values += [float(limits.max), float(limits.min), limits.max / 2, limits.min / 2]
    data = np.array(values, source)
    rounded = [None if math.isnan(one) else one if math.isinf(one) else round(one) for one in data.tolist()]
    expected = [0 if one is None else int(min(max(one, limits.min), limits.max)) for one in rounded]
    clipped = sum(one is not None and not limits.min <= one <= limits.max for one in rounded)
    out, count = as_dtype(data, np.dtype(dtype))
    assert out.dtype == dtype
    assert out.tolist() == expected
    assert count == clipped


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("source", INTEGERS)
def test_integers_stay_exact_up_to_their_ends(dtype, source):
    own, limits = np.iinfo(source), np.iinfo(dtype)
    values = [own.min, own.min + 1, 0, 3, own.max - 1, own.max]
    out, count = as_dtype(np.array(values, source), np.dtype(dtype))
    assert out.tolist() == [min(max(one, limits.min), limits.max) for one in values]
    assert count == sum(not limits.min <= one <= limits.max for one in values)


def test_numbers_beyond_a_smaller_float_are_clipped_and_counted():
    out, count = as_dtype(np.array([1e300, -1e300, math.inf, math.nan, 2.5]), np.dtype(np.float32))
    most = float(np.finfo(np.float32).max)
    np.testing.assert_array_equal(out, np.array([most, -most, math.inf, math.nan, 2.5], np.float32))
    assert count == 2
    out, count = as_dtype(np.array([100_000, 3]), np.dtype(np.float16))
    assert out.tolist() == [float(np.finfo(np.float16).max), 3]
    assert count == 1


@pytest.mark.parametrize("shape", [(0, 3), (), (1, 1), (3, 70_000)])
def test_every_shape_can_be_rounded(shape, random):
    data = random.random(shape) * 9
    out, _ = as_dtype(data, np.dtype(np.uint8))
    np.testing.assert_array_equal(out, np.rint(data))


LAYOUTS = {
    "as it is": lambda x: x,
    "columns first": lambda x: x.T,
    "backwards": lambda x: x[:, ::-1],
    "every other": lambda x: x[None, :, ::2],
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int64, np.float16])
def test_rounding_takes_no_memory_that_grows_with_the_image(layout, dtype, random):
    data = LAYOUTS[layout](random.random((1000, 1200), np.float32) * 100)
    tracemalloc.start()
    try:
        out, _ = as_dtype(data, np.dtype(dtype))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - out.nbytes < 2**22
    expected = data.astype(dtype) if dtype is np.float16 else np.rint(data)
    np.testing.assert_array_equal(out, expected)
