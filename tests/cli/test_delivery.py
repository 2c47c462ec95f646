"""A result that can't go where it was asked for goes elsewhere, and replaces nothing there."""

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_dip.cli.delivery import delivered
from napari_dip.cli.reporter import Reporter
from napari_dip.errors import FileError
from napari_dip.io import provenance
from napari_dip.io.atomic import PlaceError, new_file

from .running import FAST, run


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Folders for temporary files, the home folder and the current folder, by these names."""
    folders = {name: tmp_path / name for name in ("temporary", "home", "current")}
    for folder in folders.values():
        folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folders["temporary"]))
    monkeypatch.setenv("HOME", str(folders["home"]))
    monkeypatch.setenv("USERPROFILE", str(folders["home"]))
    monkeypatch.chdir(folders["current"])
    return folders


def put(path, overwrite):
    with new_file(path, overwrite=overwrite) as file:
        file.write(b"result")


def refusing(*folders):
    """Return a function that writes everywhere but to some folders."""

    def write(path, overwrite):
        if path.parent in folders:
            raise PlaceError(f"can't write {path}: the disk is full")
        put(path, overwrite)

    return write


def test_a_result_goes_where_it_was_asked_for(tmp_path):
    assert delivered(tmp_path / "a.tif", put, overwrite=False) == (tmp_path / "a.tif", "")


@pytest.mark.parametrize(
    ("name", "other"), [("a.tif", "a-3.tif"), ("a.ome.tif", "a-3.ome.tif"), ("a", "a-3")]
)
def test_beside_a_file_that_appeared_a_free_name_is_taken(tmp_path, name, other):
    for taken in (name, other.replace("3", "2")):
        (tmp_path / taken).write_bytes(b"theirs")
    where, why = delivered(tmp_path / name, put, overwrite=False)
    assert where == tmp_path / other
    assert why == f"{tmp_path / name} exists and is kept. The result is in {where} instead."
    assert where.read_bytes() == b"result"
    assert (tmp_path / name).read_bytes() == b"theirs"


@pytest.mark.parametrize(
    ("full", "taker"), [((), "temporary"), (("temporary",), "home"), (("temporary", "home"), "current")]
)
def test_without_room_the_next_folder_takes_the_result(tmp_path, elsewhere, full, taker):
    asked = tmp_path / "out" / "a.tif"
    (elsewhere[taker] / "a.tif").write_bytes(b"theirs")
    write = refusing(asked.parent, *(elsewhere[name] for name in full))
    where, why = delivered(asked, write, overwrite=True)
    assert where == elsewhere[taker] / "a-2.tif"
    assert why == f"can't write {asked}: the disk is full. The result is in {where} instead."
    assert (elsewhere[taker] / "a.tif").read_bytes() == b"theirs"


def test_without_any_room_the_first_reason_is_given(tmp_path, elsewhere):
    asked = tmp_path / "out" / "a.tif"
    with pytest.raises(FileError, match=f"can't write {asked}: the disk is full"):
        delivered(asked, refusing(asked.parent, *elsewhere.values()), overwrite=True)


@pytest.mark.parametrize("error", [FileError, ValueError, MemoryError, KeyError])
def test_a_format_that_fails_is_replaced_by_a_simple_one(tmp_path, error):
    def write(path, overwrite):
        if path.suffix != ".npy":
            raise error("the header is too long")
        put(path, overwrite)

    where, why = delivered(tmp_path / "a.fits", write, overwrite=False, last_resort=".npy")
    assert where == tmp_path / "a.npy"
    assert "the header is too long" in why


@pytest.fixture
def at_the_end(monkeypatch):
    """Return a function that lets something happen after a run and before its result is written."""
    shown = Reporter.show

    def call(function):
        def show(self, iterate):
            shown(self, iterate)
            if iterate.outcome is not None:
                function()

        monkeypatch.setattr(Reporter, "show", show)

    return call


@pytest.mark.parametrize("overwrite", [False, True])
def test_an_output_that_appeared_during_the_run_is_replaced_only_on_demand(
    image, tmp_path, at_the_end, capsys, overwrite
):
    out, beside = tmp_path / "out.tif", tmp_path / "out-2.tif"
    at_the_end(lambda: out.write_bytes(b"theirs"))
    options = ["--overwrite"] if overwrite else []
    assert run("denoise", image, out, "--quiet", *options, *FAST) == (0 if overwrite else 1)
    assert tifffile.imread(out if overwrite else beside).shape == (20, 24)
    if not overwrite:
        assert out.read_bytes() == b"theirs"
        said = capsys.readouterr().err
        assert said == f"napari-dip: {out} exists and is kept. The result is in {beside} instead.\n"


def test_maps_and_networks_that_appeared_are_kept_too(cells, tmp_path, at_the_end, capsys):
    maps = tmp_path / "maps.tif"
    at_the_end(lambda: maps.write_bytes(b"theirs"))
    arguments = ["--method", "pkn", "--sigma", 20, "--save-maps", maps, "--quiet"]
    assert run("denoise", cells, tmp_path / "out.tif", *arguments) == 1
    assert maps.read_bytes() == b"theirs"
    assert tifffile.imread(tmp_path / "maps-2.tif").shape == (3, 72, 64)
    assert f"The result is in {tmp_path / 'maps-2.tif'} instead" in capsys.readouterr().err


def test_a_folder_that_went_away_during_the_run_costs_nothing(image, tmp_path, elsewhere, at_the_end, capsys):
    folder = tmp_path / "out"
    folder.mkdir()
    at_the_end(lambda: shutil.rmtree(folder))
    assert run("denoise", image, folder / "a.tif", "--quiet", *FAST) == 1
    (there,) = elsewhere["temporary"].iterdir()
    assert provenance(there)["frames"][0]["outcome"] == "MAX_ITERATIONS"
    said = capsys.readouterr().err
    assert said.startswith(f"napari-dip: can't write {folder / 'a.tif'}: there is no folder {folder}. ")
    assert said.endswith(f"The result is in {there} instead.\n")


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a file system of 200 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no file system can be mounted here: {error}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_fills_during_the_run_costs_nothing(image, small_disk, elsewhere, at_the_end, capsys):
    def fill():
        with Path(small_disk, "other").open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass

    at_the_end(fill)
    out = small_disk / "out.npy"
    assert run("denoise", image, out, "--quiet", *FAST) == 1
    assert np.load(elsewhere["temporary"] / "out.npy").shape == (20, 24)
    assert f"can't write {out}: the disk is full" in capsys.readouterr().err
    assert os.listdir(small_disk) == ["other"]


@pytest.mark.parametrize("name", ["out.tif", "out.npy", "out.png", "out.fits"])
def test_a_disk_without_room_is_named_before_the_run(tmp_path, small_disk, name, random, capsys):
    np.save(tmp_path / "in.npy", random.integers(0, 255, (500, 500)).astype(np.uint8))
    assert run("denoise", tmp_path / "in.npy", small_disk / name, "--quiet", *FAST) == 2
    assert "the disk is full" in capsys.readouterr().err
    assert os.listdir(small_disk) == []


def test_room_is_needed_for_all_results_together(tmp_path, small_disk, random, capsys):
    """An image of 72 kB has room, but not with three maps of the same size."""
    np.save(tmp_path / "in.npy", random.normal(100, 20, (130, 140)).astype(np.float32))
    maps = small_disk / "maps.tif"
    arguments = ["--method", "pkn", "--sigma", 20, "--save-maps", maps, "--quiet"]
    assert run("denoise", tmp_path / "in.npy", small_disk / "out.tif", *arguments) == 2
    assert f"can't write {maps}: the disk is full" in capsys.readouterr().err
    assert os.listdir(small_disk) == []


def test_room_is_needed_for_a_network(cells, tmp_path, small_disk, capsys):
    (small_disk / "other").write_bytes(bytes(190_000))
    weights = small_disk / "tuned.safetensors"
    arguments = ["--method", "finetune", "--psf-fwhm", 2, "--save-weights", weights, "--quiet"]
    assert run("super-resolve", cells, tmp_path / "out.tif", *arguments) == 2
    assert f"can't write {weights}: the disk is full" in capsys.readouterr().err
    training = ["train-pkn", cells, "--noisy", "--sigma", 20, "--iterations", 3, "--output", weights]
    assert run(*training) == 2
    assert f"can't write {weights}: the disk is full" in capsys.readouterr().err
