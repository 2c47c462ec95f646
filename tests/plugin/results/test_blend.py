import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_dip.plugin.results.blend import blended


@pytest.fixture
def pair(random):
    return random.normal(100, 30, (2, 5, 6, 3)).astype(np.float32)


@given(st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_a_blend_lies_on_the_way_from_one_to_the_other(strength, seed):
    original, restored = np.random.default_rng(seed).normal(100, 30, (2, 4, 5))
    blend = blended(original, restored, strength)
    assert blend.dtype == restored.dtype
    assert blended(original, restored.astype(np.float32), strength).dtype == np.float32
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
    assert blended(original, restored, 0.5).dtype == np.float32
    np.testing.assert_array_equal(original, copies[0])
    np.testing.assert_array_equal(restored, copies[1])


def test_missing_pixels_have_nothing_to_blend_with(pair, random):
    original, restored = pair
    hidden = random.random(original.shape) < 0.3
    blend = blended(np.where(hidden, np.nan, original), restored, 0.25)
    np.testing.assert_array_equal(blend[hidden], restored[hidden])
    np.testing.assert_array_equal(blend[~hidden], blended(original, restored, 0.25)[~hidden])


def test_a_frame_that_was_not_reached_is_the_original(pair):
    original, restored = pair
    restored = restored.copy()
    restored[1:] = np.nan
    np.testing.assert_array_equal(blended(original, restored, 0.25)[1:], original[1:])
    assert np.isnan(blended(original, restored, 1)[1:]).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
def test_what_is_not_finite_is_missing(bad):
    original, restored = np.array([[1.0, bad, 3.0]]), np.array([[2.0, 5.0, 7.0]])
    blend = blended(original, restored.astype(np.float32), 0.5)
    np.testing.assert_array_equal(blend, [[1.5, 5, 5]])


@pytest.mark.parametrize("strength", [-0.1, 1.1, np.nan])
def test_a_strength_beyond_the_ends_is_refused(pair, strength):
    with pytest.raises(ValueError, match=r"strength must lie in \[0, 1\]"):
        blended(*pair, strength)


def test_shapes_that_do_not_fit_are_refused(pair):
    with pytest.raises(ValueError, match="original's shape"):
        blended(pair[0], pair[1][0], 0.5)
