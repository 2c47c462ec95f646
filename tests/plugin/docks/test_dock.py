from dataclasses import replace

import dask.array as da
import numpy as np
import pytest
from napari.layers import Image
from qtpy.QtWidgets import QApplication, QMessageBox

from napari_dip import GaussianNoise, PoissonNoise, restore
from napari_dip._version import __version__
from napari_dip.restoration.recipe import Recipe

from ..conftest import SHORT, SMALL, hook


def text(dock):
    return dock.message.text()


def test_a_run_from_the_menu_to_the_result(viewer, user, image):
    source = viewer.add_image(image, name="cells", colormap="magma", contrast_limits=(10, 200))
    dock = user.opens("Denoise")
    assert dock.source.image.layer is source
    assert dock.source.axes.description.text() == "2-D image of 64 x 64"
    layer = user.restores(dock)
    assert layer.name == "cells denoised"
    assert layer.data.dtype == np.float32
    assert layer.colormap.name == "magma"
    assert tuple(layer.contrast_limits) == (10, 200)
    assert text(dock).startswith("The maximum number of iterations was reached.")
    assert np.array_equal(source.data, image)
    recipe = Recipe.of(layer.metadata["napari-dip"])
    again = restore(
        image, recipe.task, recipe.method, axes=recipe.axes, seed=recipe.seed, device=recipe.device
    )
    assert np.array_equal(again.image, layer.data)


def test_it_shows_its_work_live(viewer, user, image):
    viewer.add_image(image, name="cells")
    dock = user.opens()
    panel = user.runs_endlessly(dock)
    user.sees(lambda: panel.curves.best is not None)
    live = viewer.layers["cells denoised"]
    first = live.data.copy()
    user.sees(lambda: not np.array_equal(live.data, first))
    assert panel.bar.value() > 0
    assert "of at most 100000" in panel.numbers.text()
    assert "held-out error" in panel.numbers.text()
    assert panel.curves.grab().toImage().width() > 50
    user.clicks(panel.cancel_button)
    user.sees(lambda: not dock._panels)


def test_stop_keeps_the_best(viewer, user, image):
    viewer.add_image(image, name="cells")
    dock = user.opens()
    panel = user.runs_endlessly(dock)
    user.sees(lambda: panel.curves.best is not None)
    user.clicks(panel.stop_button)
    user.sees(lambda: not dock._panels)
    assert "You stopped the run." in text(dock)
    report = viewer.layers["cells denoised"].metadata["napari-dip"]["frames"][0]
    assert report["outcome"] == "STOPPED"
    assert np.isfinite(viewer.layers["cells denoised"].data).all()


def test_cancel_leaves_the_layers_as_they_were(viewer, user, image):
    viewer.add_image(image, name="cells")
    dock = user.opens()
    panel = user.runs_endlessly(dock)
    user.clicks(panel.cancel_button)
    user.sees(lambda: not dock._panels)
    assert [layer.name for layer in viewer.layers] == ["cells"]
    assert viewer.layers.selection.active is viewer.layers["cells"]
    assert text(dock) == "Cancelled. The layers are as they were before the run."


def test_a_second_run_waits_for_the_first(viewer, user, image):
    viewer.add_image(image, name="cells")
    dock = user.opens()
    first = user.runs_endlessly(dock)
    user.sets(dock, iterations=10)
    second = user.runs(dock)
    assert second.numbers.text() == "Waiting for another run to end."
    user.clicks(first.cancel_button)
    user.sees(lambda: not dock._panels)
    assert [layer.name for layer in viewer.layers] == ["cells", "cells denoised"]


def test_a_waiting_run_can_be_cancelled(viewer, user, image):
    viewer.add_image(image, name="cells")
    dock = user.opens()
    first = user.runs_endlessly(dock)
    user.sets(dock, iterations=10)
    second = user.runs(dock)
    user.clicks(second.cancel_button)
    assert dock._panels == [first]
    user.clicks(first.cancel_button)
    user.sees(lambda: not dock._panels)
    assert len(viewer.layers) == 1


def test_docks_share_the_device(viewer, user, image):
    viewer.add_image(image, name="cells")
    first, second = user.opens("Denoise"), user.opens("Deep Image Prior")
    assert first is not second
    user.sets(second, iterations=10)
    panel = user.runs_endlessly(first)
    waiting = user.runs(second)
    assert "Waiting" in waiting.numbers.text()
    user.clicks(panel.cancel_button)
    user.sees(lambda: not second._panels)
    assert [layer.name for layer in viewer.layers] == ["cells", "cells denoised"]


