"""Nothing is left behind."""

import gc
import threading
import weakref

import numpy as np
import psutil
import pytest
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QApplication

from napari_dip.plugin.docks.dock import Dock
from napari_dip.plugin.forms.layer_choice import LayerChoice

_CYCLES, _WARM = 14, 4
_THREADS = 2  # Qt's pool and OpenMP may still be about to end some
_MIB = 12  # over the cycles that are counted


@pytest.fixture
def viewer(make_napari_viewer, monkeypatch):
    """A viewer of the test's own, which napari's fixture closes and looks for afterwards."""
    monkeypatch.setattr("napari_dip.plugin.runs.check._PATIENCE", 0)
    return make_napari_viewer(show=True)


def census():
    gc.collect()
    QApplication.processEvents()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    gc.collect()
    process = psutil.Process()
    return len(QApplication.allWidgets()), process.num_threads(), process.memory_info().rss / 2**20


def test_cycles_of_open_run_and_close_leave_nothing(viewer, user, image):
    viewer.add_image(image[:32, :32], name="cells")
    docks = []
    for cycle in range(_CYCLES):
        dock = user.opens()
        docks.append(weakref.ref(dock))
        user.runs_endlessly(dock)
        viewer.window.remove_dock_widget(dock)
        del dock
        user.sees(lambda: len(user.queue) == 0)
        assert [layer.name for layer in viewer.layers] == ["cells"]
        if cycle == _WARM:
            before, threads = census(), set(threading.enumerate())
    after = census()
    assert after[0] <= before[0]
    assert after[1] <= before[1] + _THREADS
    assert after[2] <= before[2] + _MIB
    assert [ref() for ref in docks if ref() is not None] == []
    assert set(threading.enumerate()) <= threads


def test_a_dock_that_is_hidden_goes_on(viewer, user, image):
    viewer.add_image(image, name="cells")
    dock = user.opens()
    user.sets(dock, iterations=60)
    user.runs(dock)
    dock.parent().hide()
    user.sees(lambda: not dock._panels)
    assert "cells denoised" in viewer.layers
    assert isinstance(dock, Dock)


def test_closing_the_viewer_ends_its_run(viewer, user, image):
    viewer.add_image(image, name="cells")
    user.runs_endlessly(user.opens())
    threads = threading.active_count()
    viewer.close()
    user.sees(lambda: len(user.queue) == 0)
    assert threading.active_count() <= threads


@pytest.mark.parametrize("name", ["Denoise", "Train a kernel network"])
def test_a_closed_dock_is_released_once(viewer, user, name, monkeypatch):
    """When Python collects it as garbage, what the dock would call may have been cleared already."""
    viewer.add_image(np.zeros((32, 32)))
    dock = user.opens(name, method=None)
    released, release = [], LayerChoice.release
    monkeypatch.setattr(LayerChoice, "release", lambda choice: (released.append(1), release(choice)))
    viewer.window.remove_dock_widget(dock)
    count = len(released)
    assert count
    with user.qtbot.waitSignal(dock.destroyed):
        dock.deleteLater()
    assert len(released) == count
