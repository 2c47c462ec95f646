"""A real viewer, and a dock that is driven by clicks."""

import gc
import shlex
import time
from dataclasses import replace

import numpy as np
import pytest
import tifffile

pytest.importorskip("napari")
pytest.importorskip("pytestqt")

from napari import Viewer
from napari._app_model._app import NapariApplication
from napari._qt._qapp_model.qactions import init_qactions
from napari._qt.qt_viewer import QtViewer
from napari.plugins import _initialize_plugins
from napari.settings import _clear_plugin_settings_cache, get_settings
from qtpy.QtCore import QEvent, QSettings, Qt, QThreadPool
from qtpy.QtWidgets import QApplication, QMessageBox, QWidget

from napari_dip import DIP, Hourglass
from napari_dip.cli import main as cli
from napari_dip.methods import PKN
from napari_dip.plugin.runs.runner import queue_of

#: Runs in a moment. For all that does not depend on the quality of the result.
SMALL = DIP(
    iterations=40,
    time_limit=600,
    initial_estimate=False,
    postfilter=False,
    recover_sources=False,
    input_channels=2,
    network=Hourglass(widths=(4, 4), skips=(2, 2)),
    precision="float32",
)
#: Runs quickly, with settings that the command line has flags for.
SHORT = replace(SMALL, iterations=10, initial_estimate=True, postfilter=True, network=Hourglass())


@pytest.fixture(scope="session", autouse=True)
def no_settings_file():
    """Keep napari from reading the settings of the user, and from writing to them."""
    get_settings(None)


@pytest.fixture(autouse=True)
def own_settings(tmp_path, monkeypatch):
    """Give each test settings of its own."""
    monkeypatch.setattr("napari.settings._CFG_PATH", str(tmp_path / "settings.yaml"))
    _clear_plugin_settings_cache()
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(tmp_path))
    yield
    _clear_plugin_settings_cache()


@pytest.fixture(autouse=True)
def says_yes(monkeypatch):
    """Answer every question with yes: on a busy machine, a run may take long enough to be asked about."""
    monkeypatch.setattr(QMessageBox, "question", lambda *_: QMessageBox.StandardButton.Yes)


@pytest.fixture(scope="module")
def window_of_module(qapp, request):
    """One viewer for all tests of a module: opening and closing a window takes longer than most of them.

    Like napari's `make_napari_viewer`, which makes one for each test, it has an app model of its own, and it
    has to be gone in the end.
    """
    get_settings().reset()
    gc.collect()
    gc.freeze()  # napari collects garbage with each layer that goes: what is imported need not be looked at
    app = NapariApplication("napari-dip's tests")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(NapariApplication, "get_app_model", lambda: app)
        patch.setattr("napari._qt.threads.status_checker.StatusChecker.start", lambda _: None)
        patch.setattr("napari._qt.qt_viewer.QtViewer._get_console", _console)
        _forget_actions()
        failed = request.session.testsfailed
        viewer = Viewer(show=True, show_welcome_screen=False)
        viewer.window._qt_window.resize(1200, 900)
        yield viewer
        patch.setattr(viewer.window._qt_window, "_save_current_window_settings", lambda: None)
        viewer.close()
        del viewer
        NapariApplication.destroy(app.name)
        _forget_actions()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    gc.collect()
    left = len(QtViewer._instances)
    QtViewer._instances.clear()  # the traceback of a failed test may keep it
    assert not left or request.session.testsfailed > failed, "something keeps the closed viewer"


def _console(*_):
    console = QWidget()
    console._update_theme = lambda *_: None
    return console


def _forget_actions():
    """Have napari register its actions anew, with the app model that is there then."""
    _initialize_plugins.cache_clear()
    init_qactions.cache_clear()


@pytest.fixture
def viewer(window_of_module, qtbot, monkeypatch):
    """The module's viewer, without layers and docks."""
    monkeypatch.setattr("napari_dip.plugin.runs.check._PATIENCE", 20)  # nobody types here
    yield window_of_module
    empty(window_of_module, qtbot)


def empty(viewer, qtbot):
    """Bring a viewer back to its beginning; fail if a dock leaves a run or a thread behind."""
    viewer.window.remove_dock_widget("all")
    qtbot.waitUntil(lambda: len(queue_of(viewer)) == 0 and idle(), timeout=20_000)
    viewer.layers.clear()
    viewer.dims.ndisplay = 2
    viewer.canvas.grid.enabled = False
    viewer.cursor.position = (1.0, 1.0)
    get_settings().reset()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    QApplication.processEvents()


def idle():
    """Return whether no thread of Qt's pool is at work; those of runs are not counted."""
    return QThreadPool.globalInstance().activeThreadCount() == 0


