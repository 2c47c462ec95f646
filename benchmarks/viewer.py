"""How the viewer feels during a run, and whether anything is left behind afterwards.

Run it with a display, or under ``xvfb-run -s "-screen 0 1600x1000x24"``; it writes ``viewer.json`` beside
itself. A picture of 512 x 512 pixels is denoised in a dock, by a click. Meanwhile a timer of 5 ms says by
how much the event loop is late; drawing is included. Then docks, and then viewers, are opened and closed
again and again during a run.
"""

import argparse
import gc
import json
import os
import platform
import threading
import time
from pathlib import Path

import napari
import numpy as np
import psutil
import torch
from qtpy.QtCore import QEvent, QEventLoop, QTimer
from qtpy.QtWidgets import QApplication, QWidget
from skimage.data import camera

from napari_dip.plugin.runs.runner import queue_of

_BEAT = 0.005  # seconds


def wait(seconds, until=lambda: False):
    """Let the viewer live for some seconds, or until something holds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not until():
        QApplication.processEvents()
        time.sleep(0.001)


def opened(image, **settings):
    """Return a viewer with an image, and its dock."""
    viewer = napari.Viewer(show=True, show_welcome_screen=False)
    viewer.add_image(image, name="image")
    return viewer, docked(viewer, **settings)


def docked(viewer, **settings):
    """Return the dock of a viewer, ready to run."""
    _, dock = viewer.window.add_plugin_dock_widget("napari-dip", "Denoise")
    dock.choose_image(viewer.layers["image"])
    for name, value in settings.items():
        dock.method.form.fields[name].editor.value = value
    wait(60, dock.run_button.isEnabled)
    return dock


def lateness(seconds):
    """Return by how many milliseconds each beat of the event loop was late."""
    late, due = [], [time.perf_counter() + _BEAT]

    def beat():
        now = time.perf_counter()
        late.append(1000 * max(0.0, now - due[0]))
        due[0] = time.perf_counter() + _BEAT

    timer = QTimer()
    timer.timeout.connect(beat)
    timer.start(int(1000 * _BEAT))
    loop = QEventLoop()
    QTimer.singleShot(int(1000 * seconds), loop.quit)
    loop.exec()
    timer.stop()
    return late


def words(late):
    """Return the percentiles of what `lateness` gave."""
    return {
        "beats": len(late),
        **{f"p{p}_ms": round(float(np.percentile(late, p)), 2) for p in (50, 95, 99)},
        "longest_ms": round(max(late), 1),
    }


def responsiveness(seconds):
    """Return how late the event loop is, idle and during a run, and how fast a run ends."""
    viewer, dock = opened(camera().astype(np.float32), iterations=100_000, patience=100_000)
    idle = words(lateness(seconds / 4))
    dock.run_button.click()
    panel = dock._panels[-1]
    wait(60, lambda: panel.bar.value() > 10)
    before, began = panel.bar.value(), time.monotonic()
    running = words(lateness(seconds))
    updates = (panel.bar.value() - before) / (time.monotonic() - began)
    queue, began = queue_of(viewer), time.monotonic()
    viewer.close()
    wait(10, lambda: len(queue) == 0)
    return {
        "idle": idle,
        "running": running,
        "updates_per_second": round(updates, 1),
        "seconds_from_close_to_end": round(time.monotonic() - began, 2),
    }


def census():
    """Count what could be left behind."""
    gc.collect()
    wait(0.2)
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)  # else only a running event loop does
    return {
        "viewers": len(napari._qt.qt_viewer.QtViewer._instances),
        "widgets": len(QApplication.allWidgets()),
        "windows": len([w for w in QApplication.topLevelWidgets() if type(w).__name__ == "_QtMainWindow"]),
        "threads": threading.active_count(),
        "system_threads": psutil.Process().num_threads(),
        "MiB": round(psutil.Process().memory_info().rss / 2**20),
    }


def cycles(image, count, *, whole):
    """Open, run and close `count` times; return the census after every tenth."""
    rows = []
    viewer = None if whole else napari.Viewer(show=True, show_welcome_screen=False)
    if viewer is not None:
        viewer.add_image(image, name="image")
    for cycle in range(count):
        if whole:
            viewer, dock = opened(image)
        else:
            dock = docked(viewer)
        dock.run_button.click()
        queue = queue_of(viewer)
        wait(20, lambda: len(viewer.layers) == 2)  # noqa: B023  is called at once
        if whole:
            viewer.close()
            viewer = None
        else:
            viewer.window.remove_dock_widget(dock)
        dock = None
        wait(10, lambda: len(queue) == 0)  # noqa: B023  is called at once
        if cycle % 10 == 9:
            rows.append({"cycle": cycle + 1, **census()})
            print(rows[-1], flush=True)
    if viewer is not None:
        viewer.close()
    return rows


def main():
    """Measure all, and write it down."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=60, help="of the measured run")
    parser.add_argument("--cycles", type=int, default=50)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".json"))
    arguments = parser.parse_args()
    image = camera()[::4, ::4].astype(np.float32)
    app = QApplication.instance() or napari.qt.get_qapp()
    app.setQuitOnLastWindowClosed(False)
    keeper = QWidget()  # so that closing a viewer is not the end of the application
    found = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}",
        "napari": napari.__version__,
        "torch": torch.__version__,
        "pixels": 512 * 512,
        **responsiveness(arguments.seconds),
    }
    print(json.dumps(found, indent=2), flush=True)
    found["docks"] = cycles(image, arguments.cycles, whole=False)
    found["viewers"] = cycles(image, arguments.cycles, whole=True)
    arguments.output.write_text(json.dumps(found, indent=2) + "\n")
    keeper.deleteLater()


if __name__ == "__main__":
    main()
