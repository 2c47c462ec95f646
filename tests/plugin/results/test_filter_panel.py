"""What can be done with the result of a filter."""

import gc
import weakref
from dataclasses import replace

import numpy as np
import pytest
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QApplication

from napari_dip import Denoise, restore
from napari_dip.image.axes import Axes
from napari_dip.io import ImageFile
from napari_dip.io.parameter_maps import write_maps
from napari_dip.methods.pkn import PKN
from napari_dip.plugin.layers import KEY

METHOD = PKN(predictor="structure-tensor")


@pytest.fixture
def dock(viewer, user, image):
    viewer.add_image(image, name="cells", scale=(0.5, 0.25))
    return user.opens_filter()


@pytest.fixture
def result(user, dock):
    result = user.finishes(dock)
    dock.result_panel.filter.maps_fold.expand(animate=False)
    dock.result_panel.filter.kernel_fold.expand(animate=False)
    return result


@pytest.fixture
def editor(dock, result):
    editor = dock.result_panel.filter.map_editor
    choose(editor, "width")
    return editor


def choose(editor, name):
    at = editor.choice.findText(name)
    editor.choice.setCurrentIndex(at)
    editor.choice.activated.emit(at)


def applied(user, dock):
    before = set(user.viewer.layers)
    user.clicks(dock.result_panel.filter.map_editor.apply)
    user.sees(lambda: not dock._panels)
    return next(one for one in dock.result_panel._results if one.layer not in before)


def test_to_choose_a_map_shows_it(viewer, user, result, editor):
    assert result.maps.layers["width"].visible
    choose(editor, "a")
    assert result.maps.layers["a"].visible
    assert not result.maps.layers["width"].visible


def test_an_edit_of_labels_changes_only_their_region(viewer, user, dock, result, editor):
    marks = np.zeros((64, 64), int)
    marks[10:20, 30:50] = 3
    editor.region.choose(viewer.add_labels(marks, scale=(0.5, 0.25)))
    before = result.maps.values("width").copy()
    editor.number.editor.value = "0.5"
    user.clicks(editor.set)
    after = result.maps.values("width")
    assert np.array_equal(after[marks == 0], before[marks == 0])
    assert (after[marks > 0] == 0.5).all()
    one = applied(user, dock)
    assert one.layer.name == "cells denoised, edited maps"
    maps = {name: result.maps.values(name) for name in result.maps.parameters}
    assert np.array_equal(
        one.layer.data, restore(result.run.inputs.image, Denoise(), METHOD, parameter_maps=maps).image
    )
    moved = one.layer.data != result.layer.data
    assert moved[marks > 0].any()
    assert np.abs((one.layer.data - result.layer.data)[marks == 0]).max() < 1e-3
    assert set(one.layer.metadata[KEY]["source"]["maps"]) == {"width", "a", "b"}
    assert not result.maps.layers["width"].visible


@pytest.mark.parametrize("kind", ["rectangle", "ellipse", "polygon"])
def test_an_edit_of_shapes_changes_only_what_they_enclose(viewer, user, result, editor, kind):
    # In world coordinates, which are half and a quarter of a pixel.
    corners = np.array([[5, 2.5], [5, 7.5], [10, 7.5], [10, 2.5]])
    editor.region.choose(viewer.add_shapes([corners], shape_type=kind))
    before = result.maps.values("width").copy()
    editor.number.editor.value = "2"
    user.clicks(editor.scale)
    changed = result.maps.values("width") != before
    rows, columns = np.nonzero(changed)
    assert rows.min() >= 10
    assert rows.max() <= 20
    assert columns.min() >= 10
    assert columns.max() <= 30
    assert changed[15, 20]


def test_smoothing_smooths_and_reset_brings_the_prediction_back(user, result, editor):
    before = result.maps.values("width").copy()
    editor.number.editor.value = "3"
    user.clicks(editor.smooth)
    assert result.maps.values("width").std() < before.std()
    user.clicks(editor.reset)
    assert np.array_equal(result.maps.values("width"), before)


def test_values_stay_within_the_limits(user, dock, result, editor):
    editor.number.editor.value = "1000"
    user.clicks(editor.set)
    assert (result.maps.values("width") == result.maps.maps["width"].high).all()
    assert "clipped to the limits" in dock.message.text()


def test_a_region_elsewhere_is_refused_in_words(viewer, user, dock, result, editor):
    editor.region.choose(viewer.add_labels(np.zeros((64, 64), int), name="empty"))
    before = result.maps.values("width").copy()
    user.clicks(editor.set)
    assert dock.message.text() == "The layer 'empty' marks no pixel of the map."
    assert np.array_equal(result.maps.values("width"), before)


