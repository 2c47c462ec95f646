"""A full, broken or closed standard output or error never costs the result."""

import io
import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_dip.cli.streams import tolerant_streams
from napari_dip.io import read

from .processes import command, started
from .running import FAST, run

full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
posix = pytest.mark.skipif(os.name != "posix", reason="needs the descriptors of POSIX")


class Broken(io.StringIO):
    """A stream that fails in some way."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def write(self, text):
        raise self.error

    def flush(self):
        raise self.error


ERRORS = {
    "full": OSError(28, "No space left on device"),
    "broken": BrokenPipeError(32, "Broken pipe"),
    "gone": OSError(5, "Input/output error"),
    "busy": BlockingIOError(11, "Resource temporarily unavailable"),
    "closed": ValueError("I/O operation on closed file"),
}


@pytest.mark.parametrize("error", ERRORS)
def test_messages_are_dropped_where_they_can_not_be_written(error, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Broken(ERRORS[error]))
    monkeypatch.setattr(sys, "stdout", Broken(ERRORS[error]))
    before = sys.stdout, sys.stderr
    with tolerant_streams():
        sys.stderr.write("error")
        sys.stdout.writelines(["a", "b"])
        print("line", flush=True)  # noqa: T201
        print("line", file=sys.stderr, flush=True)  # noqa: T201
        logging.StreamHandler().emit(logging.makeLogRecord({"msg": "logged"}))
    assert (sys.stdout, sys.stderr) == before


def test_characters_that_a_stream_does_not_have_are_replaced(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), "ascii")
    monkeypatch.setattr(sys, "stderr", stream)
    with tolerant_streams():
        sys.stderr.write("σ = 3 µm\n")
    stream.flush()
    assert stream.buffer.getvalue() == b"\\u03c3 = 3 \\xb5m\n"


@full
@pytest.mark.parametrize("options", [[], ["--debug"], ["--quiet"]])
def test_a_run_survives_a_full_standard_error(image, tmp_path, monkeypatch, options):
    with Path("/dev/full").open("w", buffering=1) as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        assert run("denoise", image, tmp_path / "out.npy", *options, *FAST) == 0
        monkeypatch.undo()
    assert np.load(tmp_path / "out.npy").shape == (20, 24)


def test_a_run_survives_without_any_stream(image, tmp_path, monkeypatch):
    """Python has none where the descriptors are closed, or where there is no console."""
    monkeypatch.setattr(sys, "stderr", None)
    monkeypatch.setattr(sys, "stdout", None)
    assert run("denoise", image, tmp_path / "out.npy", *FAST) == 0
    assert run("denoise", image, tmp_path / "none" / "out.npy", *FAST) == 2
    assert run("--help") == 0
    monkeypatch.undo()
    assert (tmp_path / "out.npy").exists()


@posix
def test_closed_descriptors_do_not_become_those_of_results(image, tmp_path):
    """A library that writes to descriptor 2 would write into a file that was opened with that number."""
    script = "exec <&- >&- 2>&-; exec " + " ".join(
        f"'{word}'" for word in command("denoise", image, tmp_path / "out.tif", *FAST)
    )
    assert subprocess.run(["sh", "-c", script], check=False).returncode == 0
    assert read(tmp_path / "out.tif").data.shape == (20, 24)


@full
def test_a_process_ends_as_usual_although_its_messages_are_lost():
    """Python itself would complain at its end, and give another exit code."""
    with Path("/dev/full").open("wb") as device:
        with started("--help", stdout=device, stderr=subprocess.PIPE) as process:
            assert process.stderr.read() == ""
            assert process.wait(60) == 0
        with started("denoise", "nothing.tif", "out.tif", stderr=device) as process:
            assert process.wait(60) == 2


@posix
def test_a_reader_that_closes_its_pipe_ends_nothing():
    reading, writing = os.pipe()
    os.close(reading)
    with started("--help", stdout=writing) as process:
        os.close(writing)
        assert process.stderr.read() == ""
        assert process.wait(60) == 0
