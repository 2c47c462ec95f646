"""Make the screenshots of the documentation: real runs in a real viewer, on the sample data.

Run it with a display, or under ``xvfb-run -s "-screen 0 1600x1000x24"``; it takes about five minutes.
"""

import io
import tempfile
import time
from pathlib import Path

import napari
from napari.settings import get_settings
from PIL import Image
from qtpy.QtCore import QSettings
from qtpy.QtWidgets import QApplication

from napari_dip import GaussianNoise, GaussianPSF, PoissonGaussianNoise, SuperResolve

FOLDER = Path(__file__).parent / "images"
SIZE = 1400, 880
SECONDS = 75  # time limit of a run


def wait(seconds, until=lambda: False):
    """Process events for some seconds, or until a condition holds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not until():
        QApplication.processEvents()
        time.sleep(0.005)


def keep(viewer, name):
    """Save a screenshot of the window in 256 colours, which are enough for a grey image and a dark window."""
    wait(1)
    shot = Image.fromarray(viewer.screenshot(canvas_only=False, flash=False)).convert("RGB")
    data = io.BytesIO()
    shot.quantize(256, dither=Image.Dither.NONE).save(data, "PNG", optimize=True)
    (FOLDER / f"{name}.png").write_bytes(data.getvalue())


def opened(sample, dock):
    """Open a viewer with sample data and a dock, and return both."""
    viewer = napari.Viewer(show=True, show_welcome_screen=False)
    viewer.window._qt_window.resize(*SIZE)
    layers = viewer.open_sample("napari-dip", sample)
    _, widget = viewer.window.add_plugin_dock_widget("napari-dip", dock)
    for layer in layers:
        widget.choose_image(layer)
    viewer.layers.selection = {layers[0]}
    if "time_limit" in widget.method.form.fields:
        widget.method.form.fields["time_limit"].set(float(SECONDS))
    wait(0.5)
    viewer.reset_view()
    wait(60, widget.run_button.isEnabled)
    return viewer, widget


def micrograph():
    """Show a micrograph before, during and after a run."""
    viewer, dock = opened("micrograph", "Denoise")
    dock.task.noise.choice.value = GaussianNoise
    dock.task.measure_noise()
    wait(30, lambda: dock.message.isVisible())
    wait(30, dock.run_button.isEnabled)
    keep(viewer, "dock-before")
    dock.run_button.click()
    wait(SECONDS / 8)
    keep(viewer, "dock-during")
    wait(2 * SECONDS, lambda: not dock._panels)
    dock.result_panel.residual.click()
    side_by_side(viewer, dock.result_panel._results[-1].layer, viewer.layers[-1])
    keep(viewer, "dock-after")
    viewer.close()


def kernel_network():
    """Show a filtered image beside a map, with a kernel, and the training of a network on the noisy image."""
    viewer, dock = opened("micrograph", "Procedural Kernel Network")
    dock.run_button.click()
    wait(30, lambda: not dock._panels)
    panel, result = dock.result_panel.filter, dock.result_panel._results[-1]
    panel.maps_fold.expand(animate=False)
    panel.kernel_fold.expand(animate=False)
    panel.map_editor.choice.setCurrentIndex(0)
    panel.map_editor.choice.activated.emit(0)
    side_by_side(viewer, result.layer, result.maps.layers["width"])
    viewer.cursor.position = result.layer.data_to_world((96, 100))
    wait(10, lambda: panel.kernel_view.kernel_image.weights is not None)
    keep(viewer, "dock-pkn")
    viewer.window.remove_dock_widget(dock)

    for layer in viewer.layers:
        layer.visible = layer is viewer.layers[0]
    viewer.canvas.grid.enabled = False
    viewer.reset_view()
    _, dock = viewer.window.add_plugin_dock_widget("napari-dip", "Train a kernel network")
    dock.choose_image(viewer.layers[0])
    dock.origin.set("a noisy image itself")
    dock.form.fields["iterations"].set(800)
    dock.run_button.click()
    wait(10 * SECONDS, lambda: len(dock._panels[0].curves._network) > 3)
    keep(viewer, "dock-training")
    viewer.close()


def fine_tuned():
    """Show the output of a pretrained network, the fine-tuned result, and the residuals of both."""
    viewer, dock = opened("micrograph", "Fine-tuned network")
    dock.task.show_task(SuperResolve(psf=GaussianPSF(2.5)))
    wait(60, dock.run_button.isEnabled)
    dock.run_button.click()
    wait(3 * SECONDS, lambda: not dock._panels)
    result = dock.result_panel._results[-1]
    side_by_side(viewer, result.layer, *result.baseline.layers, rows=2)
    keep(viewer, "dock-finetune")
    viewer.close()


def sky():
    """Show a sky with dead pixels and cosmic rays before and after they are filled in."""
    viewer, dock = opened("sky", "Inpaint")
    dock.task.noise.set(PoissonGaussianNoise(gain=1, offset=0, read_noise=5))  # as the sample was made
    wait(60, dock.run_button.isEnabled)
    dock.run_button.click()
    wait(2 * SECONDS, lambda: not dock._panels)
    side_by_side(viewer, viewer.layers[-1], viewer.layers[0])
    keep(viewer, "sky-after")
    viewer.close()


def side_by_side(viewer, selected, *others, rows=1):
    """Show layers side by side."""
    shown = (selected, *others)
    for layer in viewer.layers:
        layer.visible = layer in shown
    grid = viewer.canvas.grid
    grid.stride, grid.shape, grid.enabled = 1, (rows, len(shown) // rows), True
    wait(0.5)
    viewer.reset_view()
    viewer.layers.selection = {selected}


def main():
    """Make all screenshots, without the settings of the user."""
    with tempfile.TemporaryDirectory() as folder:
        QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, folder)
        get_settings(Path(folder) / "settings.yaml")
        app = napari.qt.get_qapp()
        app.setQuitOnLastWindowClosed(False)
        micrograph()
        kernel_network()
        fine_tuned()
        sky()


if __name__ == "__main__":
    main()
