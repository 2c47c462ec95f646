"""The demonstration in a viewer: ``python -m napari_dip.plugin.demo``."""

from typing import Any

import napari
import numpy as np
from qtpy.QtCore import QTimer

from napari_dip.methods import DIP
from napari_dip.plugin.docks.dock import Dock
from napari_dip.plugin.preferences import PLUGIN
from napari_dip.synthetic.damage import TIME_LIMIT, damaged_micrograph
from napari_dip.tasks import Denoise

SETTINGS = DIP(time_limit=TIME_LIMIT)


def begin(viewer: Any) -> Dock:
    """Show the damaged micrograph in a viewer, open the dock on it, and press Run when Run is enabled.

    Parameters
    ----------
    viewer : Viewer
        Gets two layers, and a third one as soon as the run has a first result.

    Returns
    -------
    Dock
        The dock that shows the run.
    """
    _, noisy, missing = damaged_micrograph()
    tissue = viewer.add_image(noisy.astype(np.uint8), name="tissue")  # uint8: as float, RGB is 0 to 1
    scratches = viewer.add_labels(missing.astype(np.uint8), name="scratches")
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Denoise")
    dock.choose_image(tissue)
    dock.choose_image(scratches)
    dock.task.show_task(Denoise())  # instead of the task of the last run
    dock.method.form.set(SETTINGS)

    timer = QTimer(dock)

    def press() -> None:
        if dock.run_button.isEnabled():
            timer.stop()
            viewer.reset_view()  # the dock has taken some of the canvas
            dock.run()

    timer.timeout.connect(press)
    timer.start(100)
    return dock


if __name__ == "__main__":
    begin(napari.Viewer())
    napari.run()