def test_the_menu_opens_a_dock_once(viewer, user, image):
    viewer.add_image(image, name="cells")
    assert user.opens("Denoise") is user.opens("Denoise")


def test_inpaint_needs_missing_pixels_and_says_so(viewer, user, image):
    viewer.add_image(image, name="cells")
    dock = user.opens("Inpaint")
    user.sees(lambda: "needs missing pixels" in dock.status.text())
    assert not dock.run_button.isEnabled()
    assert "needs missing pixels" in dock.source.fields["missing"].reason
    mask = np.zeros((64, 64), int)
    mask[20:24], mask[40:44] = 1, 2
    labels = viewer.add_labels(mask, name="scratches")
    dock.source.mask.choose(labels)
    dock.source.label.setValue(2)
    layer = user.restores(dock)
    assert layer.name == "cells inpainted"
    assert np.array_equal(layer.data[mask != 2], image[mask != 2])
    assert not np.array_equal(layer.data[mask == 2], image[mask == 2])


def test_later_edits_of_the_source_do_not_change_the_run(viewer, user, image):
    source = viewer.add_image(image.copy(), name="cells")
    dock = user.opens()
    panel = user.runs(dock)
    source.data[:] = 0
    source.name = "renamed"
    viewer.layers.remove(source)
    user.sees(lambda: not dock._panels)
    assert viewer.layers["cells denoised"].data.mean() > 50
    assert panel.result.run.inputs.image.mean() > 50


@pytest.mark.parametrize("change", ["removed", "replaced", "renamed"])
def test_a_result_layer_that_the_user_changes_is_left_alone(viewer, user, image, change):
    viewer.add_image(image, name="cells")
    dock = user.opens()
    panel = user.runs_endlessly(dock)
    live = viewer.layers["cells denoised"]
    if change == "removed":
        viewer.layers.remove(live)
    elif change == "replaced":
        live.data = np.ones((64, 64), np.float32)
    else:
        live.name = "mine"
    if change != "renamed":
        user.sees(lambda: "will be a new layer" in panel.numbers.text())
    user.clicks(panel.stop_button)
    user.sees(lambda: not dock._panels)
    if change == "replaced":
        assert (live.data == 1).all()
        assert len(viewer.layers) == 3
    else:
        assert len(viewer.layers) == 2
    result = viewer.layers[-1]
    assert result.name == (
        "mine" if change == "renamed" else "cells denoised" + (" [1]" * (change == "replaced"))
    )
    assert "napari-dip" in result.metadata


def test_a_residual_and_a_blend(viewer, user, image):
    viewer.add_image(image, name="cells")
    dock = user.opens()
    layer = user.restores(dock)
    restored = layer.data.copy()
    assert dock.result_panel.isVisible()
    dock.result_panel.blend.setValue(25)
    assert np.allclose(layer.data, image + 0.25 * (restored - image), atol=1e-3)
    user.clicks(dock.result_panel.residual)
    assert np.allclose(viewer.layers["cells denoised: residual"].data, image - restored, atol=1e-3)
    viewer.layers.selection.active = layer
    dock.result_panel.blend.setValue(100)
    assert np.array_equal(layer.data, restored)


def test_run_again_gives_the_same_pixels(viewer, user, image):
    mask = np.zeros((64, 64), int)
    mask[30:34] = 3
    viewer.add_image(image, name="cells")
    viewer.add_labels(mask, name="dust")
    dock = user.opens("Inpaint")
    dock.source.image.choose(viewer.layers["cells"])
    dock.source.mask.choose(viewer.layers["dust"])
    dock.source.label.setValue(3)
    dock.method.seed.editor.value = 5
    first = user.restores(dock)
    dock.source.mask.choose(None)
    dock.method.seed.editor.value = 0
    user.sets(dock, iterations=7)
    assert np.array_equal(user.runs_again(dock, first).data, first.data)


def test_run_again_after_saving_and_reopening(viewer, user, image, tmp_path):
    viewer.add_image(image, name="cells", scale=(0.25, 0.25), units=("um", "um"))
    dock = user.opens()
    first = user.restores(dock)
    (path,) = first.save(str(tmp_path / "kept.ome.tif"), plugin="napari-dip")
    (opened,) = viewer.open(path, plugin="napari")
    assert np.array_equal(opened.data, first.data)
    assert np.array_equal(user.runs_again(dock, opened).data, first.data)
    assert not dock.result_panel.blend.isEnabled() or viewer.layers.selection.active is not opened


