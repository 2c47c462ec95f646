import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_dip.comparison import blended, residual


@pytest.fixture
def pair(random):
    return random.normal(100, 30, (2, 5, 6, 3)).astype(np.float32)


@given(st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_a_blend_lies_on_the_way_from_one_to_the_other(strength, seed):
    original, restored = np.random.default_rng(seed).normal(100, 30, (2, 4, 5))
    blend = blended(original, restored, strength)
    assert blend.dtype == np.float32
    np.testing.assert_allclose(blend, original + strength * (restored - original), rtol=1e-5, atol=1e-3)


def test_the_ends_of_a_blend_are_the_images_themselves(pair):
    original, restored = pair
    np.testing.assert_array_equal(blended(original, restored, 0), original)
    np.testing.assert_array_equal(blended(original, restored, 1), restored)


@pytest.mark.parametrize("dtype", ["bool", "uint8", ">u2", "int64", "float64"])
def test_any_dtype_is_taken_and_no_input_is_modified(dtype, random):
    original = random.integers(0, 2, (4, 5)).astype(dtype)
    restored = random.normal(size=(4, 5)).astype(np.float32)
    copies = original.copy(), restored.copy()
    original.flags.writeable = restored.flags.writeable = False
    blended(original, restored, 0.5, original == 0)
    difference = residual(original, restored, original == 0)
    assert difference.dtype == np.float32
    np.testing.assert_array_equal(original, copies[0])
    np.testing.assert_array_equal(restored, copies[1])


@pytest.mark.parametrize("axes", [slice(None), 0], ids=["one for each channel", "one for all channels"])
def test_missing_pixels_have_nothing_to_blend_with(pair, random, axes):
    original, restored = pair
    missing = random.random(original.shape) < 0.3
    if axes == 0:
        missing = missing[..., 0]
        hidden = np.repeat(missing[..., None], 3, axis=-1)
    else:
        hidden = missing
    blend, difference = blended(original, restored, 0.25, missing), residual(original, restored, missing)
    np.testing.assert_array_equal(blend[hidden], restored[hidden])
    np.testing.assert_array_equal(blend[~hidden], blended(original, restored, 0.25)[~hidden])
    np.testing.assert_array_equal(np.isnan(difference), hidden)
    np.testing.assert_array_equal(difference[~hidden], (original - restored)[~hidden])


def test_a_mask_of_the_plane_serves_every_frame(random):
    original, restored = random.normal(size=(2, 3, 4, 5))
    missing = np.eye(4, 5, dtype=bool)
    difference = residual(original, restored, missing)
    np.testing.assert_array_equal(np.isnan(difference), np.broadcast_to(missing, (3, 4, 5)))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
def test_what_is_not_finite_is_missing(bad):
    original, restored = np.array([[1.0, bad, 3.0]]), np.array([[2.0, 5.0, 7.0]])
    np.testing.assert_array_equal(blended(original, restored, 0.5), [[1.5, 5, 5]])
    np.testing.assert_array_equal(residual(original, restored), [[-1, np.nan, -4]])
    np.testing.assert_array_equal(residual(restored, original), [[1, np.nan, 4]])


@pytest.mark.parametrize("strength", [-0.1, 1.1, np.nan])
def test_a_strength_beyond_the_ends_is_refused(pair, strength):
    with pytest.raises(ValueError, match=r"strength must lie in \[0, 1\]"):
        blended(*pair, strength)


def test_shapes_that_do_not_fit_are_refused(pair):
    with pytest.raises(ValueError, match="original's shape"):
        residual(pair[0], pair[1][0])
    with pytest.raises(ValueError, match="missing must fit"):
        residual(*pair, np.zeros((6, 5), bool))
