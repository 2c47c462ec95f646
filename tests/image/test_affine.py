import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from napari_dip.image.affine import aligned, covered, crop_translation, grid_to_pixels, resampled_onto
from napari_dip.image.grid import Grid


def affine(linear, translation):
    matrix = np.eye(len(linear) + 1)
    matrix[:-1, :-1], matrix[:-1, -1] = linear, translation
    return matrix


def scaled(scale, translation):
    return affine(np.diag(scale), translation)


def rotated(degrees, scale, translation):
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return affine(turn @ np.diag(scale), translation)


def brute_force(mask, mask_to_world, image_to_world, shape):
    """Look up each pixel of the image. Also return its least distance from a border between two pixels."""
    result, margin = np.zeros(shape, bool), np.inf
    for pixel in np.ndindex(*shape):
        world = (image_to_world @ [*pixel, 1])[:-1]
        place = np.linalg.inv(mask_to_world) @ [*world[len(shape) - mask.ndim :], 1]
        margin = min(margin, np.abs(np.abs((place[:-1] % 1) - 0.5)).min())
        nearest = np.round(place[:-1]).astype(int)
        if all(0 <= index < size for index, size in zip(nearest, mask.shape, strict=True)):
            result[pixel] = mask[tuple(nearest)] != 0
    return result, margin


lengths = st.integers(1, 6)
scales = st.tuples(*[st.floats(0.3, 3)] * 2)
places = st.tuples(*[st.floats(-4, 4)] * 2)
grids = st.builds(rotated, st.floats(-180, 180), scales, places)


@settings(deadline=None)
@given(
    mask_shape=st.tuples(lengths, lengths),
    shape=st.tuples(lengths, lengths),
    mask_to_world=grids,
    image_to_world=grids,
    seed=st.integers(0, 2**16),
)
def test_rotated_and_scaled_grids_agree_with_brute_force(
    mask_shape, shape, mask_to_world, image_to_world, seed
):
    mask = np.random.default_rng(seed).integers(0, 3, mask_shape)
    expected, margin = brute_force(mask, mask_to_world, image_to_world, shape)
    assume(margin > 1e-5)
    np.testing.assert_array_equal(aligned(mask, mask_to_world, image_to_world, shape), expected)


@settings(deadline=None)
@given(
    st.floats(0, 360), scales, st.tuples(*[st.floats(-1e5, 1e5)] * 2), st.tuples(*[st.integers(-3, 3)] * 2)
)
def test_round_off_at_pixel_centres_changes_nothing(degrees, scale, translation, start):
    mask = np.random.default_rng(0).random((7, 6)) < 0.5
    grid = rotated(degrees, scale, translation)
    crop = affine(grid[:2, :2], translation + crop_translation(grid[:2, :2], start))
    padded = np.pad(mask, 9)
    expected = padded[9 + start[0] : 14 + start[0], 9 + start[1] : 13 + start[1]]
    np.testing.assert_array_equal(aligned(mask, grid, crop, (5, 4)), expected)


@pytest.mark.parametrize("dtype", ["bool", "uint8", ">i4", "int64"])
def test_a_mask_on_the_same_grid_is_not_resampled(dtype):
    mask = np.arange(12).reshape(3, 4).astype(dtype)
    copy = mask.copy()
    grid = rotated(30, (0.1, 0.2), (1e4, 3))
    result = aligned(mask, grid, grid, (3, 4))
    assert result.dtype == bool
    np.testing.assert_array_equal(result, copy != 0)
    np.testing.assert_array_equal(mask, copy)
    if dtype == "bool":
        assert np.shares_memory(result, mask)


@pytest.mark.parametrize(
    "plane", [scaled((0.5, 0.25), (3, 4)), scaled((0.4, 0.3), (2.9, 4.2))], ids=["same grid", "another grid"]
)
def test_a_mask_of_one_plane_applies_to_every_plane_and_frame_without_copies(plane, random):
    mask = random.random((5, 6)) < 0.5
    image = scaled((60, 2, 0.5, 0.25), (7, -1, 3, 4))
    result = aligned(mask, plane, image, (1000, 1000, 5, 6))
    assert result.shape == (1000, 1000, 5, 6)
    assert result.strides[:2] == (0, 0)
    np.testing.assert_array_equal(
        result[500, 3], aligned(mask, plane, image[[2, 3, 4]][:, [2, 3, 4]], (5, 6))
    )


