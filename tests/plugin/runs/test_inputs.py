import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.components import ViewerModel
from napari.layers import Image, Labels, Shapes

from napari_dip import DIP, Denoise, SuperResolve
from napari_dip.image.axes import Axes
from napari_dip.plugin.forms.region_choice import drawn_region, visible_region
from napari_dip.plugin.layers import to_world
from napari_dip.plugin.results.result import Result
from napari_dip.plugin.runs.inputs import captured, placed
from napari_dip.plugin.runs.run import Run, RunOutput
from napari_dip.restoration.result import Restoration
from napari_dip.restoration.series import restored_shape

UNITS = ("nm", "um", "mm", "second")


@st.composite
def transforms(draw, ndim):
    number = st.floats(-3, 3).map(lambda x: round(x, 3))
    matrix = np.eye(ndim + 1)
    for row in range(ndim):
        for column in range(ndim):
            matrix[row, column] += 0.2 * draw(number)
        matrix[row, -1] = draw(number)
    rotation = np.linalg.qr(
        np.array([[draw(number) for _ in range(ndim)] for _ in range(ndim)]) + 4 * np.eye(ndim)
    )[0]
    return {
        "scale": [draw(st.floats(0.1, 5)) for _ in range(ndim)],
        "translate": [draw(st.floats(-50, 50)) for _ in range(ndim)],
        "rotate": rotation,
        "shear": [draw(number) for _ in range(ndim * (ndim - 1) // 2)],
        "affine": matrix,
        "units": [draw(st.sampled_from(UNITS)) for _ in range(ndim)],
        "axis_labels": [f"a{axis}" for axis in range(ndim)],
    }


@pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")
@settings(max_examples=40, deadline=None)
@given(st.data(), st.sampled_from([2, 3]))
def test_a_result_lies_exactly_on_its_source(data, ndim):
    shape = (5, 6, 7)[:ndim]
    source = Image(np.zeros(shape), **data.draw(transforms(ndim)))
    roi = tuple((start, start + 3) for start in data.draw(st.tuples(*[st.integers(0, 2)] * ndim)))
    inputs = captured(source, Axes("ZYX"[-ndim:]), roi=roi)
    part = Image(inputs.image, **inputs.placement)
    for corner in ((0,) * ndim, (2,) * ndim, (1, 0, 2)[:ndim]):
        there = np.add(corner, [start for start, _ in roi])
        assert np.allclose(part.data_to_world(corner), source.data_to_world(there), atol=1e-6)
    assert part.units == source.units
    assert part.axis_labels == source.axis_labels


@pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")
@settings(max_examples=40, deadline=None)
@given(st.data(), st.sampled_from([2, 3]), st.integers(2, 5), st.sampled_from(["all", "axial", "lateral"]))
def test_a_finer_result_lies_exactly_on_its_source(data, ndim, factor, along):
    along = "all" if ndim == 2 else along
    task = SuperResolve(factor=factor, along=along)
    source = Image(np.zeros((5, 6, 7)[:ndim]), **data.draw(transforms(ndim)))
    roi = ((1, 4), (0, 6), (2, 7))[:ndim]
    inputs = captured(source, Axes("ZYX"[-ndim:]), roi=roi)
    shape = restored_shape(inputs.image.shape, inputs.axes, task)
    fine = Image(np.zeros(shape), **placed(inputs.placement, inputs.from_restored(task, ndim)))
    factors = np.array(task.factors(ndim))
    starts = [start for start, _ in roi]
    for pixel in ((0, 0, 0)[:ndim], (2, 1, 3)[:ndim], (1, 2, 0)[:ndim]):
        # The mean place of a pixel's parts is the place of the pixel.
        parts = np.indices(factors).reshape(ndim, -1).T + np.array(pixel) * factors
        middle = np.mean([fine.data_to_world(part) for part in parts], 0)
        assert np.allclose(middle, source.data_to_world(np.add(pixel, starts)), atol=1e-6)
    assert fine.units == source.units


@pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")
@settings(max_examples=25, deadline=None)
@given(st.data())
def test_the_matrix_to_the_world_is_napari_s(data):
    layer = Image(np.zeros((4, 5)), **data.draw(transforms(2)))
    for point in ((0, 0), (3, 1.5)):
        assert np.allclose((to_world(layer) @ [*point, 1])[:2], layer.data_to_world(point))


@pytest.mark.parametrize(
    "dtype", ["uint8", "uint16", "int32", "float32", "float64", "bool", ">u2", "float16"]
)
def test_every_dtype_is_captured_as_a_copy(dtype):
    data = np.arange(20).reshape(4, 5).astype(dtype)
    inputs = captured(Image(data), Axes("YX"))
    assert inputs.image.dtype == np.dtype(dtype)
    data[:] = 0
    assert inputs.image.any()


def test_lazy_arrays_stay_lazy():
    inputs = captured(Image(da.ones((3, 8, 8))), Axes("TYX"), roi=((1, 2), (0, 8), (2, 8)))
    assert isinstance(inputs.image, da.Array)
    assert inputs.image.shape == (1, 8, 6)


def test_of_a_multiscale_layer_the_finest_level_is_taken(random):
    fine = random.random((16, 16))
    inputs = captured(Image([fine, fine[::2, ::2]], multiscale=True), Axes("YX"))
    assert np.array_equal(inputs.image, fine)


def test_a_mask_is_laid_over_the_image_as_it_is_seen():
    image = Image(np.zeros((2, 8, 8)), scale=(1, 0.5, 0.5))
    coarse = np.zeros((4, 4), int)
    coarse[1, 2] = 7
    mask = Labels(coarse, translate=(0.25, 0.25))
    inputs = captured(image, Axes("TYX"), mask=mask)
    assert inputs.missing.shape == (2, 8, 8)
    wanted = np.zeros((8, 8), bool)
    wanted[2:4, 4:6] = True
    assert (inputs.missing == wanted).all()
    assert inputs.source["missing"]["same_grid"] is False
    none = captured(image, Axes("TYX"), mask=mask, label=3)
    assert not none.missing.any()


def test_units_count_when_a_mask_is_laid_over_an_image():
    image = Image(np.zeros((4, 4)), scale=(500, 500), units=("nm", "nm"))
    marks = np.zeros((4, 4), int)
    marks[0, 0] = 1
    mask = Labels(marks, scale=(0.5, 0.5), units=("um", "um"))
    viewer = ViewerModel()
    viewer.add_layer(image)
    viewer.add_layer(mask)
    assert captured(image, Axes("YX"), mask=mask).missing.sum() == 1


def test_a_colour_image_takes_a_mask_without_its_samples():
    mask = Labels(np.eye(6, dtype=int))
    inputs = captured(
        Image(np.zeros((6, 6, 3), np.uint8), rgb=True), Axes("YXC"), mask=mask, roi=((1, 4), (0, 6), (0, 3))
    )
    assert inputs.missing.shape == (3, 6, 3)
    assert inputs.hidden.shape == (3, 6, 3)
    assert inputs.rgb


def test_saturated_pixels_are_hidden():
    inputs = captured(Image(np.arange(6.0).reshape(2, 3)), Axes("YX"), saturation_level=4)
    assert inputs.hidden.tolist() == [[False] * 3, [False, True, True]]


@pytest.mark.parametrize(
    ("scale", "rectangle", "roi"),
    [
        (1, [[2, 1], [2, 5], [6, 5], [6, 1]], ((2, 7), (1, 6))),
        (0.5, [[1, 1], [1, 2], [3, 2], [3, 1]], ((2, 7), (2, 5))),
        (1, [[-5, -5], [-5, 3], [4, 3], [4, -5]], ((0, 5), (0, 4))),
    ],
)
def test_the_area_is_that_of_the_rectangle(scale, rectangle, roi):
    image = Image(np.zeros((10, 12)), scale=(scale, scale))
    assert drawn_region(image, Shapes([np.array(rectangle)], shape_type="rectangle")) == roi


def test_of_several_rectangles_the_selected_one_counts():
    shapes = Shapes(
        [np.array([[0, 0], [0, 2], [2, 2], [2, 0]]), np.array([[4, 4], [4, 8], [8, 8], [8, 4]])],
        shape_type=["rectangle", "rectangle"],
    )
    image = Image(np.zeros((3, 10, 10)))
    assert drawn_region(image, shapes) == ((0, 3), (4, 9), (4, 9))
    shapes.selected_data = {0}
    assert drawn_region(image, shapes) == ((0, 3), (0, 3), (0, 3))


def test_a_rectangle_is_needed_within_the_image():
    image = Image(np.zeros((10, 10)))
    with pytest.raises(ValueError, match="the layer 'marks' has no rectangle"):
        drawn_region(image, Shapes(name="marks"))
    with pytest.raises(ValueError, match="outside the image"):
        drawn_region(
            image, Shapes([np.array([[20, 20], [20, 30], [30, 30], [30, 20]])], shape_type="rectangle")
        )


def test_the_current_view_is_what_the_canvas_shows(viewer, user):
    layer = viewer.add_image(np.zeros((3, 200, 300)), axis_labels=("t", "y", "x"), scale=(1, 0.5, 0.5))
    axes = Axes("TYX")
    user.waits(0.3)
    viewer.reset_view()  # the canvas may have got its size after the image was fitted to it
    viewer.dims.set_point(0, 1)
    user.sees(lambda: visible_region(layer, axes, viewer) == ((1, 2), (0, 200), (0, 300)))
    viewer.scene.camera.zoom *= 4
    viewer.scene.camera.center = (0, 50, 75)
    user.waits(0.3)
    (frame, rows, columns) = visible_region(layer, axes, viewer)
    assert frame == (1, 2)
    assert 0 < rows[0] < 100 < rows[1] < 200
    assert 0 < columns[0] < 150 < columns[1] < 300


def test_colours_keep_their_dtype_and_say_what_was_clipped():
    colours = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    inputs = captured(Image(colours, rgb=True), Axes("YXC"))
    result = Result(ViewerModel(), Run(inputs, Denoise(), DIP(), {}))
    result.finish(RunOutput(Restoration(np.full((4, 4, 3), 300, np.float32), (), {})))
    assert result.layer.data.dtype == np.uint8
    assert (result.layer.data == 255).all()
    assert result.clipped == 48
    assert result.add_residual().data.shape == (4, 4)