def test_maps_come_from_a_file(user, dock, result, editor, tmp_path, monkeypatch):
    maps = {name: np.full((64, 64), at, np.float32) for at, name in enumerate(("width", "a", "b"), 1)}
    path = tmp_path / "maps.tif"
    write_maps(path, maps, ImageFile(maps["a"]), Axes("YX"), {})
    monkeypatch.setattr(
        "napari_dip.plugin.results.map_editor.QFileDialog.getOpenFileName", lambda *_: (str(path), "")
    )
    user.clicks(editor.load)
    assert dock.message.text() == "Loaded: width, a, b."
    for name, values in maps.items():
        assert np.array_equal(result.maps.values(name), values)


def test_a_map_that_the_user_spoils_is_refused_in_words(user, dock, result, editor):
    result.maps.layers["width"].data = np.ones((3, 3))
    user.clicks(editor.apply)
    user.sees(lambda: not dock._panels)
    assert "the map width must" in dock.message.text()


def test_strength_filters_again_into_the_same_layer(viewer, user, dock, result):
    image = result.run.inputs.image
    for strength in (0.0, 2.5):
        dock.result_panel.filter.strength.setValue(int(100 * strength))
        wanted = restore(image, Denoise(), replace(METHOD, strength=strength)).image
        user.sees(lambda wanted=wanted: np.array_equal(result.layer.data, wanted))
        assert result.layer.metadata[KEY]["method"]["strength"] == strength
        dock.result_panel.copy_python.trigger()
        assert f"strength={strength}" in QApplication.clipboard().text()
    assert [layer.name for layer in viewer.layers if "denoised" in layer.name and ": " not in layer.name] == [
        "cells denoised"
    ]


def test_an_error_of_the_slider_has_details(user, dock, result, monkeypatch):
    def fails(strength, outdated):
        raise RuntimeError("a defect")

    monkeypatch.setattr(result.refilter, "restored", fails)
    dock.result_panel.filter.strength.setValue(200)
    user.sees(lambda: dock.message.text() == "A defect.")
    assert dock.message.fold.isVisible()
    assert "in fails" in dock.message.details.toPlainText()


def test_the_best_single_setting_is_added(viewer, user, dock, result):
    dock.result_panel.filter.single.setEnabled(True)
    user.clicks(dock.result_panel.filter.single)
    user.sees(lambda: not dock._panels)
    layer = viewer.layers["cells denoised, single setting"]
    wanted = restore(result.run.inputs.image, Denoise(), PKN(predictor="constant")).image
    assert np.array_equal(layer.data, wanted)
    assert not dock.result_panel.filter.maps_fold.isVisible()


def test_the_mouse_shows_a_kernel(viewer, user, dock, result):
    kernel = dock.result_panel.filter.kernel_view
    viewer.cursor.position = (5.0, 6.0)  # row 10, column 24
    user.sees(lambda: kernel.kernel_image.weights is not None)
    assert kernel.kernel_image.weights.sum() == pytest.approx(1, abs=1e-5)
    assert "<b>pixel 10, 24</b>" in kernel.description.text()
    assert f"width {result.maps.values('width')[10, 24]:.3g} px" in kernel.description.text()
    assert kernel.kernel_image.grab().toImage().width() == 132
    before = kernel.kernel_image.weights
    dock.result_panel.filter.strength.setValue(250)
    user.sees(lambda: kernel.kernel_image.weights is not before)
    assert kernel.kernel_image.weights.max() < before.max()


def test_the_mouse_shows_the_kernel_of_edited_maps(viewer, user, dock, result, editor):
    editor.number.editor.value = "0.2"
    user.clicks(editor.set)
    applied(user, dock)
    viewer.cursor.position = (5.0, 6.0)
    kernel = dock.result_panel.filter.kernel_view
    user.sees(lambda: "width 0.2 px" in kernel.description.text())
    assert kernel.kernel_image.weights.max() > 0.9


def test_nothing_keeps_a_closed_dock(viewer, user, image):
    viewer.add_image(image, name="cells")
    docks = []
    for _ in range(3):
        dock = user.opens_filter()
        user.finishes(dock)
        dock.result_panel.filter.kernel_fold.expand(animate=False)
        viewer.cursor.position = (5.0, 6.0)
        dock.result_panel.filter.strength.setValue(200)
        docks.append(weakref.ref(dock))
        viewer.window.remove_dock_widget(dock)
        del dock
        user.rests()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    gc.collect()
    assert [ref() for ref in docks if ref() is not None] == []


def test_a_closed_dock_leaves_nothing_behind(viewer, user, dock, result):
    perturbation = len(viewer.cursor.events.position.callbacks)
    viewer.cursor.position = (5.0, 6.0)
    dock.result_panel.filter.strength.setValue(200)
    user.clicks(dock.result_panel.filter.single)
    viewer.window.remove_dock_widget(dock)
    assert len(viewer.cursor.events.position.callbacks) == perturbation - 1
    user.sees(lambda: len(user.queue) == 0)
    viewer.cursor.position = (6.0, 6.0)
    user.rests()
    assert "cells denoised, single setting" not in viewer.layers
