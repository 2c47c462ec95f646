"""A real viewer, and a dock that is driven by clicks."""

import time

import numpy as np
import pytest

pytest.importorskip("napari")
pytest.importorskip("pytestqt")

from napari.settings import _clear_plugin_settings_cache
from qtpy.QtCore import QSettings, Qt
from qtpy.QtWidgets import QApplication

from napari_dip.plugin.runs.runner import QUEUE


@pytest.fixture(autouse=True)
def own_settings(tmp_path, monkeypatch):
    """Nothing is read from, or written to, what the user has set."""
    monkeypatch.setattr("napari.settings._CFG_PATH", str(tmp_path / "settings.yaml"))
    _clear_plugin_settings_cache()
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(tmp_path))
    yield
    _clear_plugin_settings_cache()
    assert len(QUEUE) == 0, "a run is left over"


@pytest.fixture
def viewer(make_napari_viewer):
    viewer = make_napari_viewer(show=True)
    viewer.window._qt_window.resize(1200, 900)
    return viewer


@pytest.fixture
def image(phantom, random):
    return (phantom + random.normal(0, 10, phantom.shape)).astype(np.float32)


class User:
    """Somebody who sits before the viewer."""

    def __init__(self, viewer, qtbot):
        self.viewer, self.qtbot = viewer, qtbot

    def menu(self, *titles):
        """Return the action that lies under titles in the menu bar."""
        menu = self.viewer.window._qt_window.menuBar()
        for title in titles:
            action = next(one for one in menu.actions() if title in one.text().replace("&", ""))
            menu = action.menu()
            if menu is not None:
                menu.aboutToShow.emit()
        return action

    def opens(self, name="Denoise"):
        """Open a dock by the menu, and return it, small enough for a test."""
        self.menu("Layers", "Filter", "Restore", name).trigger()
        dock = self.viewer.window.dock_widgets[f"{name} (napari-dip)"]
        self.sets(dock, ensemble_size=1, iterations=40)
        return dock

    def sets(self, dock, **values):
        for name, value in values.items():
            dock.method.form.fields[name].editor.value = value

    def sees(self, claim, seconds=20):
        self.qtbot.waitUntil(claim, timeout=int(1000 * seconds))

    def clicks(self, button):
        self.sees(button.isVisible, seconds=2)
        assert button.isEnabled(), f"{button.text()} can't be clicked"
        self.qtbot.mouseClick(button, Qt.MouseButton.LeftButton)

    def runs(self, dock):
        """Press Run as soon as it can be pressed; return the panel of the run."""
        self.sees(dock.run_button.isEnabled)
        self.clicks(dock.run_button)
        return dock._panels[-1] if dock._panels else None

    def restores(self, dock):
        """Run to the end, and return the result layer."""
        before = set(self.viewer.layers)
        self.runs(dock)
        self.sees(lambda: not dock._panels)
        (made,) = set(self.viewer.layers) - before
        return made

    def waits(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            QApplication.processEvents()
            time.sleep(0.005)


@pytest.fixture
def sit_before(qtbot):
    """Return a user of any viewer."""
    return lambda viewer: User(viewer, qtbot)


@pytest.fixture
def user(viewer, sit_before):
    return sit_before(viewer)