def test_copy_as_python_and_as_command_give_the_same_pixels(viewer, user, image, tmp_path):
    mask = np.zeros((64, 64), np.uint8)
    mask[30:34] = 1
    viewer.add_image(image, name="cells")
    viewer.add_labels(mask, name="dust")
    dock = user.opens("Denoise", SHORT)
    dock.source.image.choose(viewer.layers["cells"])
    dock.source.mask.choose(viewer.layers["dust"])
    layer = user.restores(dock)
    assert np.array_equal(user.runs_script(dock), layer.data)
    assert np.array_equal(user.runs_command(dock, tmp_path), layer.data)


def test_a_series_stopped_keeps_its_frames_and_says_how_many(viewer, user, image, monkeypatch):
    viewer.add_image(np.stack([image] * 4), name="movie", axis_labels=("t", "y", "x"))
    dock = user.opens()
    assert "4 frames" in dock.source.axes.description.text()
    user.sees(dock.run_button.isEnabled)
    seen = []

    def stop_in_the_second_frame(iterate):
        seen.append(iterate.index)
        fitted = [index for index in seen if index == 5]  # once in each frame
        if len(fitted) == 2 and dock._panels:
            dock._panels[0].job.stop()

    hook(monkeypatch, stop_in_the_second_frame)
    user.runs(dock)
    user.sees(lambda: not dock._panels)
    result = viewer.layers["movie denoised"].data
    reached = [bool(np.isfinite(frame).all()) for frame in result]
    assert reached[:2] == [True, True]
    assert not reached[3]
    assert f"{reached.count(False)} frames were not reached, and are empty." in text(dock)


def test_a_series_keeps_its_frames_when_one_fails(viewer, user, image):
    absurd = image.astype(np.float32)
    absurd[3, 4] = 1e30
    viewer.add_image(np.stack([image, image.T, absurd]), name="movie", axis_labels=("t", "y", "x"))
    dock = user.opens()
    layer = user.restores(dock)
    assert [bool(np.isfinite(frame).all()) for frame in layer.data] == [True, True, False]
    assert text(dock).count("could not be restored") == 1
    assert "1 of 3 frames could not be restored (frame 2: " in text(dock)
    assert "Frame 2." in dock.message.details.toPlainText()
    assert "Traceback" in dock.message.details.toPlainText()
    assert layer.metadata["napari-dip"]["frames"][2]["outcome"] == "FAILED"
    user.clicks(dock.result_panel.residual)
    assert np.isnan(viewer.layers[-1].data[2]).all()
    dock.result_panel.blend.setValue(50)
    assert np.isfinite(layer.data).all(), "where nothing was restored, the blend is the original"


class Counting:
    """An array that counts the reads of its frames."""

    def __init__(self, data):
        self._data, self.frames = data, []
        self.shape, self.dtype, self.ndim = data.shape, data.dtype, data.ndim

    def __getitem__(self, index):
        first = index[0]
        self.frames.append(first.start if isinstance(first, slice) else first)
        return self._data[index]


def test_a_lazy_layer_is_read_once_to_estimate_and_once_to_restore(viewer, user, image):
    source = Counting(np.stack([image, image.T, image[::-1]]))
    lazy = da.from_array(source, chunks=(1, 64, 64))
    layer = viewer.add_image(lazy, name="movie", axis_labels=("t", "y", "x"), contrast_limits=(0, 250))
    user.rests()
    source.frames.clear()
    dock = user.opens()
    user.sees(dock.run_button.isEnabled)
    assert set(source.frames) == {0}
    assert len(source.frames) == 1
    for iterations in (20, 30):
        user.sets(dock, iterations=iterations)
        user.sees(dock.run_button.isEnabled)
    assert source.frames == [0], "another setting reads nothing again"
    source.frames.clear()
    layer.data = da.from_array(source, chunks=(1, 64, 64))
    user.sees(dock.run_button.isEnabled)
    assert set(source.frames) == {0}
    user.rests()
    source.frames.clear()
    user.restores(dock)
    assert sorted(source.frames) == [0, 1, 2]


def test_wrong_fields_are_marked_and_run_is_disabled(viewer, user, image):
    viewer.add_image(image, name="cells")
    dock = user.opens()
    user.sees(dock.run_button.isEnabled)
    rate = dock.method.form.fields["learning_rate"]
    rate.editor.value = "2"
    assert rate.reason == "must be <= 1, got 2.0"
    assert not dock.run_button.isEnabled()
    rate.editor.value = "fast"
    assert rate.reason == "must be a number, got 'fast'"
    rate.editor.value = "1e-3"
    assert rate.reason == ""
    user.sees(dock.run_button.isEnabled)
    assert dock.method.value.learning_rate == 1e-3


