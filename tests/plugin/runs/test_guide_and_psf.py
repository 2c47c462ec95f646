import dask.array as da
import numpy as np
import pytest
from napari.layers import Image

from napari_dip import Denoise, SuperResolve
from napari_dip.errors import InputError
from napari_dip.image.axes import Axes
from napari_dip.plugin.runs.guide_and_psf import guide_from, pixel_ratio, psf_from
from napari_dip.plugin.runs.inputs import captured
from napari_dip.psf.arrays import resampled
from napari_dip.restoration.guide import Guide
from napari_dip.restoration.series import restored_shape

TURNED = {"rotate": 30, "shear": [0.2], "scale": (0.5, 0.4), "translate": (3, -7)}


def guide(layer, image, axes, task, roi=None):
    """Return what is made of a layer, and check that the core takes it."""
    inputs = captured(image, axes, roi=roi)
    found, origin = guide_from(layer, image, inputs, task)
    Guide.of(found.array, axes, restored_shape(inputs.image.shape, axes, task))
    return found.array, origin


def test_a_guide_on_the_image_s_grid_is_taken_as_it_is(random):
    image, flash = (Image(random.random((6, 5)), **TURNED) for _ in range(2))
    array, origin = guide(flash, image, Axes("YX"), Denoise())
    assert np.array_equal(array, flash.data.astype(np.float32))
    assert origin["same_grid"]
    part, origin = guide(flash, image, Axes("YX"), Denoise(), roi=((1, 4), (2, 5)))
    assert np.allclose(part, flash.data[1:4, 2:5])
    assert origin["same_grid"], "it has the pixels of the whole image"


def test_a_guide_is_brought_onto_the_finer_grid_of_the_result():
    image = Image(np.zeros((8, 6)), **TURNED)
    rows, columns = np.indices((8, 6))
    flash = Image(rows + 10 * columns, **TURNED)
    array, origin = guide(flash, image, Axes("YX"), SuperResolve(factor=2))
    assert array.shape == (16, 12)
    places = np.indices((16, 12)) / 2 - 0.25
    wanted = places[0].clip(0, 7) + 10 * places[1].clip(0, 5)
    assert np.allclose(array, wanted, atol=1e-4)
    assert not origin["same_grid"]


def test_a_guide_with_the_pixels_of_the_result_is_on_its_grid(random):
    image = Image(random.random((4, 4)), scale=(1, 1))
    flash = Image(random.random((8, 8)), scale=(0.5, 0.5), translate=(-0.25, -0.25))
    array, origin = guide(flash, image, Axes("YX"), SuperResolve(factor=2))
    assert np.allclose(array, flash.data)
    assert origin["same_grid"]


@pytest.mark.parametrize(
    ("axes", "shape", "layer", "wanted"),
    [
        ("TYX", (3, 6, 5), (6, 5), (6, 5)),
        ("TYX", (3, 6, 5), (3, 6, 5), (3, 6, 5)),
        ("CYX", (3, 6, 5), (3, 6, 5), (3, 6, 5)),
        ("ZYX", (3, 6, 5), (3, 6, 5), (3, 6, 5)),
        ("ZYX", (3, 6, 5), (6, 5), (3, 6, 5)),
        ("TZYX", (2, 3, 6, 5), (3, 6, 5), (3, 6, 5)),
        ("TYX", (1, 6, 5), (1, 6, 5), (6, 5)),
    ],
)
def test_a_guide_has_the_axes_that_change(random, axes, shape, layer, wanted):
    image, flash = Image(random.random(shape)), Image(random.random(layer))
    array, origin = guide(flash, image, Axes(axes), Denoise())
    assert array.shape == wanted
    assert np.allclose(np.broadcast_to(array, shape), np.broadcast_to(flash.data, shape))
    assert origin["same_grid"]


def test_colours_guide_with_their_samples_last(random):
    flash = Image(random.random((6, 5, 3)), rgb=True)
    for image, axes in (
        (Image(random.random((6, 5))), "YX"),
        (Image(random.random((2, 6, 5))), "TYX"),
        (Image(random.random((6, 5, 3)), rgb=True), "YXC"),
    ):
        array, _ = guide(flash, image, Axes(axes), Denoise())
        assert np.allclose(array, flash.data)


