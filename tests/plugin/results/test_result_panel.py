"""What the dock does with the provenance of files that a stranger wrote."""

import json
import shlex
import subprocess
from pathlib import Path

import numpy as np
import pytest
from qtpy.QtWidgets import QApplication

from napari_dip import DIP, Denoise, Wiener
from napari_dip.io import ImageFile, read, read_noise_std, write
from napari_dip.plugin.layers import KEY
from napari_dip.settings import to_dict

RECORD = {
    "napari-dip": "0.2",
    "task": to_dict(Denoise()),
    "method": to_dict(DIP()),
    "axes": "YX",
    "shape": [20, 30],
    "source": {"layer": "cells", "path": None},
}


@pytest.fixture
def opened(viewer, user, tmp_path):
    """Open a file with some provenance beside a dock; return the dock and the layer."""

    def opened(**changes):
        data = np.arange(600, dtype=np.float32).reshape(20, 30)
        path = tmp_path / "restored.tif"
        record = json.loads(json.dumps({**RECORD, **changes}))
        write(path, data, ImageFile(data), axes="YX", provenance=record)
        (layer,) = viewer.open(path, plugin="napari")
        dock = user.opens("Denoise")
        return dock, layer

    return opened


def copied(dock):
    """Copy in each way that there is; yield what was copied."""
    panel = dock.result_panel
    for action in (panel.copy_python, panel.copy_command, panel.copy_methods, panel.copy_bibtex):
        QApplication.clipboard().setText("nothing")
        action.trigger()
        yield QApplication.clipboard().text()


def assert_refused(dock, user):
    words = "The provenance can't be used: "
    for text in copied(dock):
        assert text == "nothing"
        assert dock.message.text().startswith(words)
    dock.message.say("")
    user.clicks(dock.result_panel.repeat)
    assert dock.message.text().startswith(words)
    assert not dock._panels


def test_a_description_for_a_paper_can_be_copied(opened):
    dock, _ = opened()
    dock.result_panel.copy_methods.trigger()
    assert QApplication.clipboard().text().startswith("An image of 20 x 30 pixels was denoised with")
    dock.result_panel.copy_bibtex.trigger()
    assert "@article{ulyanov2020," in QApplication.clipboard().text()
    assert dock.message.text() == "Copied."


def test_code_in_a_file_is_refused_in_words(opened, user, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    dock, _ = opened(stop_after="__import__('os').system('touch OWNED') or 5")
    assert_refused(dock, user)
    assert not (tmp_path / "OWNED").exists()


WRONG = [
    ("tuned", "0.5"),
    ("tuned", None),
    ("source", "cells"),
    ("source", {"layer": ["cells"]}),
    ("source", {"missing": "holes"}),
    ("source", {"missing": {"layer": 3}}),
    ("source", {"maps": [1]}),
    ("frames", [None]),
    ("axes", None),
    ("shape", [20]),
    ("method", {"type": "DIP", "network": {"type": "Hourglass", "widths": "x"}}),
]


def test_provenance_that_can_not_be_used_is_refused_in_words(opened, user):
    dock, layer = opened()
    for field, value in WRONG:
        layer.metadata[KEY] = {**RECORD, field: value}
        assert_refused(dock, user)


NAMES = [
    "x\ntouch OWNED\n#",
    "x; touch OWNED",
    "$(touch OWNED)",
    "`touch OWNED`",
    "x\u2028import os",
    "--overwrite",
    "'\"",
    "../x",
    "[1]",
]


def test_names_of_layers_stay_names(opened, viewer, tmp_path):
    dock, layer = opened()
    for name in NAMES:
        layer.name = name
        place = {"layer": layer.name, "path": f"/none/{name}"}
        layer.metadata[KEY] = {
            **RECORD,
            "source": {**place, "missing": {**place, "label": 2}, "guide": place},
        }
        script, command, *_ = copied(dock)
        (line,) = [line for line in script.splitlines() if line.startswith("image = ")]
        names = {"viewer": viewer}
        exec(line, names)
        assert names["image"] is layer.data
        *notes, line = command.splitlines()
        assert all(note.startswith("# ") for note in notes)
        assert shlex.split(line)[:2] == ["napari-dip", "denoise"]
        # At the prompt of some shells a comment is a command, too.
        as_commands = "\n".join([*(note.replace("# Save", ":") for note in notes), line])
        shell = {"cwd": tmp_path, "env": {"PATH": "/usr/bin:/bin"}, "capture_output": True}
        subprocess.run(["sh", "-c", as_commands], check=False, **shell)
        assert not (tmp_path / "OWNED").exists()


def test_an_image_within_a_fits_file_is_named_with_its_file(opened, tmp_path):
    fits = pytest.importorskip("astropy.io.fits")
    path = tmp_path / "sky.fits"
    planes = {"SCI": np.ones((20, 30)), "ERR": np.full((20, 30), 3.0), "DQ": np.eye(20, 30, dtype=np.int16)}
    images = [fits.ImageHDU(values, name=name) for name, values in planes.items()]
    fits.HDUList([fits.PrimaryHDU(), *images]).writeto(path)
    dock, layer = opened()
    places = {"missing": "DQ", "noise_std": "ERR", "guide": "SCI"}
    source = {part: {"layer": "sky", "path": f"{path}[{name}]"} for part, name in places.items()}
    layer.metadata[KEY] = {**RECORD, "source": {"layer": "sky", "path": str(path), **source}}
    script, command, *_ = copied(dock)
    words = shlex.split(command.splitlines()[-1])
    for part, name in places.items():
        assert words[words.index(f"--{part.replace('_', '-')}") + 1] == f"{path}[{name}]"
        (line,) = [line for line in script.splitlines() if line.startswith(f"{part} = ")]
        names = {"read": read, "read_noise_std": read_noise_std, "Path": Path}
        exec(line, names)
        np.testing.assert_array_equal(names[part], planes[name])


def test_noise_that_is_in_no_file_is_a_layer(opened):
    dock, _ = opened(source={"layer": "cells", "noise_std": {"layer": "noise"}})
    script, command, *_ = copied(dock)
    assert "noise_std = viewer.layers['noise'].data" in script
    assert shlex.split(command.splitlines()[-1])[-2:] == ["--noise-std", "noise.tif"]


def test_settings_that_the_dock_has_no_field_for_are_refused_in_words(opened, user):
    dock, layer = opened(source={"layer": "cells", "missing": {"layer": "m", "label": 2**40}})
    user.clicks(dock.result_panel.repeat)
    assert dock.message.text().startswith("The dock can't show these settings: ")
    layer.metadata[KEY] = {**RECORD, "method": to_dict(Wiener())}
    user.clicks(dock.result_panel.repeat)
    assert dock.message.text() == "Wiener for Denoise is not available: choose another method."
    assert not dock._panels
