"""Writes a file whole or not at all: under a temporary name, which is replaced by its own at the end."""

import contextlib
import errno
import os
import secrets
import stat
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from napari_dip.errors import FileError, reason

#: What a file system reports that has no means to force data to the disk.
_NO_SYNC = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)
#: Bytes that tell whether a disk is full; what did not fit may leave a few blocks free.
_PROBE = 2**20


class PlaceError(FileError):
    """The file system refuses a file of this name; another folder may take it."""


class ExistsError(FileError):
    """There is a file of this name, which was not to be replaced."""


@contextlib.contextmanager
def new_file(path: Path, *, overwrite: bool = True) -> Iterator[BinaryIO]:
    """Yield a file that becomes `path` at the end of the block, if that raises no exception.

    It is written under a random name in the same folder, forced to the disk, and renamed. An existing file
    passes on its permissions. If it is a symbolic link, its target is replaced.

    Parameters
    ----------
    path : Path
        File to write.
    overwrite : bool
        Replace an existing file.

    Raises
    ------
    ExistsError
        A file of this name exists, or appeared during the block, and `overwrite` is false.
    PlaceError
        The disk is full, the folder is read-only or gone, and the like. Nothing is left behind.
    """
    with _draft(path) as (file, temporary, target):
        yield file
        _sync(file)
        if overwrite:
            _replace(temporary, target)
        else:
            _claim(temporary, target)
        _sync_folder(target.parent)


@contextlib.contextmanager
def trial_file(path: Path) -> Iterator[BinaryIO]:
    """Yield a file that `new_file` could write for this path, and remove it at the end of the block.

    Raises
    ------
    PlaceError
        As for `new_file`.
    """
    with _draft(path) as (file, *_):
        yield file
        file.flush()


@contextlib.contextmanager
def _draft(path: Path) -> Iterator[tuple[BinaryIO, Path, Path]]:
    """Yield a new file, its name, and the name that it is meant for; remove what is left of it."""
    target = _target(path)
    # Nobody can foresee the name and place a link there; the mode is that of any new file.
    temporary = target.with_name(f".napari-dip-{secrets.token_hex(8)}.part")
    try:
        file = open(temporary, "wb", opener=_exclusively)  # noqa: SIM115  a Path has no opener
    except OSError as error:
        raise _place_error(path, error) from error
    # At the latest when Python exits: another signal may interrupt the end of this block.
    remove = weakref.finalize(file, _remove, temporary)
    try:
        yield file, temporary, target
    except (PlaceError, ExistsError):
        raise
    except Exception as error:
        failure = _failure(file, error)
        if failure is None:
            raise
        raise _place_error(path, failure) from error
    finally:
        with contextlib.suppress(OSError):  # it tries once more to write what did not fit
            file.close()
        remove()


def _exclusively(name: str, flags: int) -> int:
    """Open a file that does not exist. Python's mode for that, "x", is unknown to astropy."""
    return os.open(name, flags | os.O_EXCL, 0o666)


def _failure(file: BinaryIO, error: Exception) -> OSError | None:
    """Return why the file system refuses a file, if that is why an encoder failed.

    Encoders often say so in words of their own: NumPy says "160000 requested and 76744 written". So the disk
    is asked once more.
    """
    if isinstance(error, OSError) and error.errno is not None:
        return error
    try:
        if not file.closed:
            file.seek(0, os.SEEK_END)
            file.write(bytes(_PROBE))
            file.flush()
    except OSError as refused:
        return refused
    return None


def _sync(file: BinaryIO) -> None:
    """Force what was written to the disk, and close it: only then network drives say that they are full."""
    file.flush()
    try:
        os.fsync(file.fileno())
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
    file.close()


def _target(path: Path) -> Path:
    """Return the file that a path stands for, at the end of its symbolic links."""
    return Path(os.path.realpath(path))


def _replace(temporary: Path, target: Path) -> None:
    """Give a file the name and the permissions of another one, if that exists."""
    with contextlib.suppress(FileNotFoundError):
        old = target.stat()
        if not stat.S_ISREG(old.st_mode):  # a device, for example
            raise ExistsError(f"can't replace {target}: it is not an ordinary file")
        with contextlib.suppress(OSError, AttributeError):  # only root may give files away
            os.chown(temporary, old.st_uid, old.st_gid)
        temporary.chmod(stat.S_IMODE(old.st_mode))
    temporary.replace(target)


def _claim(temporary: Path, target: Path) -> None:
    """Give a file a name that no other file has, also if another program wants that name now."""
    try:
        target.hardlink_to(temporary)  # unlike a rename, it fails where a file exists
        return
    except FileExistsError as error:
        raise _exists_error(target) from error
    except (OSError, NotImplementedError):  # not every file system has hard links
        pass
    try:
        target.open("xb").close()
    except FileExistsError as error:
        raise _exists_error(target) from error
    try:
        temporary.replace(target)
    except BaseException:
        _remove(target)
        raise


def _exists_error(target: Path) -> ExistsError:
    return ExistsError(f"{target} exists and is kept")


def _place_error(path: Path, error: OSError) -> PlaceError:
    folder = _target(path).parent if os.path.islink(path) else path.parent  # noqa: PTH114  it never raises
    if error.errno == errno.ENOENT and not folder.is_dir():
        return PlaceError(f"can't write {path}: there is no folder {folder}")
    if error.errno in (errno.EACCES, errno.EPERM):
        return PlaceError(f"can't write {path}: you don't have permission to write to the folder {folder}")
    return PlaceError(f"can't write {path}: {reason(error)}")


def _sync_folder(folder: Path) -> None:
    """Force the new name to the disk too, where the system has a means to; the file itself is safe."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()
