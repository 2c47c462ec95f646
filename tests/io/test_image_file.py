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
