"""Training a network in the viewer."""

import numpy as np
import pytest
import torch

from napari_dip import Denoise, GaussianNoise
from napari_dip.methods import PKN
from napari_dip.pkn.kernels.registry import kernel_of
from napari_dip.pkn.settings import Training
from napari_dip.pkn.weights_file import load
from napari_dip.plugin.forms.method_form import MethodForm
from napari_dip.plugin.preferences import Preferences


@pytest.fixture
def clean(random):
    image = np.kron(random.uniform(0, 200, (20, 12)), np.ones((8, 8)))
    return image.astype(np.float32)


def opened(user, viewer, iterations=20):
    dock = user.opens("Train a kernel network", method=None)
    dock.form.set(Training("isotropic", iterations=iterations))
    return dock


def learns_from(dock, origin):
    dock.origin.set(origin)
    dock.origin.changed.emit()


@pytest.fixture
def quick(monkeypatch):
    """Fit the single setting in a few updates."""
    monkeypatch.setattr("napari_dip.pkn.trainer._SETTING_ITERATIONS", 5)


def test_clean_images_give_a_network_that_can_be_saved(viewer, user, clean, quick, tmp_path, monkeypatch):
    layer = viewer.add_image(clean, name="bricks")
    dock = opened(user, viewer)
    learns_from(dock, "clean images")
    assert dock.clean.chosen == [layer]
    user.clicks(dock.run_button)
    assert not dock.run_button.isEnabled()
    (panel,) = dock._panels
    user.sees(lambda: not dock._panels, seconds=60)
    assert "Trained for 20 iterations" in dock.message.text()
    assert panel.curves._network
    path = tmp_path / "own.safetensors"
    monkeypatch.setattr("napari_dip.plugin.docks.training_dock.ask_where", lambda *_: path)
    user.clicks(dock.save_button)
    assert str(path) in dock.message.text()
    trained = load(path, kernel_of("isotropic"))
    assert trained.metadata["iterations"] == 20
    assert trained.metadata["images"].startswith("1 clean image")
    assert dock.run_button.isEnabled()


def test_a_noisy_image_is_learnt_from_with_its_noise(viewer, user, clean, random, quick, monkeypatch):
    seen = []
    monkeypatch.setattr("napari_dip.pkn.train.bundled", lambda kernel: seen.append(kernel) or START)
    viewer.add_image(clean + random.normal(0, 10, clean.shape), name="bricks")
    dock = opened(user, viewer, 3)
    learns_from(dock, "a noisy image itself")
    dock.noise.fields["noise"].set(GaussianNoise(10.0))
    user.clicks(dock.run_button)
    user.sees(lambda: not dock._panels, seconds=60)
    assert "Trained for 3 iterations" in dock.message.text()
    assert dock._trained.metadata["images"].startswith("the noisy image itself")


class START:
    """A network that has been trained before, as far as its shape goes."""

    from napari_dip.pkn.network import ParameterNetwork

    network = ParameterNetwork(kernel_of("isotropic"))
    network.initialise(torch.Generator().manual_seed(0))


def test_stop_keeps_and_cancel_does_not(viewer, user, clean, quick):
    viewer.add_image(clean, name="bricks")
    dock = opened(user, viewer, 1_000_000)
    learns_from(dock, "clean images")
    for button, words in (("cancel_button", "Cancelled."), ("stop_button", "Trained for")):
        user.clicks(dock.run_button)
        (panel,) = dock._panels
        user.sees(lambda panel=panel: "Iteration" in panel.numbers.text(), seconds=60)
        user.clicks(getattr(panel, button))
        user.sees(lambda: not dock._panels, seconds=60)
        assert dock.message.text().startswith(words)
        assert dock.save_button.isVisible() == (button == "stop_button")


def test_what_is_wrong_is_said(viewer, user, clean):
    viewer.add_image(clean[:40], name="small")
    dock = opened(user, viewer)
    viewer.layers.selection.clear()
    learns_from(dock, "clean images")
    dock.clean.item(0).setCheckState(dock.clean.item(0).checkState().Unchecked)
    assert dock.status.text() == "Choose clean images."
    assert not dock.run_button.isEnabled()
    dock.choose_image(viewer.layers["small"])
    user.clicks(dock.run_button)
    user.sees(lambda: not dock._panels)
    assert "at least 160 rows" in dock.message.text()


def test_closing_the_dock_ends_the_training(viewer, user, clean, quick):
    viewer.add_image(clean, name="bricks")
    dock = opened(user, viewer, 1_000_000)
    learns_from(dock, "clean images")
    user.clicks(dock.run_button)
    viewer.window.remove_dock_widget(dock)
    user.sees(lambda: len(user.queue) == 0)
    viewer.add_image(clean)


def test_a_file_of_weights_can_be_chosen(qtbot, monkeypatch, tmp_path):
    form = MethodForm(Preferences.now())
    qtbot.addWidget(form)
    form.offer(Denoise)
    form.show_method(PKN(), "cpu", 0)
    path = str(tmp_path / "own.safetensors")
    monkeypatch.setattr(
        "napari_dip.plugin.forms.file_dialogs.QFileDialog.getOpenFileName", lambda *_: (path, "")
    )
    field = form.form.fields["weights"]
    field.row.itemAt(field.row.count() - 1).widget().click()
    assert form.value.weights == path
