import numpy as np
import pytest

from napari_dip.synthetic.images import blobs, dead_leaves, filaments, picture, points

KINDS = [dead_leaves, filaments, blobs, points]


@pytest.mark.parametrize("make", KINDS, ids=lambda make: make.__name__)
def test_each_kind_has_structure_and_no_two_are_alike(make):
    for side in (48, 80):
        first, second = (make(np.random.default_rng(seed), side) for seed in (0, 1))
        assert first.shape == (side, side)
        assert np.isfinite(first).all()
        assert first.std() > 0
        assert not np.allclose(first, second)
        # Neighbours are alike, as no noise is.
        centred = first - first.mean()
        assert (centred[1:] * centred[:-1]).mean() > 0.5 * centred.var()


def test_a_seed_and_a_number_give_the_same_picture_again():
    assert np.array_equal(picture(3, 5, 40), picture(3, 5, 40))
    assert not np.array_equal(picture(3, 5, 40), picture(3, 6, 40))
    assert not np.array_equal(picture(3, 5, 40), picture(4, 5, 40))


def test_grey_levels_lie_where_those_of_photographs_do():
    """But for the brightest and darkest hundredth of each."""
    ends = np.array([np.quantile(picture(0, at, 48), (0.011, 0.989)) for at in range(30)])
    assert ends.min() > -5
    assert ends.max() < 260
    contrast = np.diff(ends)
    assert contrast.min() > 60
    assert contrast.std() > 15  # some are faint, some strong
