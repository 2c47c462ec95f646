"""One bad file or frame does not take the others with it."""

import os
from importlib import import_module

import numpy as np
import pytest
import tifffile

from napari_dip.cli import file_run

from .running import FAST, run


@pytest.fixture
def out(tmp_path):
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def test_one_bad_image_does_not_stop_the_others(image, tmp_path, out, capsys):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    assert run("denoise", broken, image, out, *FAST) == 1
    assert os.listdir(out) == ["in.tif"]
    said = capsys.readouterr().err.strip().splitlines()
    assert said[0].startswith(f"napari-dip: can't read {broken}")
    assert said[-1] == "napari-dip: 1 of 2 images failed, for the reasons above"


def test_the_end_of_a_batch_lists_what_failed_and_why(image, tmp_path, out, capsys):
    names = ["a.png", "b.png"]
    for name in names:
        (tmp_path / name).write_bytes(b"no image")
    assert run("denoise", tmp_path / "a.png", image, tmp_path / "b.png", out, *FAST) == 1
    *_, first, second, last = capsys.readouterr().err.splitlines()
    for name, line in zip(names, (first, second), strict=True):
        assert line.startswith(f"napari-dip: not restored: {tmp_path / name} (can't read {tmp_path / name}: ")
    assert last == "napari-dip: 2 of 3 images failed, for the reasons above"


@pytest.fixture(
    params=[
        "absent",
        "a folder",
        "a device",
        "an archive",
        "empty",
        "text",
        "objects",
        "mosaic",
        "nothing",
        "flat",
    ]
)
def bad(request, tmp_path):
    """A file that can't be restored, for a reason that is found before it is read, or then, or later."""
    path = tmp_path / "bad.npy"
    if request.param == "a folder":
        path.mkdir()
    elif request.param == "a device":
        path.symlink_to(os.devnull)
    elif request.param == "an archive":
        np.savez(tmp_path / "bad.npz", np.zeros((20, 24)))
        (tmp_path / "bad.npz").rename(path)
    elif request.param in ("empty", "text"):
        path.write_text("" if request.param == "empty" else "no image")
    elif request.param == "objects":
        np.save(path, np.array([{}, None]))
    elif request.param == "mosaic":
        np.save(path, np.zeros((2,) * 9))
    elif request.param == "nothing":
        np.save(path, np.full((20, 24), np.nan))
    elif request.param == "flat":
        np.save(path, np.full((20, 24), 7.0))
    return path


def test_no_bad_file_stops_the_others(bad, image, tmp_path, out, capsys):
    np.save(tmp_path / "good.npy", tifffile.imread(image))
    assert run("denoise", image, bad, tmp_path / "good.npy", out, *FAST) == 1
    assert sorted(os.listdir(out)) == ["good.npy", "in.tif"]
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert f"{bad}" in said.splitlines()[-2]


@pytest.mark.parametrize(
    "step", ["cli.file_run.opened", "cli.batch.announce", "cli.file_run.restore", "cli.results.write"]
)
@pytest.mark.parametrize("error", [KeyError, RecursionError, MemoryError, UserWarning, OSError])
def test_no_exception_at_any_step_stops_the_others(step, error, image, tmp_path, out, monkeypatch, capsys):
    """A warning is one where Python is told to turn warnings into errors."""
    module, _, name = f"napari_dip.{step}".rpartition(".")
    usual = getattr(import_module(module), name)
    calls = []

    def fail_once(*arguments, **options):
        calls.append(arguments)
        if len(calls) == 1:
            raise error("odd")
        return usual(*arguments, **options)

    np.save(tmp_path / "other.npy", tifffile.imread(image))
    monkeypatch.setattr(f"{module}.{name}", fail_once)
    assert run("denoise", tmp_path / "other.npy", image, out, *FAST) == 1
    assert "in.tif" in os.listdir(out)
    assert "odd" in capsys.readouterr().err


def test_an_output_that_can_not_be_used_does_not_stop_the_others(image, tmp_path, out, capsys):
    np.save(tmp_path / "other.npy", tifffile.imread(image))
    (out / "other.npy").write_bytes(b"precious")
    assert run("denoise", tmp_path / "other.npy", image, out, *FAST) == 1
    assert sorted(os.listdir(out)) == ["in.tif", "other.npy"]
    assert (out / "other.npy").read_bytes() == b"precious"
    assert "other.npy exists: choose another name, or use --overwrite" in capsys.readouterr().err


