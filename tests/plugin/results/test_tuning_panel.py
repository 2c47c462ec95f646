"""A pretrained network in the viewer: what is said of it, its layers, and what its result can do."""

import gc
import time
import weakref

import numpy as np
import pytest
import torch
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QApplication, QFileDialog

from napari_dip import Denoise, FineTune, GaussianNoise, GaussianPSF, SuperResolve, restore
from napari_dip.errors import FileError
from napari_dip.plugin.forms.file_dialogs import PRETRAINED, TUNED, ask_where
from napari_dip.plugin.layers import KEY, to_world
from napari_dip.pretrained.architectures import Compact
from napari_dip.pretrained.files import load, save
from napari_dip.pretrained.model import Pretrained
from napari_dip.restoration.api import residual
from napari_dip.restoration.recipe import Recipe

from ..conftest import hook

#: What the network was not made for.
BLURRED = SuperResolve(psf=GaussianPSF(1.0))
NAMES = [
    "cells",
    "cells network output",
    "cells super-resolved",
    "cells: residual before",
    "cells: residual after",
]


@pytest.fixture
def small(phantom):
    """Blurred and coarse, as `BLURRED` says, and rounded."""
    operator = BLURRED.operator((48, 48))
    fine = torch.nn.functional.interpolate(
        torch.from_numpy(phantom)[None, None], operator.grid((48, 48)).shape
    )
    return operator(fine)[0, 0].numpy().round()


@pytest.fixture
def weights(tmp_path):
    """The file of a network that repeats pixels, with which means of pixels agree, and nothing else."""
    torch.manual_seed(0)
    network = Compact(1, 2, 4, 1)
    network.body[-1].weight.data.zero_()
    network.body[-1].bias.data.zero_()
    return written(network, tmp_path / "own.safetensors")


def written(network, path):
    save(Pretrained(network, network.title, network.factor, network.channels, path.name), path)
    return str(path)


def opened(user, weights, task=BLURRED, **settings):
    """Return the dock with a network, for a run of a few iterations."""
    dock = user.opens("Fine-tuned network", method=None, title="Fine-tune")
    dock.task.show_task(task)
    dock.method.show_method(
        FineTune(weights, **{"iterations": 5, "learning_rate": 1e-3, **settings}), "cpu", 0
    )
    return dock


@pytest.fixture
def dock(viewer, user, small, weights):
    viewer.add_image(small, name="cells", scale=(0.5, 0.25), rotate=20, colormap="magma")
    return opened(user, weights)


@pytest.fixture
def result(user, dock):
    return user.finishes(dock)


# Before the run


def test_the_menu_opens_it_to_super_resolve(viewer, user, small):
    viewer.add_image(small, name="cells")
    dock = user.opens("Fine-tuned network", method=None, title="Fine-tune")
    assert dock.task.task_type is SuperResolve
    assert isinstance(dock.method.value, FineTune)
    assert dock.source.image.layer is viewer.layers["cells"]


def test_what_is_in_the_file_is_said_before_the_run(user, dock):
    user.sees(dock.run_button.isEnabled)
    words = "The network: Compact, 2 times finer, grey, 344 weights (own.safetensors)."
    assert dock.status.text().startswith(words)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no such file"),
        (b"a network, they said", "can't read"),
        (Compact(1, 2, 4, 1), "the task needs a network that keeps the size"),
    ],
    ids=["absent", "broken", "for another task"],
)
def test_a_file_that_does_not_do_is_marked(user, dock, tmp_path, content, words):
    path = tmp_path / "other.safetensors"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        written(content, path)
        dock.task.show_task(Denoise())
    field = dock.method.form.fields["weights"]
    before = field.editor.value
    field.editor.value = str(path)
    user.sees(lambda: words in field.reason)
    assert words[1:] in dock.status.text()
    assert dock.source.fields["image"].reason == ""
    assert not dock.run_button.isEnabled()
    dock.task.show_task(BLURRED)
    field.editor.value = before
    user.sees(dock.run_button.isEnabled)
    assert field.reason == ""


