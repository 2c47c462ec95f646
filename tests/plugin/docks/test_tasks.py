"""Super-resolution, deconvolution and guides, by clicks."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_dip import Deconvolve, Inpaint, PoissonNoise, SuperResolve, UnknownNoise, estimate_psf, restore
from napari_dip.methods import DIP, PKN, Auto, RichardsonLucy, Wiener
from napari_dip.optim.iterate import StoppingCriterion
from napari_dip.plugin.preferences import remembered_settings
from napari_dip.psf.arrays import resampled
from napari_dip.psf.models import GaussianPSF, MeasuredPSF
from napari_dip.restoration.recipe import Recipe

from ..conftest import SHORT

PLACE = {"scale": (0.5, 0.4), "rotate": 30, "shear": [0.2], "translate": (7, -3), "units": ("um", "um")}


@pytest.fixture
def small(image):
    return image[:32, :32]


@pytest.fixture
def bead():
    rows, columns = np.indices((9, 9)) - 4
    return np.exp(-(rows**2 + columns**2) / 12)


def chooses(dock, method):
    choice = dock.method.choice
    choice.setCurrentIndex(choice.findData(method))
    choice.activated.emit(choice.currentIndex())


# Super-resolution


def test_a_finer_image_lies_on_its_source(viewer, user, small, tmp_path):
    source = viewer.add_image(small, name="cells", **PLACE)
    dock = user.opens("Super-resolve", SHORT)
    assert dock.task.task_type is SuperResolve
    dock.task.form.fields["downsampling"].editor.value = "area"
    user.sets(dock, iterations=12)
    layer = user.restores(dock)
    assert (layer.name, layer.data.shape) == ("cells super-resolved", (64, 64))
    for pixel in ((0, 0), (31, 31), (5, 20)):
        parts = [layer.data_to_world(np.multiply(pixel, 2) + part) for part in np.ndindex(2, 2)]
        assert np.allclose(np.mean(parts, 0), source.data_to_world(pixel))
    assert layer.units == source.units

    user.clicks(dock.result_panel.residual)
    residual = viewer.layers["cells super-resolved: residual"]
    means = layer.data.reshape(32, 2, 32, 2).mean((1, 3))
    assert np.allclose(residual.data, small - means, atol=1e-2)
    assert np.allclose(residual.data_to_world((3, 4)), source.data_to_world((3, 4)))

    restored = layer.data.copy()
    viewer.layers.selection.active = layer
    dock.result_panel.blend.setValue(0)
    between = small[:-1] * 0.75 + small[1:] * 0.25  # each half pixel lies a quarter from its own centre
    between = between[:, :-1] * 0.75 + between[:, 1:] * 0.25
    assert np.allclose(layer.data[1:-1:2, 1:-1:2], between, atol=1e-2)
    dock.result_panel.blend.setValue(100)
    assert np.array_equal(layer.data, restored)

    assert np.array_equal(user.runs_script(dock), restored)
    assert np.array_equal(user.runs_command(dock, tmp_path), restored)
    user.sets(dock, iterations=7)
    assert np.array_equal(user.runs_again(dock, layer).data, restored)


def test_an_area_of_a_stack_is_refined_in_its_place(viewer, user, small):
    stack = np.stack([small, small[::-1]])
    mask = np.zeros((32, 32), int)
    mask[10:12] = 1
    source = viewer.add_image(stack, name="movie", axis_labels=("t", "y", "x"), scale=(60, 0.5, 0.5))
    viewer.add_labels(mask, name="dust", scale=(0.5, 0.5))
    shapes = viewer.add_shapes(name="marks", scale=(0.5, 0.5))
    shapes.add_rectangles(np.array([[4, 8], [23, 27]]))
    viewer.layers.selection = {source}
    dock = user.opens("Super-resolve")
    dock.source.mask.choose(viewer.layers["dust"])
    dock.source.region.setCurrentIndex(dock.source.region.findText("rectangle in marks"))
    dock.source.region.activated.emit(2)
    user.sets(dock, iterations=8)
    layer = user.restores(dock)
    assert layer.data.shape == (2, 40, 40)
    assert np.allclose(layer.data_to_world((1, 0.5, 0.5)), source.data_to_world((1, 4, 8)))
    restored = layer.data.copy()
    dock.result_panel.blend.setValue(50)
    assert np.array_equal(layer.data[:, 12:16], restored[:, 12:16])  # missing: there is no original
    assert not np.array_equal(layer.data[:, 20:], restored[:, 20:])
    user.clicks(dock.result_panel.residual)
    residual = viewer.layers[-1].data
    assert residual.shape == (2, 20, 20)
    assert np.isnan(residual[:, 6:8]).all()
    assert np.isfinite(residual[:, 8:]).all()


def test_colours_are_refined_with_their_dtype(viewer, user, small):
    colours = np.stack([small, small[::-1], small.T], -1).clip(0, 255).astype(np.uint8)
    source = viewer.add_image(colours, name="photo", rgb=True, scale=(2, 2))
    dock = user.opens("Super-resolve")
    user.sets(dock, iterations=6)
    layer = user.restores(dock)
    assert (layer.data.dtype, layer.data.shape, layer.rgb) == (np.uint8, (64, 64, 3), True)
    assert np.allclose(layer.data_to_world((0.5, 0.5)), source.data_to_world((0, 0)))
    dock.result_panel.blend.setValue(0)
    assert np.abs(layer.data[::2, ::2].astype(int) - colours).mean() < 20
    user.clicks(dock.result_panel.residual)
    assert viewer.layers[-1].data.shape == (32, 32)


def test_refining_planes_needs_a_volume_and_the_axes_say_so(viewer, user, small):
    viewer.add_image(small, name="cells")
    dock = user.opens("Super-resolve")
    dock.task.form.fields["along"].editor.value = "axial"
    user.sees(lambda: "needs a volume" in dock.source.axes.reason)
    assert not dock.run_button.isEnabled()


# Deconvolution


def test_a_blur_by_formula_needs_no_layer(viewer, user, small):
    viewer.add_image(small, name="cells")
    dock = user.opens("Deconvolve")
    assert not dock.source.fields["psf"].isVisible()
    dock.task.form.fields["psf"].form.fields["fwhm"].editor.value = "4"
    user.sets(dock, iterations=8)
    layer = user.restores(dock)
    assert layer.name == "cells deconvolved"
    assert Recipe.of(layer.metadata["napari-dip"]).task == Deconvolve(psf=GaussianPSF(4.0))


def test_a_measured_blur_of_another_pixel_size(viewer, user, small, bead):
    blurred = gaussian_filter(small, 1.2)
    viewer.add_image(blurred, name="cells", scale=(0.2, 0.2), units=("um", "um"))
    points = viewer.add_image(bead, name="bead", scale=(100, 100), units=("nm", "nm"))
    viewer.layers.selection = {viewer.layers["cells"]}
    dock = user.opens("Deconvolve")
    dock.task.form.fields["psf"].choice.value = MeasuredPSF
    assert dock.source.fields["psf"].isVisible()
    assert dock.source.fields["psf"].reason == "choose the image of a point"
    assert not dock.run_button.isEnabled()
    dock.source.psf.choose(points)
    assert "0.5 x 0.5 of the image's" in dock.source._psf_size.text()
    user.sets(dock, iterations=12)
    layer = user.restores(dock)
    provenance = layer.metadata["napari-dip"]
    assert provenance["source"]["psf"]["ratio"] == [0.5, 0.5]
    recipe = Recipe.of(provenance)
    psf = resampled(bead, (0.5, 0.5))
    again = restore(blurred, recipe.task, recipe.method, psf=psf, axes=recipe.axes, device=recipe.device)
    assert np.array_equal(again.image, layer.data)
    assert np.array_equal(user.runs_script(dock), layer.data)
    dock.source.psf.choose(None)
    assert np.array_equal(user.runs_again(dock, layer).data, layer.data)


@pytest.mark.parametrize(
    ("spoilt", "words", "scale"),
    [
        (lambda bead: np.where(bead > 0.9, np.nan, bead), "must be finite", 0.8),
        (lambda bead: np.stack([bead, bead]), "but the image has no channels", 1),
    ],
    ids=["NaN, resampled", "a stack"],
)
def test_a_wrong_point_spread_function_is_marked(viewer, user, small, bead, spoilt, words, scale):
    viewer.add_image(small, name="cells")
    data = spoilt(bead)
    points = viewer.add_image(data, name="bead", scale=(scale,) * data.ndim)
    viewer.layers.selection = {viewer.layers["cells"]}
    dock = user.opens("Deconvolve")
    dock.task.form.fields["psf"].choice.value = MeasuredPSF
    dock.source.psf.choose(points)
    user.sees(lambda: words in dock.source.fields["psf"].reason)
    assert words in dock.status.text()
    assert not dock.run_button.isEnabled()
    points.data = bead
    user.sees(dock.run_button.isEnabled)
    assert dock.source.fields["psf"].reason == ""


@pytest.mark.filterwarnings("default:the point spread function has a background")
def test_a_background_of_the_point_spread_function_is_noted_before_the_run(viewer, user, small):
    viewer.add_image(small, name="cells")
    rows, columns = np.indices((15, 15)) - 7
    points = viewer.add_image(np.exp(-(rows**2 + columns**2) / 4) + 0.1, name="bead")
    viewer.layers.selection = {viewer.layers["cells"]}
    dock = user.opens("Deconvolve")
    dock.task.form.fields["psf"].choice.value = MeasuredPSF
    dock.source.psf.choose(points)
    user.sees(lambda: "The point spread function has a background" in dock.status.text())
    dock.task.form.fields["psf"].form.fields["background"].editor.value = "subtract"
    user.sees(lambda: dock.run_button.isEnabled() and "has a background" not in dock.status.text())


@pytest.mark.parametrize("method", [RichardsonLucy(iterations=4), Wiener(balance=0.5)], ids=str)
def test_a_classic_method_at_once(viewer, user, small, tmp_path, method):
    viewer.add_image(small, name="cells")
    dock = user.opens("Deconvolve")
    chooses(dock, type(method))
    assert not dock.method.preset.isVisible()
    assert "time_limit" not in dock.method.form.fields
    dock.method.form.set(method)
    layer = user.restores(dock)
    assert Recipe.of(layer.metadata["napari-dip"]).method == method
    assert np.isfinite(layer.data).all()
    assert np.array_equal(user.runs_script(dock), layer.data)
    assert np.allclose(user.runs_command(dock, tmp_path), layer.data)
    chooses(dock, DIP)
    assert np.array_equal(user.runs_again(dock, layer).data, layer.data)
    assert dock.method.value == method
    assert remembered_settings(type(method)) == method


def test_methods_are_offered_where_they_suit_the_task(viewer, user, small):
    viewer.add_image(small, name="cells")
    dock = user.opens("Deconvolve")
    assert dock.method.choice.isVisible()
    chooses(dock, Wiener)
    dock.task.choose(Inpaint)
    assert [dock.method.choice.itemData(at) for at in range(dock.method.choice.count())] == [Auto, DIP]
    assert isinstance(dock.method.value, DIP)
    assert dock.method.preset.isVisible()
    assert dock.method.preset.currentText() == "custom"  # the user has changed it for the test
    dock.task.choose(Deconvolve)
    assert dock.method.choice.count() == 7


# Guides and series


def test_a_guide_is_asked_for_and_used(viewer, user, small, phantom, random, tmp_path):
    cells = viewer.add_image(small, name="cells")
    flash = viewer.add_image(phantom[:32, :32].copy(), name="flash")
    viewer.layers.selection = {cells}
    dock = user.opens("Guided restoration", SHORT)
    assert dock.source.image.layer is cells
    assert dock.source.fields["guide"].reason == "choose a guide"
    assert not dock.run_button.isEnabled()
    dock.source.guide.choose(flash)
    user.sets(dock, iterations=12)
    panel = user.runs(dock)
    flash.data[:] = 0  # what is read was captured
    user.sees(lambda: not dock._panels)
    layer = panel.result.layer
    recipe = Recipe.of(layer.metadata["napari-dip"])
    assert layer.metadata["napari-dip"]["source"]["guide"]["layer"] == "flash"
    guided = restore(
        small, recipe.task, recipe.method, guide=phantom[:32, :32], axes="YX", device=recipe.device
    )
    assert np.array_equal(guided.image, layer.data)
    flash.data = phantom[:32, :32]
    assert np.array_equal(user.runs_script(dock), layer.data)
    assert np.array_equal(user.runs_command(dock, tmp_path), layer.data)
    dock.source.guide.choose(None)
    assert np.array_equal(user.runs_again(dock, layer).data, layer.data)


def test_a_fine_guide_for_an_area_of_a_coarse_image(viewer, user, small, phantom):
    cells = viewer.add_image(small, name="cells", scale=(2, 2))
    fine = viewer.add_image(phantom, name="fine", translate=(-0.5, -0.5))
    shapes = viewer.add_shapes(name="marks")
    shapes.add_rectangles(np.array([[8, 16], [46, 54]]))
    viewer.layers.selection = {cells}
    dock = user.opens("Super-resolve")
    dock.source.guide.choose(fine)
    dock.source.region.setCurrentIndex(dock.source.region.findText("rectangle in marks"))
    dock.source.region.activated.emit(2)
    user.sets(dock, iterations=8)
    layer = user.restores(dock)
    provenance = layer.metadata["napari-dip"]
    assert provenance["source"]["guide"]["same_grid"]
    (rows, columns), recipe = provenance["source"]["roi"], Recipe.of(provenance)
    image = small[slice(*rows), slice(*columns)]
    guide = phantom[2 * rows[0] : 2 * rows[1], 2 * columns[0] : 2 * columns[1]]
    again = restore(image, recipe.task, recipe.method, guide=guide, axes="YX", device=recipe.device)
    assert np.array_equal(again.image, layer.data)
    assert np.array_equal(user.runs_script(dock), layer.data)


def test_a_guide_that_shows_nothing_is_marked(viewer, user, small):
    cells = viewer.add_image(small, name="cells")
    far = viewer.add_image(small, name="far", translate=(500, 500))
    viewer.layers.selection = {cells}
    dock = user.opens("Denoise")
    dock.source.guide.choose(far)
    user.sees(lambda: "single grey level" in dock.source.fields["guide"].reason)
    assert not dock.run_button.isEnabled()
    dock.source.guide.choose(None)
    user.sees(dock.run_button.isEnabled)


def test_the_frames_choice_is_for_series_and_says_where_it_is_wrong(viewer, user, small):
    viewer.add_image(np.stack([small] * 3), name="movie", axis_labels=("t", "y", "x"))
    dock = user.opens("Super-resolve")
    series = dock.source.axes.series
    dock.source.axes.fold.expand(animate=False)
    assert series.isVisible()
    dock.source.axes.fold.collapse(animate=False)
    series.set("drift")
    series.changed.emit()
    user.sees(lambda: "drift" in series.reason)
    assert series.isVisible(), "the fold hides what is wrong"
    series.set("independent")
    series.changed.emit()
    user.sets(dock, iterations=5)
    layer = user.restores(dock)
    assert layer.metadata["napari-dip"]["series"] == "independent"
    series.set("warm_start")
    assert np.array_equal(user.runs_again(dock, layer).data, layer.data)
    assert series.value == "independent"
    viewer.layers["movie"].data = small
    assert not series.isVisibleTo(dock.source.axes.fold)


# What decides the end


def test_the_panel_says_what_decides_the_end(viewer, user, image):
    smooth = gaussian_filter(np.random.default_rng(0).normal(0, 40, image.shape), 1.5) * 4
    viewer.add_image((image + smooth).astype(np.float32), name="cells")
    dock = user.opens()
    user.sets(dock, stopping="variance")
    panel = user.runs_endlessly(dock)
    user.sees(lambda: StoppingCriterion.VARIANCE.value in panel.numbers.text())
    user.sees(lambda: "variance of the outputs" in panel.numbers.text())
    assert "variance of the outputs" in panel.curves.toolTip()
    assert "held-out" not in panel.numbers.text() + panel.curves.toolTip()
    user.clicks(panel.cancel_button)
    user.sees(lambda: not dock._panels)


def test_the_noise_of_a_blurred_image_is_measured_too(viewer, user, small):
    viewer.add_image(small, name="cells")
    dock = user.opens("Deconvolve")
    dock.task.noise.choice.value = PoissonNoise
    user.clicks(dock.task.noise.row.itemAt(1).widget())
    user.sees(lambda: "measured" in dock.message.text())


@pytest.mark.parametrize(("name", "method"), [("Deep Image Prior", DIP), ("Procedural Kernel Network", PKN)])
def test_a_method_of_the_menu_is_chosen(viewer, user, image, name, method):
    viewer.add_image(image, name="cells")
    dock = user.opens(name, method=None)
    assert isinstance(dock.method.value, method)


def test_the_measured_noise_is_shown_before_the_run(viewer, user, image):
    viewer.add_image(image, name="cells")
    dock = user.opens("Procedural Kernel Network", method=None)
    user.sees(dock.run_button.isEnabled)
    assert dock.status.text().startswith("The noise was measured: ")


def test_unknown_noise_is_found_and_shown_with_its_standard_error(viewer, user, random):
    viewer.add_image(random.normal(100, 7, (80, 80)), name="cells")
    dock = user.opens("Denoise")
    dock.task.noise.choice.value = UnknownNoise
    user.clicks(dock.task.noise.row.itemAt(1).widget())
    user.sees(lambda: "The noise was measured in the image: σ = " in dock.message.text())
    assert "±" in dock.message.text()
    assert dock.task.value.noise.sigma == pytest.approx(7, rel=0.2)


def test_the_blur_is_measured_in_the_image(viewer, user):
    sky = np.zeros((120, 120), np.float32)
    sky[15::30, 15::30] = 1000
    sky = gaussian_filter(sky, 2.0)
    viewer.add_image(sky, name="stars")
    dock = user.opens("Deconvolve")
    dock.task.measure_psf()
    expected = estimate_psf(sky)
    user.sees(lambda: dock.message.text() == f"The blur was measured in the image: {expected.in_words}.")
    assert dock.task.value.psf == expected.model
