import numpy as np
import pytest

from napari_dip.synthetic.images import blobs, dead_leaves, filaments, points, synthetic_image, textures

KINDS = [dead_leaves, textures, filaments, blobs, points]


@pytest.mark.parametrize("make", KINDS, ids=lambda make: make.__name__)
def test_each_kind_has_structure_and_differs_from_seed_to_seed(make):
    for side in (48, 80):
        first, second = (make(np.random.default_rng(seed), side) for seed in (0, 1))
        assert first.shape == (side, side)
        assert np.isfinite(first).all()
        assert first.std() > 0
        assert not np.allclose(first, second)
        # Neighbouring pixels are correlated, unlike noise.
        centred = first - first.mean()
        assert (centred[1:] * centred[:-1]).mean() > 0.5 * centred.var()


def test_a_seed_and_a_number_reproduce_an_image():
    assert np.array_equal(synthetic_image(3, 5, 40), synthetic_image(3, 5, 40))
    assert not np.array_equal(synthetic_image(3, 5, 40), synthetic_image(3, 6, 40))
    assert not np.array_equal(synthetic_image(3, 5, 40), synthetic_image(4, 5, 40))


def test_grey_levels_lie_where_those_of_photographs_do():
    """The brightest and the darkest hundredth of each image may lie outside."""
    ends = np.array([np.quantile(synthetic_image(0, at, 48), (0.011, 0.989)) for at in range(30)])
    assert ends.min() > -5
    assert ends.max() < 260
    contrast = np.diff(ends)
    assert contrast.min() > 60
    assert contrast.std() > 15  # some are faint, some strong
