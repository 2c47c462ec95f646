"""A restored file is described for a paper."""

import numpy as np
import pytest

from .running import run


@pytest.fixture
def restored(tmp_path):
    np.save(tmp_path / "in.npy", np.random.default_rng(0).normal(100, 5, (32, 32)))
    out = tmp_path / "out.tif"
    assert run("denoise", tmp_path / "in.npy", out, "--method", "pkn", "--sigma", "5", "--seed", "7") == 0
    return out


def test_a_file_is_described(restored, capsys):
    capsys.readouterr()
    assert run("methods-text", restored) == 0
    text = capsys.readouterr().out
    assert text.startswith("An image of 32 x 32 pixels was denoised with napari-dip")
    assert "numbers was 7." in text
    assert "[ ] Example data" in text


def test_its_references_are_written(restored, capsys):
    capsys.readouterr()
    assert run("methods-text", restored, "--bibtex") == 0
    assert "@misc{wronski2021," in capsys.readouterr().out


def test_other_files_are_refused(tmp_path, capsys):
    np.save(tmp_path / "plain.npy", np.zeros((8, 8)))
    assert run("methods-text", tmp_path / "plain.npy") == 2
    assert "does not say that napari-dip made it" in capsys.readouterr().err
    assert run("methods-text", tmp_path / "none.tif") == 2