def test_a_tilted_volume_meets_a_mask_of_one_plane_elsewhere_in_each_plane(random):
    mask = random.random((8, 8)) < 0.5
    tilt = affine([[1, 0, 0], [0.9, 1, 0], [-1.3, 0, 1]], (0, 0.2, 0.3))
    result = aligned(mask, np.eye(3), tilt, (4, 8, 8))
    np.testing.assert_array_equal(result, brute_force(mask, np.eye(3), tilt, (4, 8, 8))[0])
    assert not np.array_equal(result[0], result[1])


def test_a_pixel_extends_half_a_pixel_from_its_centre():
    fine = scaled((1, 0.1), (0, -1))  # x from -1 to 2.9
    row = aligned(np.ones((1, 3)), np.eye(3), fine, (1, 40))[0]
    x = fine[1, 1] * np.arange(40) - 1
    np.testing.assert_array_equal(row, (x > -0.51) & (x < 2.49))


def test_labels_of_a_coarser_grid_keep_their_area():
    coarse = np.array([[0, 7], [2, 0]])
    image = scaled((0.25, 0.25), (-0.375, -0.375))  # four pixels to each of the mask's, corner on corner
    result = aligned(coarse, np.eye(3), image, (8, 8))
    np.testing.assert_array_equal(result, np.kron(coarse != 0, np.ones((4, 4), bool)))


@pytest.mark.parametrize(
    ("mask_grid", "image_grid"),
    [
        ({"scale": (0.5, 0.7), "translate": (1, -2)}, {"scale": (0.3, 0.2), "rotate": 20}),
        ({"rotate": -35, "shear": [0.4]}, {"scale": (2, 0.2, 0.3), "translate": (5, 1, 0.5)}),
        ({"affine": affine([[0.9, 0.2], [-0.1, 1.1]], (0.2, -1))}, {"scale": (3, 1, 0.5, 0.6)}),
    ],
)
def test_masks_lie_where_napari_shows_them(mask_grid, image_grid, random):
    layers = pytest.importorskip("napari.layers")
    n = len(image_grid["scale"])
    shape = (2, 3, 9, 10)[-n:]
    labels = layers.Labels(random.integers(0, 2, (7, 6)), **mask_grid)
    image = layers.Image(np.zeros(shape), **image_grid)

    def to_world(layer):
        d = layer.ndim
        origin = np.array(layer.data_to_world((0,) * d))
        return affine(np.stack([layer.data_to_world(unit) - origin for unit in np.eye(d)], axis=1), origin)

    result = aligned(labels.data, to_world(labels), to_world(image), shape)
    for pixel in itertools.product(*map(range, shape)):
        value = labels.get_value(image.data_to_world(pixel), world=True)
        assert result[pixel] == bool(value)


def test_a_crop_of_a_layer_stays_where_it_was_in_napari():
    layers = pytest.importorskip("napari.layers")
    grid = {"rotate": 25, "shear": [0.3], "scale": (0.5, 2)}
    whole = layers.Image(np.zeros((9, 9)), translate=(3, -4), **grid)
    origin = np.array(whole.data_to_world((0, 0)))
    linear = np.stack([whole.data_to_world(unit) - origin for unit in np.eye(2)], axis=1)
    translate = whole.translate + crop_translation(linear, (2, 5))
    crop = layers.Image(whole.data[2:, 5:], translate=translate, **grid)
    np.testing.assert_allclose(crop.data_to_world((1, 3)), whole.data_to_world((3, 8)))