def test_without_an_image_it_says_what_to_do(viewer, user):
    viewer.window.add_plugin_dock_widget("napari-dip", "Denoise")
    dock = viewer.window.dock_widgets["Denoise (napari-dip)"]
    assert dock.status.text() == "Choose an image layer."
    assert not dock.run_button.isEnabled()


def test_a_constant_image_is_refused_before_the_run(viewer, user):
    viewer.add_image(np.ones((32, 32)), name="flat")
    dock = user.opens()
    user.sees(lambda: "constant" in dock.status.text())
    assert not dock.run_button.isEnabled()
    assert "constant" in dock.source.fields["image"].reason


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("CUDA out of memory. Tried to allocate 8 GiB"), "There is not enough memory"),
        (KeyError("oops"), "The run failed (KeyError)"),
    ],
)
def test_an_error_in_the_run_is_one_message_and_the_dock_stays_usable(
    viewer, user, image, caplog, error, words
):
    viewer.add_image(image, name="cells")
    dock = user.opens()
    user.sees(dock.run_button.isEnabled)

    def fails(iterate):
        if iterate.index == 8:
            raise error

    with pytest.MonkeyPatch.context() as patch:
        hook(patch, fails)
        user.clicks(dock.run_button)
        user.sees(lambda: not dock._panels)
    assert text(dock).startswith(words)
    assert [layer.name for layer in viewer.layers] == ["cells"]
    dock.message.fold.expand(animate=False)
    user.clicks(dock.message.copy_button)
    report = QApplication.clipboard().text()
    for part in (
        f"napari-dip {__version__}",
        "PyQt6",
        "(64, 64) float32, axes YX",
        "Task: Denoise",
        "iterations=40",
        "Traceback",
        "fails",
        type(error).__name__,
    ):
        assert part in report
    (record,) = [one for one in caplog.records if one.exc_info]
    assert record.exc_info[1] is error or record.exc_info[1].__cause__ is error
    assert user.restores(dock)
    assert not dock.message.fold.isVisible()


def test_an_error_of_a_check_has_details_unless_the_user_can_correct_it(viewer, user, image, monkeypatch):
    viewer.add_image(image, name="cells")
    dock = user.opens()

    def fails(*_, **__):
        raise RuntimeError("a defect")

    monkeypatch.setattr("napari_dip.plugin.runs.run.estimate_cost", fails)
    dock._changed()
    user.sees(lambda: "A defect." in dock.status.text())
    assert dock.status.fold.isVisible()
    assert "in fails" in dock.status.details.toPlainText()
    viewer.layers["cells"].data = np.ones((64, 64))
    user.sees(lambda: "constant" in dock.status.text())
    assert not dock.status.fold.isVisible()


def test_a_long_run_is_confirmed_first(viewer, user, image, monkeypatch):
    viewer.add_image(image, name="cells")
    dock = user.opens()
    user.sets(dock, iterations=1_000_000)
    dock.method.form.fields["time_limit"].editor.value = ""
    asked = []

    def answer(*args):
        asked.append(args[-1])
        return QMessageBox.StandardButton.No

    monkeypatch.setattr(QMessageBox, "question", answer)
    user.sees(dock.run_button.isEnabled)
    user.clicks(dock.run_button)
    assert "may take up to" in asked[0]
    assert not dock._panels


def test_values_are_remembered_and_preferences_are_the_start(viewer, user, image):
    from napari.settings import get_plugin_settings

    page = get_plugin_settings("napari-dip").restore
    page.time_limit, page.device = 3.0, "cpu"
    viewer.add_image(image, name="cells")
    dock = user.opens("Denoise", method=None)
    assert dock.method.value.time_limit == 180
    assert dock.method.device.value == "cpu"
    dock.method.form.set(replace(SMALL, iterations=12))
    dock.method.seed.editor.value = 9
    user.restores(dock)
    other = user.viewer.window.add_plugin_dock_widget("napari-dip", "Deep Image Prior")[1]
    assert (other.method.value.iterations, other.method.seed.value) == (12, 9)


