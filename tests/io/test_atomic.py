"""A file is whole or not there, whoever else writes in its folder."""

import errno
import gc
import os
import shutil
import stat
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from napari_dip.io import atomic
from napari_dip.io.atomic import ExistsError, PlaceError, new_file, trial_file

posix = pytest.mark.skipif(os.name != "posix", reason="needs the permissions and links of POSIX")


def put(path, data=b"new", meanwhile=lambda: None, **options):
    """Write a file; something may happen before it gets its name."""
    with new_file(path, **options) as file:
        file.write(data)
        meanwhile()


def fail_with(error):
    raise error


def test_a_file_appears_only_when_it_is_whole(tmp_path):
    with new_file(tmp_path / "a") as file:
        file.write(b"half")
        assert not (tmp_path / "a").exists()
        assert len(os.listdir(tmp_path)) == 1
        file.write(b"whole")
    assert (tmp_path / "a").read_bytes() == b"halfwhole"
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("error", [ValueError, MemoryError, KeyboardInterrupt, SystemExit])
def test_whatever_ends_the_writing_nothing_is_left_and_the_old_file_stays(tmp_path, error):
    (tmp_path / "a").write_bytes(b"precious")
    with pytest.raises(error):
        put(tmp_path / "a", b"half", lambda: fail_with(error))
    with pytest.raises(error), trial_file(tmp_path / "a"):
        raise error
    assert os.listdir(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"precious"


def test_a_trial_leaves_nothing(tmp_path):
    with trial_file(tmp_path / "a") as file:
        file.write(b"data")
    assert os.listdir(tmp_path) == []


def test_jobs_of_one_process_do_not_mix_their_files(tmp_path):
    """Threads share the number of their process, as jobs in different containers may."""
    sizes = range(1, 41)

    def job(number):
        for _ in range(3):
            put(tmp_path / f"{number}", bytes([number]) * number * 1000)

    threads = [threading.Thread(target=job, args=(number,)) for number in sizes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(os.listdir(tmp_path), key=int) == [f"{number}" for number in sizes]
    for number in sizes:
        assert (tmp_path / f"{number}").read_bytes() == bytes([number]) * number * 1000


def test_only_one_of_many_jobs_gets_a_name(tmp_path):
    won, lost = [], []

    def job(number):
        try:
            put(tmp_path / "a", bytes([number]) * 1000, overwrite=False)
            won.append(number)
        except ExistsError:
            lost.append(number)

    threads = [threading.Thread(target=job, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert len(lost) == 19
    assert (tmp_path / "a").read_bytes() == bytes(won) * 1000
    assert os.listdir(tmp_path) == ["a"]


@posix
def test_a_planted_link_is_not_followed(tmp_path, monkeypatch):
    """Even if the random name were known."""
    monkeypatch.setattr(atomic.secrets, "token_hex", lambda _: "known")
    (tmp_path / "victim").write_bytes(b"precious")
    (tmp_path / ".napari-dip-known.part").symlink_to(tmp_path / "victim")
    with pytest.raises(PlaceError):
        put(tmp_path / "a")
    assert (tmp_path / "victim").read_bytes() == b"precious"


@pytest.mark.parametrize("link", [False, True])
def test_a_file_that_appears_meanwhile_is_kept(tmp_path, link):

    def appear():
        (tmp_path / ("b" if link else "a")).write_bytes(b"theirs")
        if link:
            (tmp_path / "a").symlink_to(tmp_path / "b")

    with pytest.raises(ExistsError, match="exists"):
        put(tmp_path / "a", meanwhile=appear, overwrite=False)
    assert (tmp_path / "a").read_bytes() == b"theirs"
    assert sorted(os.listdir(tmp_path)) == (["a", "b"] if link else ["a"])


@pytest.mark.parametrize("exists", [False, True])
def test_without_hard_links_a_file_that_appears_meanwhile_is_kept_too(tmp_path, monkeypatch, exists):
    def refuse(*_):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    if exists:
        (tmp_path / "a").write_bytes(b"theirs")
        with pytest.raises(ExistsError, match="exists"):
            put(tmp_path / "a", overwrite=False)
    else:
        put(tmp_path / "a", overwrite=False)
    assert (tmp_path / "a").read_bytes() == (b"theirs" if exists else b"new")
    assert os.listdir(tmp_path) == ["a"]


@posix
@pytest.mark.parametrize("mask", [0o022, 0o027, 0o077, 0o002])
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_new_file_has_the_mode_of_any_new_file(tmp_path, mask, overwrite):
    before = os.umask(mask)
    try:
        put(tmp_path / "a", overwrite=overwrite)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o666 & ~mask


@posix
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o755])
def test_a_replaced_file_keeps_its_mode(tmp_path, mode):
    (tmp_path / "a").write_bytes(b"old")
    (tmp_path / "a").chmod(mode)
    put(tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"new"
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == mode


@posix
def test_a_link_stays_and_its_target_is_replaced(tmp_path):
    """Also through several links, relative ones, and one whose target does not exist yet."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a").write_bytes(b"old")
    (tmp_path / "first").symlink_to("second")
    (tmp_path / "second").symlink_to(Path("data", "a"))
    (tmp_path / "dangling").symlink_to(Path("data", "b"))
    put(tmp_path / "first")
    put(tmp_path / "dangling", overwrite=False)
    assert all((tmp_path / name).is_symlink() for name in ("first", "second", "dangling"))
    assert (tmp_path / "data" / "a").read_bytes() == b"new"
    assert (tmp_path / "data" / "b").read_bytes() == b"new"
    assert sorted(os.listdir(tmp_path / "data")) == ["a", "b"]


@posix
def test_a_device_is_not_replaced(tmp_path):
    (tmp_path / "a").symlink_to(tmp_path / "pipe")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ExistsError, match="not an ordinary file"):
        put(tmp_path / "a")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere/a", "can't write .*: there is no folder .*nowhere"),
        ("file/a", "can't write .*: a part of the path is a file"),
        ("x" * 300, "can't write .*: its name is too long"),
    ],
)
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_place_that_can_not_be_written_to_is_named(tmp_path, name, message, overwrite):
    (tmp_path / "file").touch()
    with pytest.raises(PlaceError, match=message):
        put(tmp_path / name, overwrite=overwrite)
    assert os.listdir(tmp_path) == ["file"]


def test_a_folder_is_not_replaced(tmp_path):
    (tmp_path / "a").mkdir()
    for overwrite in (False, True):
        with pytest.raises((ExistsError, PlaceError)):
            put(tmp_path / "a", overwrite=overwrite)
    assert (tmp_path / "a").is_dir()
    assert os.listdir(tmp_path) == ["a"]


@posix
def test_a_folder_that_is_gone_at_the_end_is_named(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    with pytest.raises(PlaceError, match="there is no folder"):
        put(folder / "a", meanwhile=lambda: shutil.rmtree(folder))


@contextmanager
def small_files():
    """Files of at most 50 kB; this stands for a disk that is full at some point of the writing."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def encode_with_words_of_its_own(file):
    try:
        file.write(bytes(100_000))
    except OSError as error:
        raise RuntimeError("encoder error -2") from error


def encode_without_a_reason(file):
    file.flush()
    np.zeros(100_000, np.uint8).tofile(file)  # OSError: 100000 requested and 50000 written


def encode_in_a_buffer(file):
    for _ in range(100):
        file.write(bytes(1000))


@pytest.mark.parametrize(
    "encode", [encode_with_words_of_its_own, encode_without_a_reason, encode_in_a_buffer]
)
@pytest.mark.parametrize("manager", [new_file, trial_file])
def test_the_reason_is_that_of_the_file_system_whatever_the_encoder_says(tmp_path, encode, manager):
    with (
        small_files(),  # no longer than this: the output of the tests may be a file too
        pytest.raises(PlaceError, match="the file is larger than the disk or"),
        manager(tmp_path / "a") as file,
    ):
        encode(file)
    assert os.listdir(tmp_path) == []


def test_an_encoder_that_fails_on_a_disk_with_room_speaks_for_itself(tmp_path):
    with pytest.raises(RuntimeError, match="odd"):
        put(tmp_path / "a", meanwhile=lambda: fail_with(RuntimeError("odd")))
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="needs reference counts")
def test_an_abandoned_file_goes_with_its_object(tmp_path):
    """A second signal may interrupt the end of the block."""
    manager = new_file(tmp_path / "a")
    manager.__enter__().write(b"half")
    del manager
    gc.collect()
    assert os.listdir(tmp_path) == []
