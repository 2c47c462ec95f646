"""The dock reads narrow images as arrays in Python are read, and asks what the shape does not tell."""

import numpy as np
import pytest
import tifffile
from napari.layers import Image

from napari_dip.image.axes import Axes
from napari_dip.plugin.docks.training_dock import _planes
from napari_dip.plugin.forms.axes_form import AxesForm
from napari_dip.plugin.writer import write

from ..conftest import SHORT


@pytest.mark.parametrize(
    ("shape", "words"),
    [((24, 24, 1), "2-D image of 24 x 24, 1 channel"), ((40, 1), "2-D image of 40 x 1")],
)
def test_a_narrow_layer_is_restored(viewer, user, random, shape, words):
    viewer.add_image(random.normal(100, 10, shape).astype(np.float32), name="line")
    dock = user.opens("Denoise", SHORT)
    assert dock.source.axes.description.text() == words
    layer = user.restores(dock)
    assert layer.data.shape == shape
    assert np.isfinite(layer.data).all()
    assert np.array_equal(user.runs_script(dock), layer.data)


def answers(dock, at):
    """Choose one of the answers to what the last axis is."""
    dock.source.axes.answer.setCurrentIndex(at)
    dock.source.axes.answer.activated.emit(at)


@pytest.mark.parametrize(
    ("at", "letters", "words"),
    [(1, "YXC", "12 x 12, 2 channels fitted together"), (2, "TYX", "12 x 2, 12 frames")],
)
def test_a_short_last_axis_is_asked_for_before_the_run(viewer, user, random, at, letters, words):
    viewer.add_image(random.normal(100, 10, (12, 12, 2)).astype(np.float32), name="pairs")
    dock = user.opens()
    user.sets(dock, iterations=2)
    user.sees(lambda: "(12, 12, 2) may hold channels or be part of the image" in dock.source.axes.reason)
    assert not dock.run_button.isEnabled()
    answers(dock, 0)  # the heading of the list is no answer
    assert "choose what it is" in dock.source.axes.reason
    answers(dock, at)
    assert words in dock.source.axes.description.text()
    assert not dock.source.axes.answer.isVisible()
    layer = user.restores(dock)
    assert layer.metadata["napari-dip"]["axes"] == letters
    assert np.array_equal(user.runs_script(dock), layer.data)
    assert user.runs_again(dock, layer).metadata["napari-dip"]["axes"] == letters


def test_labels_and_given_axes_answer_the_question(qtbot, random):
    form = AxesForm()
    qtbot.addWidget(form)
    pixels = random.random((24, 24, 2))
    form.set_layer(Image(pixels, axis_labels=("y", "x", "c")))
    assert form.assigned().letters == "YXC"
    form.set_layer(Image(pixels))
    with pytest.raises(ValueError, match="choose what it is"):
        form.assigned()
    form.set_layer(Image(pixels), Axes("TYX"))
    assert form.assigned().letters == "TYX"
    form.set_layer(Image(random.random((24, 24))))
    assert form.assigned().letters == "YX"


def test_images_to_learn_from_need_labels_if_the_last_axis_is_short(random):
    pixels = random.random((24, 20, 2))
    with pytest.raises(ValueError, match=r'may hold channels .*axis_labels = .*"c"'):
        _planes(Image(pixels))
    labelled = _planes(Image(pixels, axis_labels=("y", "x", "c")))
    assert [plane.shape for plane in labelled] == [(24, 20)] * 2
    assert [plane.shape for plane in _planes(Image(pixels[..., :1]))] == [(24, 20)]


@pytest.mark.parametrize("shape", [(24, 20, 1), (24, 20, 2), (24, 1)])
def test_a_narrow_layer_is_saved_with_its_pixels(random, shape, tmp_path):
    pixels = random.random(shape).astype(np.float32)
    data, attributes, _ = Image(pixels).as_layer_data_tuple()
    (path,) = write(str(tmp_path / "narrow.ome.tif"), data, attributes)
    assert np.array_equal(tifffile.imread(path).squeeze(), pixels.squeeze())
