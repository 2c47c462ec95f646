"""Nothing is left behind."""

import gc
import threading
import weakref

import psutil
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QApplication

from napari_dip.plugin.docks.dock import Dock
from napari_dip.plugin.runs.runner import QUEUE

_CYCLES, _WARM = 50, 10
_THREADS = 2  # Qt's pool and OpenMP may still be about to end some
_MIB = 40  # over forty cycles; a single image of a run that stayed would be seen as widgets and docks


def census():
    gc.collect()
    QApplication.processEvents()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    gc.collect()
    process = psutil.Process()
    return len(QApplication.allWidgets()), process.num_threads(), process.memory_info().rss / 2**20


def test_fifty_cycles_of_open_run_and_close_leave_nothing(viewer, user, image, monkeypatch):
    monkeypatch.setattr("napari_dip.plugin.runs.check._PATIENCE", 0)
    viewer.add_image(image[:32, :32], name="cells")
    docks = []
    for cycle in range(_CYCLES):
        dock = user.opens()
        docks.append(weakref.ref(dock))
        user.sets(dock, iterations=100_000, patience=100_000)
        user.runs(dock)
        user.sees(lambda: len(viewer.layers) == 2)
        viewer.window.remove_dock_widget(dock)
        del dock
        user.sees(lambda: len(QUEUE) == 0, seconds=2)
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