@settings(deadline=None)
@given(image_to_world=grids, grid_to_world=grids, shape=st.tuples(lengths, lengths))
def test_a_ramp_is_resampled_to_itself(image_to_world, grid_to_world, shape):
    def ramp(places):
        return places @ [3.0, -2.0] + 50

    size = (6, 5)
    image = ramp(np.moveaxis(np.indices(size), 0, -1))
    places = np.moveaxis(np.indices(shape), 0, -1)
    to_image = np.linalg.inv(image_to_world) @ grid_to_world
    there = (places @ to_image[:2, :2].T + to_image[:2, 2]).clip(0, np.array(size) - 1)  # the edges continue
    result = resampled_onto(image, image_to_world, grid_to_world, shape)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, ramp(there), atol=1e-3)


@pytest.mark.parametrize("factors", [(2, 2), (3, 1), (1, 8), (5, 4)])
def test_finer_samples_divide_the_pixels_of_the_data_evenly(factors, random):
    data = random.random((4, 3))
    grid = Grid.refined(data.shape, factors)
    finer = grid_to_pixels(grid, (0, 1), 2)
    marked = aligned(data > 0.5, np.eye(3), finer, grid.shape)
    np.testing.assert_array_equal(marked, np.kron(data > 0.5, np.ones(factors, bool)))
    whole = affine(np.diag([1.0, *np.diag(finer)[:2]]), (0, *finer[:2, 2]))
    np.testing.assert_array_equal(grid_to_pixels(grid, (1, 2), 3), whole)


def test_an_image_that_is_on_the_grid_is_not_resampled(random):
    image = random.random((5, 6)).astype(np.float32)
    grid = rotated(20, (0.5, 0.2), (3, 4))
    assert np.shares_memory(resampled_onto(image, grid, grid, (5, 6)), image)


def test_a_guide_of_one_plane_applies_to_every_frame_without_copies(random):
    image = random.random((5, 6))
    result = resampled_onto(image, scaled((2, 2), (1, 1)), scaled((60, 1, 1), (7, 1, 1)), (1000, 10, 12))
    assert result.shape == (1000, 10, 12)
    assert result.strides[0] == 0


def test_nan_spreads_to_its_neighbours_only():
    image = np.zeros((1, 9))
    image[0, 4] = np.nan
    row = resampled_onto(image, np.eye(3), grid_to_pixels(Grid.refined((1, 9), (1, 2)), (0, 1), 2), (1, 18))[
        0
    ]
    np.testing.assert_array_equal(np.isnan(row), [3 < x < 5 for x in np.arange(18) / 2 - 0.25])


def test_axes_and_matrices_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="no more axes than the image, got 3 axes for an image of 2"):
        aligned(np.ones((2, 3, 4)), np.eye(4), np.eye(3), (3, 4))
    with pytest.raises(ValueError, match="the guide must have no more axes"):
        resampled_onto(np.ones((2, 3, 4)), np.eye(4), np.eye(3), (3, 4))
    with pytest.raises(ValueError, match="image_to_world must be a finite 3 x 3 matrix"):
        aligned(np.ones((3, 4)), np.eye(3), np.eye(4), (3, 4))


@pytest.mark.parametrize("linear", [np.diag([1, 0]), np.ones((2, 2)), [[1e-9, 2e-9], [1, 2]]])
def test_a_singular_transform_is_refused(linear):
    with pytest.raises(ValueError, match="singular"):
        aligned(np.ones((3, 4)), affine(linear, (0, 0)), np.eye(3), (3, 4))


def test_scales_of_very_different_size_are_not_singular():
    grid = scaled((3600, 1e-10, 1e-10), (0, 0, 0))
    mask = np.arange(8).reshape(2, 2, 2) % 3
    np.testing.assert_array_equal(aligned(mask, grid, grid, (2, 2, 2)), mask != 0)


def test_a_polygon_covers_the_pixels_whose_centres_lie_inside():
    corners = np.array([[1.5, 2.5], [1.5, 6.5], [4.5, 6.5], [4.5, 2.5]])
    expected = np.zeros((8, 9), bool)
    expected[2:5, 3:7] = True
    assert np.array_equal(covered(corners, (8, 9)), expected)
    assert covered(10 * corners, (80, 90), ellipse=True).sum() == pytest.approx(np.pi * 15 * 20, rel=0.03)