def test_files_are_chosen_in_a_dialog(user, dock, weights, monkeypatch):
    asked = []

    def choose(*arguments):
        asked.append(arguments)
        return weights, ""

    monkeypatch.setattr("napari_dip.plugin.forms.file_dialogs.QFileDialog.getOpenFileName", choose)
    field = dock.method.form.fields["weights"]
    field.editor.value = ""
    button = field.row.itemAt(1).widget()
    assert "pretrained" in button.toolTip()
    user.clicks(button)
    assert field.value == weights
    assert asked[0][-1] == PRETRAINED
    for ending in ("safetensors", "pth", "pt", "ckpt"):
        assert f"*.{ending}" in PRETRAINED


# The run


def test_the_diagnosis_is_shown_and_stop_keeps_the_best(viewer, user, small, weights, monkeypatch):
    viewer.add_image(small, name="cells")
    dock = opened(user, weights, iterations=10_000)
    hook(monkeypatch, lambda _: time.sleep(0.05), FineTune)  # time to look at it
    panel = user.runs(dock)
    user.sees(lambda: "Inconsistent: back-projection reduces" in panel.numbers.text(), seconds=60)
    user.sees(lambda: panel.curves.best is not None, seconds=60)
    user.clicks(panel.stop_button)
    user.sees(lambda: not dock._panels)
    assert dock.message.text().startswith("Inconsistent: back-projection reduces")
    assert "You stopped the run." in dock.message.text()
    assert viewer.layers["cells super-resolved"].metadata[KEY]["frames"][0]["outcome"] == "STOPPED"


def test_cancel_leaves_the_layers_as_they_were(viewer, user, small, weights, monkeypatch):
    viewer.add_image(small, name="cells")
    dock = opened(user, weights, iterations=10_000)
    hook(monkeypatch, lambda _: time.sleep(0.05), FineTune)
    panel = user.runs(dock)
    user.sees(lambda: len(viewer.layers) == 2)
    user.clicks(panel.cancel_button)
    user.sees(lambda: not dock._panels)
    assert [layer.name for layer in viewer.layers] == ["cells"]
    assert not dock.result_panel.isVisible()


# Its layers


def test_the_beginning_and_both_residuals_are_layers(viewer, small, result):
    assert [layer.name for layer in viewer.layers] == NAMES
    source, output, restored, before, after = viewer.layers
    assert viewer.layers.selection.active is restored is result.layer
    assert [layer.visible for layer in viewer.layers] == [True, False, True, False, False]
    again = restore(small, BLURRED, result.run.method, device="cpu")
    assert np.array_equal(output.data, again.network_output)
    assert np.array_equal(restored.data, again.image)
    assert np.allclose(to_world(output), to_world(restored))
    assert (output.colormap.name, output.contrast_limits) == ("magma", restored.contrast_limits)
    for layer, image in ((before, again.network_output), (after, again.image)):
        assert np.array_equal(layer.data, residual(small, image, BLURRED))
        assert np.allclose(to_world(layer), to_world(source))
        assert layer.colormap.name == "gray"
    low, high = before.contrast_limits
    assert low == -high == after.contrast_limits[0]
    assert np.abs(after.data).max() < np.abs(before.data).max() <= 2 * high


def test_colours_keep_their_dtype_and_have_one_residual(viewer, user, small, weights):
    colours = np.stack([small, small[::-1], small.T], -1).clip(0, 255).astype(np.uint8)
    viewer.add_image(colours, name="cells", rgb=True)
    user.finishes(opened(user, weights))
    remark = ", mean of the colours"
    assert [layer.name for layer in viewer.layers] == [*NAMES[:3], *(name + remark for name in NAMES[3:])]
    output, restored, before, after = list(viewer.layers)[1:]
    assert output.rgb
    assert output.data.dtype == restored.data.dtype == np.uint8
    assert before.data.shape == after.data.shape == small.shape


def test_the_panel_stays_with_the_result_of_a_residual(viewer, dock, result):
    for layer in (result.baseline.before, result.baseline.after):
        viewer.layers.selection = {layer}
        assert dock.result_panel._layer is result.layer
        assert dock.result_panel.tuning.isVisible()
    viewer.layers.selection = {viewer.layers["cells"]}
    assert dock.result_panel.tuning.isVisible()


