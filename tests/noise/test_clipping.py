import numpy as np
import pytest

from napari_dip.noise.clipping import clipping_levels, near_clipping


@pytest.mark.parametrize(
    ("low", "high", "counts", "ends"),
    [
        (0, 255, False, [0, 255]),
        (0, 255, True, [255]),
        (-np.inf, 255, False, [255]),
        (-np.inf, np.inf, False, []),
    ],
)
def test_values_that_many_pixels_share_are_ends_of_the_range(low, high, counts, ends, random):
    values = random.normal(128, 100, 10_000).clip(low, high)
    assert clipping_levels(values, counts=counts) == ends


def test_places_with_many_clipped_pixels_are_marked():
    image = np.full((40, 40), 100.0)
    image[5, 5] = image[10:20, 25:35] = 255
    marked = near_clipping(image, [255.0])
    assert marked[15, 30]
    assert marked[15, 22]
    assert not marked[5, 5]
    assert not near_clipping(image, []).any()