@pytest.mark.parametrize("rgb", [False, True])
def test_colours_that_change_from_frame_to_frame_guide_by_their_mean(random, rgb):
    movie = random.random((2, 6, 5, 3))
    image = Image(movie if rgb else movie[..., 0], rgb=rgb)
    array, _ = guide(Image(movie, rgb=True), image, Axes("TYXC" if rgb else "TYX"), Denoise())
    assert np.allclose(array, movie.mean(-1, keepdims=rgb) + np.zeros(image.data.shape))


def test_a_guide_that_lies_elsewhere_or_has_more_axes_is_refused(random):
    image = Image(random.random((6, 5)))
    with pytest.raises(InputError, match="single grey level") as far:
        guide(Image(random.random((6, 5)), translate=(100, 100)), image, Axes("YX"), Denoise())
    with pytest.raises(InputError, match="no more axes") as deep:
        guide(Image(random.random((2, 6, 5))), image, Axes("YX"), Denoise())
    assert far.value.argument == deep.value.argument == "guide"


def test_what_goes_with_an_image_is_copied_and_lazy_arrays_stay_lazy(random):
    data = random.random((6, 5)).astype(np.float32)
    image = Image(random.random((6, 5)))
    inputs = captured(image, Axes("YX"))
    found, _ = guide_from(Image(data), image, inputs, Denoise())
    point, _ = psf_from(Image(data), image, Axes("YX"))
    data[:] = 0
    assert found.array.all()
    assert point.array.all()
    lazy = Image(da.ones((6, 5)))
    assert isinstance(guide_from(lazy, image, inputs, Denoise())[0].data, da.Array)


@pytest.mark.parametrize(
    ("image", "psf", "ratio"),
    [
        ({}, {}, None),
        ({"scale": (0.5, 0.5)}, {}, None),
        ({}, {"scale": (0.5, 0.25)}, (0.5, 0.25)),
        ({"scale": (0.5, 0.5)}, {"scale": (0.5, 0.5)}, None),
        ({"scale": (0.2, 0.1)}, {"scale": (0.1, 0.1)}, (0.5, 1.0)),
        (
            {"scale": (200, 200), "units": ("nm", "nm")},
            {"scale": (0.1, 0.1), "units": ("um", "um")},
            (0.5, 0.5),
        ),
        ({"scale": (200, 200), "units": ("nm", "nm")}, {"scale": (0.2, 0.2), "units": ("um", "um")}, None),
        ({"scale": (0.2, 0.2), "units": ("um", "um")}, {"scale": (0.1, 0.1)}, (0.5, 0.5)),
        ({}, {"scale": (0.1, 0.1), "units": ("um", "um")}, None),
        ({"scale": (0.2, 0.2), "rotate": 40}, {"scale": (0.1, -0.1), "rotate": 10}, (0.5, 0.5)),
    ],
)
def test_pixel_sizes_are_compared_where_they_are_known(image, psf, ratio):
    found = pixel_ratio(Image(np.zeros((5, 5)), **psf), Image(np.zeros((9, 9)), **image), Axes("YX"))
    assert found == (None if ratio is None else pytest.approx(ratio))


def test_only_spatial_axes_count_for_a_point_spread_function():
    movie = Image(np.zeros((3, 9, 9)), scale=(60, 0.2, 0.2))
    assert pixel_ratio(Image(np.zeros((5, 5)), scale=(0.1, 0.1)), movie, Axes("TYX")) == (0.5, 0.5)
    volume = Image(np.zeros((1, 5, 5)), scale=(7, 0.1, 0.1))
    assert pixel_ratio(volume, movie, Axes("TYX")) == (0.5, 0.5)
    assert pixel_ratio(Image(np.zeros((5, 5)), scale=(0.1, 0.1)), movie, Axes("ZYX")) is None


def test_a_point_spread_function_is_brought_to_the_pixels_of_the_image():
    rows, columns = np.indices((9, 9)) - 4
    bead = np.exp(-(rows**2 + columns**2) / 8)
    image = Image(np.zeros((30, 30)), scale=(0.2, 0.2))
    psf, origin = psf_from(Image(bead, scale=(0.1, 0.1), name="bead"), image, Axes("YX"))
    assert np.array_equal(psf.array, resampled(bead, (0.5, 0.5)))
    assert (origin["layer"], origin["ratio"]) == ("bead", [0.5, 0.5])
    psf, origin = psf_from(Image(bead, scale=(0.2, 0.2)), image, Axes("YX"))
    assert np.array_equal(psf.array, bead)
    assert origin["ratio"] is None
