"""Ctrl-C and the signals to end stop a run, and its best result is written."""

import contextlib
import os
import signal
import threading
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_dip.cli.interruption import Interrupted, interruptible
from napari_dip.cli.reporter import Reporter
from napari_dip.io import provenance

from .processes import ENDLESS, ended, started, wait_for
from .running import FAST, run

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs the signals of POSIX")

SIGNALS = {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 129}
#: A run that goes on until it is stopped, with a tiny network.
LONG = [*ENDLESS, "--ensemble-size", "1", "--input-channels", "1", "--precision", "float32"]


@pytest.fixture
def raise_at(monkeypatch):
    """Return a function that raises signals when a run reaches an iterate, given by frame and number."""
    shown = Reporter.show

    def at(index, *signums, frame=()):
        waiting = [*signums]

        def show(self, iterate):
            shown(self, iterate)
            if iterate.frame == frame and iterate.index >= index and not iterate.preparing:
                while waiting:
                    signal.raise_signal(waiting.pop(0))

        monkeypatch.setattr(Reporter, "show", show)

    return at


@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_stops_a_run_and_its_best_result_is_written(name, image, tmp_path, raise_at, capfd):
    out = tmp_path / "out.tif"
    before = signal.getsignal(getattr(signal, name))
    raise_at(4, getattr(signal, name))
    assert run("denoise", image, out, *LONG) == SIGNALS[name]
    (frame,) = provenance(out)["frames"]
    assert frame["outcome"] == "STOPPED"
    assert np.isfinite(tifffile.imread(out)).all()
    said = capfd.readouterr().err
    assert "You stopped the run." in said
    assert "stopping, and writing the best result so far" in said
    assert said.splitlines()[-1] == f"napari-dip: interrupted; the best result so far is in {out}"
    assert signal.getsignal(getattr(signal, name)) == before


def test_a_second_ctrl_c_ends_at_once(image, tmp_path, raise_at, capsys):
    raise_at(4, signal.SIGINT, signal.SIGINT)
    assert run("denoise", image, tmp_path / "out.tif", *LONG) == 130
    assert sorted(os.listdir(tmp_path)) == ["in.tif"]
    assert capsys.readouterr().err.splitlines()[-1] == "napari-dip: interrupted; no incomplete file was left"


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_that_a_system_sends_twice_loses_nothing(name, image, tmp_path, raise_at):
    raise_at(4, *[getattr(signal, name)] * 2)
    assert run("denoise", image, tmp_path / "out.tif", "--quiet", *LONG) == SIGNALS[name]
    assert (tmp_path / "out.tif").exists()


def test_a_second_ctrl_c_while_the_result_is_written_leaves_no_part_of_it(
    image, tmp_path, raise_at, monkeypatch
):
    def write(file, *_):
        file.write(b"half")
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("napari_dip.io.raster.write_npy", write)
    raise_at(4, signal.SIGINT)
    monkeypatch.setattr("napari_dip.cli.file_run.FileRun._check_outputs", lambda self: None)
    assert run("denoise", image, tmp_path / "out.npy", "--quiet", *LONG) == 130
    assert os.listdir(tmp_path) == ["in.tif"]


def test_a_signal_while_the_result_is_written_lets_it_be_written(image, tmp_path, monkeypatch, capsys):
    finish = Reporter.finish
    monkeypatch.setattr(
        Reporter, "finish", lambda *arguments: (signal.raise_signal(signal.SIGTERM), finish(*arguments))
    )
    out = tmp_path / "out.tif"
    assert run("denoise", image, out, *FAST) == 143
    assert provenance(out)["frames"][0]["outcome"] == "MAX_ITERATIONS"
    assert capsys.readouterr().err.splitlines()[-1] == f"napari-dip: interrupted; the result is in {out}"


@pytest.fixture
def series(tmp_path, random):
    """A file of four frames."""
    np.save(tmp_path / "series.npy", random.normal(100, 10, (4, 20, 24)).astype(np.float32))
    return tmp_path / "series.npy"


@pytest.mark.parametrize("keep", [False, True])
def test_finished_frames_of_a_series_are_written(series, tmp_path, raise_at, keep, capsys):
    out = tmp_path / "out.tif"
    raise_at(1, signal.SIGINT, frame=(2,))
    options = [*FAST, *(["--keep-dtype"] if keep else [])]
    assert run("denoise", series, out, *options) == 130
    restored = tifffile.imread(out)
    assert np.isfinite(restored[:3]).all()
    assert np.isnan(restored[3]).all()
    outcomes = [frame["outcome"] for frame in provenance(out)["frames"]]
    assert outcomes == ["MAX_ITERATIONS", "MAX_ITERATIONS", "STOPPED"]
    assert "1 of 4 frames were not reached: they are empty in the result" in capsys.readouterr().err


def test_a_signal_between_two_frames_keeps_those_before(series, tmp_path, monkeypatch):
    shown = Reporter.show

    def show(self, iterate):
        shown(self, iterate)
        if iterate.outcome is not None and iterate.frame == (1,):
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Reporter, "show", show)
    out = tmp_path / "out.tif"
    assert run("denoise", series, out, "--quiet", *FAST) == 130
    assert np.isnan(tifffile.imread(out)).all((1, 2)).tolist() == [False, False, True, True]
    assert len(provenance(out)["frames"]) == 2


