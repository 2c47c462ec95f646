"""A batch that is repeated does only what is missing."""

import os
import signal

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_dip.cli.reporter import Reporter
from napari_dip.io import provenance
from napari_dip.restoration.series import Series

from .running import FAST, run

SKIP = ["--skip-existing", *FAST]


@pytest.fixture
def batch(image, tmp_path, random):
    """Three images and a folder for their results."""
    for name in "bc":
        np.save(tmp_path / f"{name}.npy", random.normal(100, 10, (20, 24)).astype(np.float32))
    (tmp_path / "out").mkdir()
    return [image, tmp_path / "b.npy", tmp_path / "c.npy", tmp_path / "out"]


def contents(folder):
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}


def test_only_what_is_missing_is_done(batch, capsys):
    out = batch[-1]
    assert run("denoise", *batch, *SKIP) == 0
    first = contents(out)
    assert sorted(first) == ["b.npy", "c.npy", "in.tif"]
    (out / "c.npy").unlink()
    capsys.readouterr()
    assert run("denoise", *batch, *SKIP) == 0
    second = contents(out)
    assert second["c.npy"][0] == first["c.npy"][0]
    assert {name: second[name] for name in ("b.npy", "in.tif")} == {
        name: first[name] for name in ("b.npy", "in.tif")
    }
    said = capsys.readouterr().err
    assert f"{batch[0]}: {out / 'in.tif'} exists and is kept" in said
    assert said.count("exists and is kept") == 2
    assert said.count("written: ") == 1


def test_what_failed_is_done_again(batch, capsys):
    good = batch[1].read_bytes()
    batch[1].write_bytes(b"no image")
    assert run("denoise", *batch, *SKIP) == 1
    assert sorted(os.listdir(batch[-1])) == ["c.npy", "in.tif"]
    batch[1].write_bytes(good)
    assert run("denoise", *batch, *SKIP) == 0
    assert sorted(os.listdir(batch[-1])) == ["b.npy", "c.npy", "in.tif"]


def test_files_of_somebody_else_are_left_alone(batch, capsys):
    out = batch[-1]
    Image.new("L", (24, 20)).save(out / "in.png")
    (out / "in.png").rename(out / "in.tif")  # not even of the format that its name says
    assert run("denoise", *batch, *SKIP) == 1
    assert f"{out / 'in.tif'} exists, but it can't be read: delete it" in capsys.readouterr().err
    tifffile.imwrite(out / "in.tif", np.zeros((3, 3)))
    before = contents(out)
    assert run("denoise", *batch, *SKIP) == 0
    assert contents(out) == before


@pytest.mark.parametrize("suffix", [".tif", ".npy", ".fits", ".png", ".jpg"])
def test_the_result_of_a_run_that_was_stopped_is_replaced_by_a_whole_one(
    suffix, image, tmp_path, monkeypatch
):
    shown = Reporter.show

    def show(self, iterate):
        shown(self, iterate)
        if iterate.index == 1:
            signal.raise_signal(signal.SIGINT)

    out = tmp_path / f"out{suffix}"
    with monkeypatch.context() as stopping:
        stopping.setattr(Reporter, "show", show)
        assert run("denoise", image, out, "--quiet", *FAST) == 130
    assert provenance(out)["frames"][0]["outcome"] == "STOPPED"
    assert run("denoise", image, out, "--quiet", *SKIP) == 0
    stored = provenance(out)
    assert stored is None if suffix == ".npy" else stored["frames"][0]["outcome"] == "MAX_ITERATIONS"
    whole = contents(tmp_path)
    assert run("denoise", image, out, "--quiet", *SKIP) == 0
    assert contents(tmp_path) == whole


@pytest.mark.parametrize("suffix", [".tif", ".npy"])
def test_a_series_with_frames_that_failed_is_restored_again(suffix, tmp_path, random, monkeypatch):
    np.save(tmp_path / "in.npy", random.normal(100, 10, (3, 20, 24)).astype(np.float32))
    out, read_frame = tmp_path / f"out{suffix}", Series.frame

    def fail(self, frame, *arguments):
        if frame == (1,):
            raise RuntimeError("can't allocate memory")
        return read_frame(self, frame, *arguments)

    with monkeypatch.context() as failing:
        failing.setattr(Series, "frame", fail)
        assert run("denoise", tmp_path / "in.npy", out, "--quiet", *FAST) == 1
    assert run("denoise", tmp_path / "in.npy", out, "--quiet", *SKIP) == 0
    data = np.load(out) if suffix == ".npy" else tifffile.imread(out)
    assert np.isfinite(data).all()


def test_maps_that_are_missing_are_made_and_the_image_is_left_alone(cells, tmp_path):
    out, maps = tmp_path / "out.tif", tmp_path / "maps.tif"
    arguments = ["denoise", cells, out, "--method", "pkn", "--sigma", 20, "--quiet", "--skip-existing"]
    assert run(*arguments) == 0
    before = contents(tmp_path)["out.tif"]
    assert run(*arguments, "--save-maps", maps) == 0
    assert contents(tmp_path)["out.tif"] == before
    assert tifffile.imread(maps).shape == (3, 72, 64)


def test_overwrite_and_skip_existing_exclude_each_other(image, tmp_path, capsys):
    assert run("denoise", image, tmp_path / "out.tif", "--overwrite", *SKIP) == 2
    assert "--overwrite and --skip-existing exclude each other" in capsys.readouterr().err