def test_the_noise_is_measured_at_a_click(viewer, user, image):
    viewer.add_image(image, name="cells")
    dock = user.opens()
    noise = dock.task.noise
    noise.choice.value = GaussianNoise
    button = noise.row.itemAt(1).widget()
    assert noise.form.fields["sigma"].reason == "must be a number"
    user.clicks(button)
    user.sees(lambda: noise.form.fields["sigma"].editor.value != "")
    assert 8 < noise.value.sigma < 12


def test_closing_the_dock_ends_its_run_at_the_next_iterate(viewer, user, image, monkeypatch):
    viewer.add_image(image, name="cells")
    dock = user.opens()
    user.sees(dock.run_button.isEnabled)
    panels, cancelled = [], []
    hook(monkeypatch, lambda _: cancelled.append(bool(panels) and panels[0].job.stopping))
    panels.append(user.runs_endlessly(dock))
    viewer.window.remove_dock_widget(dock)
    user.sees(lambda: len(user.queue) == 0)
    assert cancelled.count(True) <= 1
    assert [layer.name for layer in viewer.layers] == ["cells"]


def test_layers_of_other_kinds_are_not_offered(viewer, user, image):
    viewer.add_image(image, name="cells")
    dock = user.opens()
    viewer.add_points(np.zeros((3, 2)))
    viewer.add_labels(np.zeros((64, 64), int), name="marks")
    images = [dock.source.image.itemText(at) for at in range(dock.source.image.count())]
    masks = [dock.source.mask.itemText(at) for at in range(dock.source.mask.count())]
    assert images == ["choose an image", "cells"]
    assert masks == ["none", "marks"]
    viewer.layers["cells"].name = "neurons"
    assert dock.source.image.currentText() == "neurons"
    viewer.layers.remove("neurons")
    assert dock.source.image.layer is None
    assert dock.status.text() == "Choose an image layer."
    assert isinstance(viewer.layers["marks"], Image) is False


def test_menu_items_are_enabled_when_they_can_do_something(viewer, user, image):
    assert not user.menu("Layers", "Filter", "Restore", "Denoise").isEnabled()
    viewer.add_image(image)
    assert user.menu("Layers", "Filter", "Restore", "Denoise").isEnabled()
    viewer.add_points(np.zeros((3, 2)))
    assert not user.menu("Layers", "Filter", "Restore", "Denoise").isEnabled()


def test_the_current_view_stays_chosen_when_layers_come_and_go(viewer, user, image):
    viewer.add_image(image, name="cells")
    dock = user.opens()
    viewer.scene.camera.zoom *= 2.5
    user.waits(0.3)
    dock.source.region.setCurrentIndex(dock.source.region.findData("current view"))
    dock.source.region.activated.emit(1)
    layer = user.restores(dock)
    assert layer.data.shape < image.shape
    assert dock.source.region.currentText() == "current view"
    (rows, columns) = layer.metadata["napari-dip"]["source"]["roi"]
    assert np.allclose(layer.translate, (rows[0], columns[0]))
    viewer.scene.camera.center = (0, 1000, 1000)
    user.sees(lambda: "does not show" in dock.source.fields["roi"].reason)


def test_drawing_the_rectangle_that_is_asked_for_mends_the_form(viewer, user, image):
    viewer.add_image(image, name="cells")
    shapes = viewer.add_shapes(name="marks")
    viewer.layers.selection = {viewer.layers["cells"]}
    dock = user.opens()
    dock.source.region.setCurrentIndex(dock.source.region.findText("rectangle in marks"))
    dock.source.region.activated.emit(2)
    assert "draw one" in dock.source.fields["roi"].reason
    shapes.add_rectangles(np.array([[10, 10], [40, 50]]))
    assert dock.source.fields["roi"].reason == ""
    assert user.restores(dock).data.shape == (31, 41)


def test_painting_labels_mends_the_form(viewer, user, image):
    viewer.add_image(image, name="cells")
    labels = viewer.add_labels(np.zeros((64, 64), int), name="marks")
    dock = user.opens("Inpaint")
    dock.source.image.choose(viewer.layers["cells"])
    user.sees(lambda: "needs missing pixels" in dock.status.text())
    labels.paint((20, 20), 1)
    user.sees(dock.run_button.isEnabled)


def test_new_data_in_the_chosen_layer_update_the_form(viewer, user, image):
    layer = viewer.add_image(np.stack([image] * 3), name="movie")
    dock = user.opens()
    user.sees(dock.run_button.isEnabled)
    layer.data = image
    assert dock.source.axes.description.text() == "2-D image of 64 x 64"
    assert dock.source.axes.rows.rowCount() == 2
    assert user.restores(dock).data.shape == (64, 64)


