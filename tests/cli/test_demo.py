"""The demonstration restores its image, and spares the user's."""

import os
import signal
from dataclasses import replace

import pytest

from napari_dip.cli import demo
from napari_dip.cli.reporter import Reporter

from .running import run


@pytest.fixture
def small(monkeypatch):
    """A part of the image, and a short run."""
    part = [array[64:144, 64:144] for array in demo.damaged_micrograph()]
    monkeypatch.setattr(demo, "damaged_micrograph", lambda: part)
    monkeypatch.setattr(demo, "SETTINGS", replace(demo.SETTINGS, iterations=100))


@pytest.mark.usefixtures("small")
def test_the_demo_improves_its_image(tmp_path):
    assert run("demo", "--output", tmp_path / "made", "--quiet") == 0
    assert sorted(os.listdir(tmp_path / "made")) == ["after.png", "before.png", "residual.png", "summary.txt"]
    words = (tmp_path / "made" / "summary.txt").read_text().split()
    before, after = (float(words[at - 1]) for at, word in enumerate(words) if word == "dB")
    assert after > before + 2


@pytest.mark.parametrize("name", ["before.png", "after.png", "residual.png", "summary.txt"])
def test_the_demo_replaces_no_files_of_the_users(tmp_path, capsys, name):
    (tmp_path / name).write_bytes(b"precious")
    assert run("demo", "--output", tmp_path) == 2
    assert "choose another --output" in capsys.readouterr().err
    assert os.listdir(tmp_path) == [name]
    assert (tmp_path / name).read_bytes() == b"precious"


def test_a_file_in_place_of_the_folder_is_named(tmp_path, capsys):
    (tmp_path / "demo").touch()
    assert run("demo", "--output", tmp_path / "demo") == 2
    assert f"can't create the folder {tmp_path / 'demo'}: it is a file" in capsys.readouterr().err


@pytest.mark.usefixtures("small")
@pytest.mark.skipif(os.name != "posix", reason="needs the signals of POSIX")
def test_a_demo_that_is_stopped_writes_what_it_has_and_can_be_repeated(tmp_path, monkeypatch, capsys):
    shown = Reporter.show

    def show(self, iterate):
        shown(self, iterate)
        if iterate.index == 3:
            signal.raise_signal(signal.SIGTERM)

    with monkeypatch.context() as stopping:
        stopping.setattr(Reporter, "show", show)
        assert run("demo", "--output", tmp_path) == 143
    assert sorted(os.listdir(tmp_path)) == ["after.png", "before.png", "residual.png", "summary.txt"]
    assert "You stopped the run." in (tmp_path / "summary.txt").read_text()
    assert f"interrupted; the best result so far is in {tmp_path}" in capsys.readouterr().err
    monkeypatch.setattr(demo, "SETTINGS", replace(demo.SETTINGS, iterations=2))
    assert run("demo", "--output", tmp_path, "--quiet") == 0
    assert "You stopped the run." not in (tmp_path / "summary.txt").read_text()