def test_the_output_can_be_had_again(viewer, user, dock, result):
    output = result.baseline.output
    recipe = Recipe.of(output.metadata[KEY])
    assert recipe.method.action == "network"
    layer = user.runs_again(dock, output)
    assert np.array_equal(layer.data, output.data)
    assert layer.name == "cells super-resolved [1]"
    assert not dock.result_panel.tuning.isVisible()
    viewer.layers.selection = {output}
    assert np.array_equal(user.runs_script(dock), output.data)


def test_a_result_without_change_has_no_layers_beside_it(viewer, user, small, weights):
    viewer.add_image(small, name="cells")
    dock = opened(user, weights, action="network")
    user.finishes(dock)
    assert [layer.name for layer in viewer.layers] == ["cells", "cells super-resolved"]
    assert not dock.result_panel.tuning.isVisible()


# What can be done with it


def test_the_slider_restores_again_and_notes_the_share(viewer, user, dock, result, small):
    slider, whole = dock.result_panel.tuning.share, result.layer.data.copy()
    assert slider.value() == 100
    shown = {100: whole}
    for share in (0, 40, 100):
        slider.setValue(share)
        user.sees(lambda share=share: result.share == share / 100)
        shown[share] = result.layer.data.copy()
        ((_, wanted),) = result.readapt.restored(share / 100)
        assert np.array_equal(shown[share], wanted)
        left = residual(small, wanted, BLURRED)
        assert np.array_equal(result.baseline.after.data, left)
        assert result.layer.metadata[KEY]["tuned"] == share / 100
    assert np.array_equal(shown[100], whole)
    assert not np.array_equal(shown[0], shown[40])
    slider.setValue(40)
    user.sees(lambda: result.share == 0.4)
    dock.result_panel.copy_python.trigger()
    assert "# Its network uses 40% of what it learnt. A repeated run uses all of it." in (
        QApplication.clipboard().text()
    )
    viewer.layers.selection = {result.baseline.output}
    viewer.layers.selection = {result.layer}
    assert slider.value() == 40
    viewer.layers.remove(result.baseline.after)
    slider.setValue(20)
    user.sees(lambda: result.share == 0.2)
    dock.result_panel.blend.setValue(0)
    assert not np.array_equal(result.layer.data, shown[0])


def test_the_uncertainty_is_not_that_of_an_image_with_another_share(viewer, user, image):
    viewer.add_image(image, name="cells")
    dock = opened(user, FineTune().weights, Denoise(GaussianNoise(10.0)), action="fine-tuning")
    dock.method.uncertainty.set(True)
    result = user.finishes(dock)
    assert result.layer.metadata[KEY]["uncertainty"] is True
    dock.result_panel.tuning.share.setValue(50)
    user.sees(lambda: result.share == 0.5)
    assert result.layer.metadata[KEY]["uncertainty"] is False
    assert not Recipe.of(result.layer.metadata[KEY]).uncertainty


def test_it_slides_all_frames_of_a_series(viewer, user, small, weights):
    viewer.add_image(np.stack([small, small.T]), name="cells", axis_labels=("t", "y", "x"))
    dock = opened(user, weights, SuperResolve(psf=GaussianPSF(1.0), along="lateral"))
    result = user.finishes(dock)
    whole = result.layer.data.copy()
    dock.result_panel.tuning.share.setValue(0)
    user.sees(lambda: result.share == 0)
    assert all(not np.array_equal(*pair) for pair in zip(result.layer.data, whole, strict=True))
    dock.result_panel.tuning.share.setValue(100)
    user.sees(lambda: result.share == 1)
    assert np.array_equal(result.layer.data, whole)


def test_the_network_is_kept_in_a_file_that_can_be_chosen(viewer, user, dock, result, tmp_path, monkeypatch):
    path = tmp_path / "tuned.safetensors"
    asked = []

    def where(*arguments):
        asked.append(arguments[1:])
        return path

    monkeypatch.setattr("napari_dip.plugin.results.tuning_panel.ask_where", where)
    user.clicks(dock.result_panel.tuning.save_button)
    assert asked == [("cells tuned.safetensors", TUNED)]
    assert dock.message.text() == f"Saved. To use the network, choose {path} as “Weights” of the method."
    (state,) = result.restoration.states.values()
    for name, value in load(path).network.state_dict().items():
        assert torch.equal(value, state[name])
    dock.method.form.fields["weights"].set(str(path))
    dock._changed()
    user.sees(dock.run_button.isEnabled)
    assert "(tuned.safetensors)" in dock.status.text()