def test_the_other_images_of_a_batch_are_not_begun(image, tmp_path, raise_at, random):
    for name in "bc":
        np.save(tmp_path / f"{name}.npy", random.normal(100, 10, (20, 24)))
    (tmp_path / "out").mkdir()
    raise_at(4, signal.SIGINT)
    assert run("denoise", image, tmp_path / "b.npy", tmp_path / "c.npy", tmp_path / "out", *LONG) == 130
    assert os.listdir(tmp_path / "out") == ["in.tif"]


@pytest.mark.parametrize("moment", ["cli.file_run.opened", "cli.announce.estimate_cost"])
@pytest.mark.parametrize("name", SIGNALS)
def test_before_the_run_a_signal_ends_the_program_in_words(
    moment, name, image, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(f"napari_dip.{moment}", lambda *_, **__: signal.raise_signal(getattr(signal, name)))
    assert run("denoise", image, tmp_path / "out.tif", *FAST) == SIGNALS[name]
    assert os.listdir(tmp_path) == ["in.tif"]
    assert capsys.readouterr().err.splitlines()[-1] == "napari-dip: interrupted; no incomplete file was left"


def test_a_signal_that_a_library_swallows_counts_all_the_same(image, tmp_path, monkeypatch):
    def swallow(*_, **__):
        with contextlib.suppress(BaseException):  # as some libraries do
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr("napari_dip.cli.batch.announce", swallow)
    assert run("denoise", image, tmp_path / "out.tif", *FAST) == 143
    assert os.listdir(tmp_path) == ["in.tif"]


@pytest.mark.parametrize("options", [["--overwrite"], ["--skip-existing"]])
def test_a_run_that_was_stopped_replaces_nothing(image, tmp_path, raise_at, options):
    out = tmp_path / "out.tif"
    raise_at(4, signal.SIGINT)
    assert run("denoise", image, out, "--quiet", *LONG) == 130
    before = out.read_bytes()
    raise_at(2, signal.SIGINT)
    assert run("denoise", image, out, "--quiet", *options, *LONG) == 130
    assert out.read_bytes() == before
    assert provenance(tmp_path / "out-2.tif")["frames"][0]["outcome"] == "STOPPED"


def test_the_limit_of_iterations_is_recorded_beside_the_chance_to_stop(image, tmp_path):
    assert run("denoise", image, tmp_path / "out.tif", "--quiet", "--stop-after", 2, *FAST) == 0
    assert provenance(tmp_path / "out.tif")["stop_after"] == 2


def test_ignored_signals_stay_ignored_and_handlers_are_put_back():
    before = signal.getsignal(signal.SIGINT)
    ignored = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interruptible() as interruption:
            signal.raise_signal(signal.SIGHUP)
            assert not interruption.requested
            with pytest.raises(Interrupted):
                signal.raise_signal(signal.SIGTERM)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGINT) is before
    finally:
        signal.signal(signal.SIGHUP, ignored)


def test_other_threads_leave_the_handlers_alone(image, tmp_path):
    codes, before = [], signal.getsignal(signal.SIGINT)
    thread = threading.Thread(
        target=lambda: codes.append(run("denoise", image, tmp_path / "out.tif", "--quiet", *FAST))
    )
    thread.start()
    thread.join()
    assert codes == [0]
    assert signal.getsignal(signal.SIGINT) is before


def test_a_training_that_is_stopped_gives_the_network_as_it_is(cells, tmp_path, monkeypatch, capsys):
    from napari_dip.pkn import trainer

    finite = trainer._finite
    calls = []

    def interrupting(loss):
        calls.append(loss)
        if len(calls) == 155:  # after the constant setting, in the network's iterations
            signal.raise_signal(signal.SIGTERM)
        return finite(loss)

    monkeypatch.setattr(trainer, "_finite", interrupting)
    weights = tmp_path / "mine.safetensors"
    training = ["train-pkn", cells, "--noisy", "--sigma", 20, "--iterations", 100_000, "--output", weights]
    assert run(*training) == 143
    assert f"trained until then is in {weights}" in capsys.readouterr().err
    arguments = ["--method", "pkn", "--sigma", 20, "--weights", weights]
    assert run("denoise", cells, tmp_path / "out.tif", "--quiet", *arguments) == 0


def test_a_process_is_stopped_by_ctrl_c_although_it_ignores_the_end_of_its_terminal(image, tmp_path):
    """In a process of its own, which tests ``python -m napari_dip`` too; nohup ignores SIGHUP."""
    out = Path(tmp_path, "out.tif")
    with started("denoise", image, out, *LONG, ignored=[signal.SIGHUP]) as process:
        wait_for(process, "decide when to stop")
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGINT)
        code, said = ended(process)
    assert code == 130
    assert said.splitlines()[-1] == f"napari-dip: interrupted; the best result so far is in {out}"
    assert provenance(out)["frames"][0]["outcome"] == "STOPPED"
    assert sorted(os.listdir(tmp_path)) == ["in.tif", "out.tif"]


def test_a_process_that_has_no_result_yet_ends_in_words(image, tmp_path):
    with started("denoise", image, tmp_path / "out.tif", *LONG) as process:
        wait_for(process, "2-D image")
        process.send_signal(signal.SIGINT)
        code, said = ended(process)
    assert code == 130
    assert said.splitlines()[-1].startswith("napari-dip: interrupted")
    assert "Traceback" not in said
    assert os.listdir(tmp_path) == ["in.tif"]
