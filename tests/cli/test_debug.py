"""A traceback is shown on demand, and never lost."""

import logging

import numpy as np
import pytest

from napari_dip import RestorationError
from napari_dip.cli import file_run

from .running import FAST, run


@pytest.fixture
def broken(monkeypatch):
    """Restoring raises an error that nobody expects."""

    def fail(*_, **__):
        raise KeyError("no such layer")

    monkeypatch.setattr(file_run, "restore", fail)


@pytest.mark.usefixtures("broken")
def test_an_unexpected_error_gives_one_line_that_names_debug(image, tmp_path, capsys):
    assert run("denoise", image, tmp_path / "out.tif", "--quiet", *FAST) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "napari-dip: unexpected KeyError: 'no such layer' (--debug shows more)"


@pytest.mark.usefixtures("broken")
def test_debug_shows_the_traceback_and_the_versions(image, tmp_path, capsys):
    assert run("denoise", image, tmp_path / "out.tif", "--quiet", "--debug", *FAST) == 1
    lines = capsys.readouterr().err.splitlines()
    assert "napari-dip 0" in lines[0]
    assert "Traceback (most recent call last):" in lines
    assert lines[-2:] == [
        "KeyError: 'no such layer'",
        "napari-dip: unexpected KeyError: 'no such layer'",
    ]


def test_debug_shows_the_traceback_of_an_expected_error_too(image, tmp_path, capsys):
    arguments = ("--axes", "TYX")
    assert run("denoise", image, tmp_path / "out.tif", *arguments) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert run("denoise", image, tmp_path / "out.tif", *arguments, "--debug") == 2
    assert "Traceback" in capsys.readouterr().err


def test_debug_says_what_is_done(image, tmp_path, capsys):
    assert run("denoise", image, tmp_path / "out.tif", "--debug", "--sigma", 20, *FAST) == 0
    said = capsys.readouterr().err
    assert "GaussianNoise(sigma=20.0)" in said
    assert "ensemble_size=1" in said


@pytest.mark.usefixtures("broken")
def test_logging_is_as_it_was_after_a_command(image, tmp_path, capsys):
    package = logging.getLogger("napari_dip")
    before = package.level, package.handlers[:]
    run("denoise", image, tmp_path / "out.tif", "--debug", *FAST)
    assert (package.level, package.handlers) == before


@pytest.mark.usefixtures("broken")
def test_the_traceback_of_an_unexpected_error_is_logged(image, tmp_path, caplog):
    run("denoise", image, tmp_path / "out.tif", "--quiet", *FAST)
    (record,) = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert record.exc_info[0] is KeyError


def test_an_error_of_several_lines_is_said_in_one(image, tmp_path, monkeypatch, capsys):
    def fail(*_, **__):
        raise RestorationError("The run failed: no kernel image\nis available")

    monkeypatch.setattr(file_run, "restore", fail)
    assert run("denoise", image, tmp_path / "out.tif", "--quiet", *FAST) == 1
    assert capsys.readouterr().err == "napari-dip: The run failed: no kernel image is available\n"


def test_an_error_of_a_library_is_unexpected(image, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(file_run, "restore", lambda *_, **__: np.linalg.cholesky(-np.eye(2)))
    assert run("denoise", image, tmp_path / "out.tif", "--quiet", *FAST) == 1
    assert "unexpected LinAlgError" in capsys.readouterr().err