def hook(monkeypatch, call, method=DIP):
    """Have a function called with each iterate of a method, in the thread of the run."""
    solve = method.solve

    def hooked(self, *arguments, **options):
        run = solve(self, *arguments, **options)
        try:
            while True:
                iterate = next(run)
                call(iterate)
                yield iterate
        except StopIteration as end:
            return end.value
        finally:
            run.close()

    monkeypatch.setattr(method, "solve", hooked)


@pytest.fixture
def image(phantom, random):
    return (phantom + random.normal(0, 10, phantom.shape)).astype(np.float32)


class User:
    """Somebody who sits before the viewer."""

    def __init__(self, viewer, qtbot):
        self.viewer, self.qtbot, self.queue = viewer, qtbot, queue_of(viewer)

    def menu(self, *titles):
        """Return the action that lies under titles in the menu bar."""
        menu = self.viewer.window._qt_window.menuBar()
        for title in titles:
            action = next(one for one in menu.actions() if title in one.text().replace("&", ""))
            menu = action.menu()
            if menu is not None:
                menu.aboutToShow.emit()
        return action

    def opens(self, name="Denoise", method=SMALL, *, title=None):
        """Open a dock by the menu, choose a method with its settings, and return the dock.

        Parameters
        ----------
        name : str
            What the dock is called.
        method : Method, optional
            By default the dock keeps its own.
        title : str, optional
            Of the menu item, where it is another one.
        """
        self.menu("Layers", "Filter", "Restore", title or name).trigger()
        dock = self.viewer.window.dock_widgets[f"{name} (napari-dip)"]
        if method is not None:
            dock.method.show_method(method, "cpu", 0)
        return dock

    def opens_filter(self, **settings):
        """Open a dock with a filter that needs no weights."""
        return self.opens("Denoise", PKN(predictor="structure-tensor", **settings))

    def sets(self, dock, **values):
        for name, value in values.items():
            dock.method.form.fields[name].editor.value = value

    def sees(self, claim, seconds=60):
        self.qtbot.waitUntil(claim, timeout=int(1000 * seconds))

    def clicks(self, button):
        self.sees(lambda: not button.visibleRegion().isEmpty())
        assert button.isEnabled(), f"{button.text()} can't be clicked"
        self.qtbot.mouseClick(button, Qt.MouseButton.LeftButton)

    def runs(self, dock):
        """Press Run as soon as it can be pressed; return the panel of the run."""
        self.sees(dock.run_button.isEnabled)
        self.clicks(dock.run_button)
        return dock._panels[-1] if dock._panels else None

    def runs_endlessly(self, dock):
        """Press Run for a run that only the user will end; return its panel once its layer is there."""
        self.sets(dock, iterations=100_000, patience=100_000)
        before = len(self.viewer.layers)
        panel = self.runs(dock)
        self.sees(lambda: len(self.viewer.layers) == before + 1)
        return panel

    def finishes(self, dock):
        """Run to the end, and return the result."""
        self.runs(dock)
        self.sees(lambda: not dock._panels)
        return dock.result_panel._results[-1]

    def restores(self, dock):
        """Run to the end, and return the result layer."""
        before = set(self.viewer.layers)
        self.runs(dock)
        self.sees(lambda: not dock._panels)
        (made,) = set(self.viewer.layers) - before
        return made

    def runs_again(self, dock, layer):
        """Press "Run again" on a layer; return the new one."""
        count = len(self.viewer.layers)
        self.viewer.layers.selection.active = layer
        self.clicks(dock.result_panel.repeat)
        self.sees(lambda: len(self.viewer.layers) == count + 1 and not dock._panels)
        return self.viewer.layers[-1]

    def runs_script(self, dock):
        """Run what "Copy as Python" gives; return its result."""
        dock.result_panel.copy_python.trigger()
        names = {"viewer": self.viewer}
        exec(QApplication.clipboard().text(), names)
        return np.asarray(names["restored"])

    def runs_command(self, dock, folder):
        """Run what "Copy as command line" gives, in a folder with the layers; return its result."""
        dock.result_panel.copy_command.trigger()
        assert dock.message.text().startswith("Copied."), dock.message.text()
        *notes, command = QApplication.clipboard().text().splitlines()
        assert all(note.startswith("#") for note in notes)
        program, *words = shlex.split(command)
        assert program == "napari-dip"
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            for layer in self.viewer.layers:
                if layer._type_string != "image" or not layer.metadata:
                    tifffile.imwrite(f"{layer.name}.tif", np.asarray(layer.data))
            cli.main([*words, "--quiet"])
            return tifffile.imread(words[2])

    def rests(self):
        """Wait until nothing is computed, and nothing is about to be."""
        self.waits(0.1)  # timers: what is asked has to come to rest first
        self.sees(idle)
        self.waits(0.05)

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