def test_a_dock_that_is_closed_at_once_says_nothing_more(viewer, user, image):
    viewer.add_image(image, name="cells")
    dock = user.opens()
    layer = user.restores(dock)
    viewer.layers.selection.active = layer
    dock.result_panel.repeat.click()
    viewer.window.remove_dock_widget(dock)
    user.rests()
    assert len(user.queue) == 0
    assert len(viewer.layers) == 2


def test_run_again_waits_for_the_layer_that_is_absent(viewer, user, image):
    stack = np.stack([image[:24, :24]] * 9)
    source = viewer.add_image(stack, name="stack", axis_labels=("t", "y", "x"))
    dock = user.opens()
    user.sets(dock, iterations=6)
    dock.source.axes.roles[0].setCurrentIndex(0)
    dock.source.axes.roles[0].activated.emit(0)
    assert dock.source.axes.description.text().startswith("3-D volume")
    first = user.restores(dock)
    source.name = "renamed"
    viewer.layers.selection.active = first
    user.clicks(dock.result_panel.repeat)
    assert "Choose the layer to use in place of “stack”" in text(dock)
    dock.source.image.choose(source)
    assert dock.source.axes.description.text().startswith("3-D volume")
    again = user.restores(dock)
    assert np.array_equal(again.data, first.data)


def test_run_again_on_a_layer_that_has_become_smaller_says_so(viewer, user, image):
    source = viewer.add_image(image, name="cells")
    dock = user.opens()
    layer = user.restores(dock)
    layer.metadata["napari-dip"]["source"]["roi"] = [[0, 32], [0, 60]]
    source.data = image[:40, :40]
    viewer.layers.selection.active = layer
    user.clicks(dock.result_panel.repeat)
    assert "doesn't fit" in dock.source.fields["roi"].reason
    assert not dock._run_when_checked


def test_a_seed_is_not_negative_and_an_absent_device_is_marked(viewer, user, image):
    import torch

    viewer.add_image(image, name="cells")
    dock = user.opens()
    dock.method.seed.editor.native.setValue(-3)
    assert dock.method.seed.value == 0
    absent = "mps" if torch.cuda.is_available() else "cuda"
    dock.method.device.editor.value = absent
    user.sees(lambda: "is not available" in dock.method.device.reason)
    assert not dock.run_button.isEnabled()
    dock.method.device.editor.value = "cpu"
    user.sees(dock.run_button.isEnabled)


def test_a_layer_that_the_user_works_in_stays_selected(viewer, user, image):
    viewer.add_image(image, name="cells")
    labels = viewer.add_labels(np.zeros((64, 64), int), name="marks")
    dock = user.opens()
    dock.source.image.choose(viewer.layers["cells"])
    dock.source.mask.choose(None)
    viewer.layers.selection.active = labels
    user.restores(dock)
    assert viewer.layers.selection.active is labels


def test_one_noise_is_not_entered_for_another(viewer, user, image):
    viewer.add_image(image, name="cells")
    dock = user.opens()
    dock.task.noise.choice.value = GaussianNoise
    user.clicks(dock.task.noise.row.itemAt(1).widget())
    dock.task.noise.choice.value = PoissonNoise
    user.rests()
    assert dock.task.noise.choice.value is PoissonNoise


def test_a_multiscale_layer_is_restored_and_repeated(viewer, user, image):
    viewer.add_image([image, image[::2, ::2]], name="pyramid", multiscale=True)
    dock = user.opens()
    layer = user.restores(dock)
    assert layer.data.shape == image.shape
    assert np.array_equal(user.runs_script(dock), layer.data)


def test_colours_one_after_another_with_a_mask(viewer, user, image):
    colours = np.stack([image, image[::-1], image.T], -1).clip(0, 255).astype(np.uint8)
    viewer.add_image(colours, name="photo", rgb=True)
    viewer.add_labels(np.eye(64, dtype=int), name="line")
    dock = user.opens("Inpaint")
    dock.source.image.choose(viewer.layers["photo"])
    dock.source.mask.choose(viewer.layers["line"])
    dock.source.axes.roles[-1].setCurrentIndex(2)
    dock.source.axes.roles[-1].activated.emit(2)
    user.sets(dock, iterations=5)
    layer = user.restores(dock)
    off = ~np.eye(64, dtype=bool)
    assert layer.data.dtype == np.uint8
    assert np.array_equal(layer.data[off], colours[off])
