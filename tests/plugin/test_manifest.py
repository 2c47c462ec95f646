"""What napari reads of the plugin before it runs any of it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from napari._app_model.constants import MenuId
from npe2 import PluginManifest
from npe2.manifest.utils import import_python_name

import napari_dip
from napari_dip.plugin.preferences import Preferences

MANIFEST = PluginManifest.from_file(Path(napari_dip.__file__).parent / "napari.yaml")


def test_every_command_resolves():
    for command in MANIFEST.contributions.commands:
        assert callable(import_python_name(command.python_name))


def test_every_menu_can_be_contributed_to():
    own = {submenu.id for submenu in MANIFEST.contributions.submenus}
    known = {str(menu) for menu in MenuId.contributables()} | own
    assert set(MANIFEST.contributions.menus) <= known


def test_each_task_and_method_is_in_both_menus():
    restore = [item.command for item in MANIFEST.contributions.menus["napari-dip.restore"]]
    docks = [widget.command for widget in MANIFEST.contributions.widgets]
    assert [f"{command}_dock" for command in restore] == docks


@pytest.mark.parametrize("key", [sample.key for sample in MANIFEST.contributions.sample_data])
def test_samples_open(viewer, key):
    layers = viewer.open_sample("napari-dip", key)
    assert layers
    assert np.asarray(layers[0].data).size


def test_preferences_have_the_defaults_of_the_manifest():
    assert Preferences.now() == Preferences()


def test_a_page_is_in_the_preferences(viewer):
    dialog = viewer.window._open_preferences_dialog()
    pages = [dialog._list.item(row).text() for row in range(dialog._list.count())]
    dialog.close()
    assert any("napari-dip" in page for page in pages)


def test_the_dock_opens_before_torch_is_loaded():
    code = (
        "import sys, napari_dip.plugin.docks.menus, napari_dip.plugin.samples; print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