def test_an_unexpected_error_does_not_stop_the_others(image, tmp_path, out, monkeypatch, capsys, caplog):
    opened = file_run.opened

    def fail(path, *arguments):
        if path.name == "odd.npy":
            raise AttributeError("no shape")
        return opened(path, *arguments)

    monkeypatch.setattr(file_run, "opened", fail)
    odd = tmp_path / "odd.npy"
    np.save(odd, np.zeros((20, 24)))
    assert run("denoise", odd, image, out, *FAST) == 1
    assert os.listdir(out) == ["in.tif"]
    assert f"napari-dip: {odd}: unexpected AttributeError: no shape (--debug" in capsys.readouterr().err
    assert "AttributeError" in caplog.text


def test_a_file_with_the_wrong_suffix_does_not_stop_the_others(image, tmp_path, out, capsys):
    """An archive of arrays is no array, whatever its name says."""
    np.savez(tmp_path / "archive.npz", np.zeros((20, 24)))
    (tmp_path / "archive.npz").rename(tmp_path / "archive.npy")
    assert run("denoise", tmp_path / "archive.npy", image, out, *FAST) == 1
    assert os.listdir(out) == ["in.tif"]
    assert f"can't read {tmp_path / 'archive.npy'}: it is an archive of arrays" in capsys.readouterr().err


def test_a_failed_run_does_not_stop_the_others(image, tmp_path, out, capsys):
    empty = tmp_path / "empty.npy"
    np.save(empty, np.full((20, 24), np.nan))
    assert run("denoise", empty, image, out, *FAST) == 1
    assert os.listdir(out) == ["in.tif"]
    assert f"napari-dip: {empty}: every pixel is missing" in capsys.readouterr().err


def test_debug_shows_the_traceback_of_each_failed_file(image, tmp_path, out, capsys):
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"no image")
    assert run("denoise", tmp_path / "a.png", tmp_path / "b.png", image, out, "--debug", *FAST) == 1
    said = capsys.readouterr().err
    assert said.count("napari_dip.errors.FileError: can't read") == 2


@pytest.fixture
def series(tmp_path, random):
    """A file of four frames; all but two pixels of the third are missing."""
    frames = random.integers(1, 255, (4, 20, 24)).astype(np.float32)
    frames[2] = np.nan
    frames[2, 0, :2] = 100, 101
    np.save(tmp_path / "series.npy", frames)
    return tmp_path / "series.npy"


def test_a_series_survives_a_frame_that_fails(series, tmp_path, capsys):
    out = tmp_path / "out.npy"
    assert run("denoise", series, out, "--quiet", *FAST) == 1
    restored = np.load(out)
    assert np.isnan(restored[2]).all()
    assert np.isfinite(restored[[0, 1, 3]]).all()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("napari-dip: 1 of 4 frames could not be restored (frame 2: ")
    assert "at least 4 observed pixels" in line
    assert line.endswith(f"They are empty in {out}.")


def test_a_failed_frame_is_zero_where_integers_are_written(series, tmp_path):
    frames = np.load(series)
    missing = np.isnan(frames)
    np.save(tmp_path / "missing.npy", missing)
    integers = np.nan_to_num(frames).astype(np.uint8)
    tifffile.imwrite(tmp_path / "in.tif", integers, metadata={"axes": "TYX"}, photometric="minisblack")
    arguments = ("--missing", tmp_path / "missing.npy", "--keep-dtype", "--quiet", *FAST)
    assert run("denoise", tmp_path / "in.tif", tmp_path / "out.tif", *arguments) == 1
    restored = tifffile.imread(tmp_path / "out.tif")
    assert restored.dtype == np.uint8
    assert restored.any((1, 2)).tolist() == [True, True, False, True]


def test_a_batch_goes_on_after_a_series_with_a_failed_frame(series, image, tmp_path, out, capsys):
    assert run("denoise", series, image, out, *FAST) == 1
    assert sorted(os.listdir(out)) == ["in.tif", "series.npy"]
    assert f"napari-dip: {series}: 1 of 4 frames could not be restored" in capsys.readouterr().err


def test_a_series_of_which_every_frame_fails_is_not_written(series, tmp_path, capsys):
    np.save(series, np.full((3, 20, 24), np.nan))
    assert run("denoise", series, tmp_path / "out.npy", *FAST) in (1, 2)
    assert "every pixel is missing" in capsys.readouterr().err
    assert not (tmp_path / "out.npy").exists()
