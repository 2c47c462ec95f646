"""The demonstration restores its image, and spares the user's."""

import os
from dataclasses import replace

from napari_dip.cli import demo

from .running import run


def test_the_demo_improves_its_image(tmp_path, monkeypatch):
    part = [array[64:144, 64:144] for array in demo.damaged_micrograph()]
    monkeypatch.setattr(demo, "damaged_micrograph", lambda: part)
    monkeypatch.setattr(demo, "SETTINGS", replace(demo.SETTINGS, iterations=100))
    assert run("demo", "--output", tmp_path / "made", "--quiet") == 0
    assert sorted(os.listdir(tmp_path / "made")) == ["after.png", "before.png", "residual.png", "summary.txt"]
    words = (tmp_path / "made" / "summary.txt").read_text().split()
    before, after = (float(words[at - 1]) for at, word in enumerate(words) if word == "dB")
    assert after > before + 2


def test_the_demo_replaces_no_images_of_the_users(tmp_path, capsys):
    (tmp_path / "before.png").write_bytes(b"precious")
    assert run("demo", "--output", tmp_path) == 2
    assert "choose another --output" in capsys.readouterr().err
    assert (tmp_path / "before.png").read_bytes() == b"precious"