def test_a_network_that_can_not_be_kept_is_said(user, dock, result, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "napari_dip.plugin.results.tuning_panel.ask_where", lambda *_: tmp_path / "no" / "a.safetensors"
    )
    user.clicks(dock.result_panel.tuning.save_button)
    assert "Can't write" in dock.message.text()
    before = dock.message.text()
    monkeypatch.setattr("napari_dip.plugin.results.tuning_panel.ask_where", lambda *_: None)
    user.clicks(dock.result_panel.tuning.save_button)
    assert dock.message.text() == before


def test_weights_that_were_not_kept_can_not_be_changed_or_saved(user, dock, monkeypatch):
    def full(weights):
        raise FileError("the disk is full")

    monkeypatch.setattr("napari_dip.finetuning.run.AdaptedWeights", full)
    assert user.finishes(dock).restoration.frames[0].iterations
    assert "The adapted weights were not kept: the disk is full." in dock.message.text()
    assert not dock.result_panel.tuning.isVisible()


def test_the_user_is_asked_before_a_file_is_overwritten(viewer, monkeypatch):
    seen = []

    def execute(dialog):
        seen.append(dialog)
        dialog.selectFile("other")
        return True

    monkeypatch.setattr(QFileDialog, "exec", execute)
    path = ask_where(viewer.window._qt_window, "a.safetensors", TUNED)
    (dialog,) = seen
    assert path.name == "other.safetensors"
    assert not dialog.testOption(QFileDialog.Option.DontConfirmOverwrite)
    monkeypatch.setattr(QFileDialog, "exec", lambda dialog: False)
    assert ask_where(viewer.window._qt_window, "a.safetensors", TUNED) is None


def test_what_agrees_with_the_data_can_be_tuned_anyway(viewer, user, small, weights):
    viewer.add_image(small, name="cells")
    dock = opened(user, weights, SuperResolve(downsampling="area"))
    result = user.finishes(dock)
    assert dock.message.text().startswith("Consistent: nothing to correct")
    panel = dock.result_panel.tuning
    assert not panel.share.isVisible()
    assert not panel.save_button.isVisible()
    user.clicks(panel.anyway)
    user.sees(lambda: not dock._panels)
    layer = viewer.layers["cells super-resolved, fine-tuned"]
    assert layer.metadata[KEY]["method"]["action"] == "fine-tuning"
    assert layer is not result.layer
    assert not panel.anyway.isVisible()


# Elsewhere


def test_it_can_be_repeated_elsewhere(viewer, user, dock, result, tmp_path):
    viewer.layers["cells"].rotate = 0
    restored = result.layer.data.copy()
    assert np.array_equal(user.runs_script(dock), restored)
    assert np.array_equal(user.runs_command(dock, tmp_path), restored)
    assert np.array_equal(restored, result.layer.data)


def test_a_network_of_no_file_is_said_to_be_given(viewer, user, dock, small):
    method = FineTune.of(Compact(1, 2, 4, 1), factor=2, action="network")
    made = restore(small, SuperResolve(), method)
    source = {"layer": "cells", "path": None, "missing": None}
    layer = viewer.add_image(made.image, name="made", metadata={KEY: {**made.provenance, "source": source}})
    viewer.layers.selection = {layer}
    for copy in (dock.result_panel.copy_python, dock.result_panel.copy_command):
        copy.trigger()
        assert QApplication.clipboard().text().count("# Its network, the module Compact, is in no file") == 1


def test_nothing_keeps_a_closed_dock(viewer, user, small, weights):
    viewer.add_image(small, name="cells")
    docks = []
    for _ in range(2):
        dock = opened(user, weights)
        user.finishes(dock)
        dock.result_panel.tuning.share.setValue(30)
        docks.append(weakref.ref(dock))
        viewer.window.remove_dock_widget(dock)
        del dock
        user.rests()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    gc.collect()
    assert [ref() for ref in docks if ref() is not None] == []
    user.sees(lambda: len(user.queue) == 0)
