import numpy as np
import pytest

from napari_dip.diagnostics.separable import Sums, around, correlated


@pytest.mark.parametrize("shape", [(9, 14), (5, 6, 7)], ids=["image", "volume"])
@pytest.mark.parametrize("reach", [0, 1, 2])
def test_sums_are_those_of_each_window_as_far_as_it_lies_inside(shape, reach, random):
    image, weights = random.normal(size=shape), random.random(2 * reach + 1)
    sums, filtered = Sums(image, 3).over(reach), correlated(image, weights)
    assert sums.shape == filtered.shape == shape
    for place in np.ndindex(*shape):
        inside, own = around(shape, place, reach)
        assert sums[place] == pytest.approx(image[inside].sum())
        product = np.ones(())
        for one in own:
            product = np.multiply.outer(product, weights[one])
        assert filtered[place] == pytest.approx((image[inside] * product).sum())
