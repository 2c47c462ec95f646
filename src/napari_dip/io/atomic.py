"""Writes a file whole or not at all: under a temporary name, which is exchanged for its own at the end."""

import contextlib
import errno
import io
import os
import secrets
import stat
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast

from napari_dip.errors import FileError, reason

T = TypeVar("T")

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
#: What a file system reports that has no means to force data to the disk.
_NO_SYNC = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)


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
    with _draft(path) as (file, temporary):
        yield cast(BinaryIO, file)
        file.sync()
        target = _target(path)
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
    with _draft(path) as (file, _):
        yield cast(BinaryIO, file)
        file.flush()


class _Draft(io.BufferedIOBase):
    """A new file that remembers why writing to it failed.

    Encoders say that in words of their own, or not at all. None of them can go around it, since it has no
    file descriptor.
    """

    def __init__(self, descriptor: int) -> None:
        self._file = os.fdopen(descriptor, "wb")
        self.failure: OSError | None = None

    def _noting_failure(self, do: Callable[..., T], *arguments: Any) -> T:
        try:
            return do(*arguments)
        except OSError as error:
            self.failure = self.failure or error
            raise

    def write(self, data: Any) -> int:
        return self._noting_failure(self._file.write, data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._noting_failure(self._file.seek, offset, whence)

    def truncate(self, size: int | None = None) -> int:
        return self._noting_failure(self._file.truncate, size)

    def flush(self) -> None:
        if not self._file.closed:
            self._noting_failure(self._file.flush)

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def sync(self) -> None:
        """Force what was written to the disk: network drives report only then that they are full."""
        self.flush()
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            if error.errno not in _NO_SYNC:
                raise
        self.close()

    def close(self) -> None:
        self._file.close()
        super().close()


@contextlib.contextmanager
def _draft(path: Path) -> Iterator[tuple[_Draft, Path]]:
    """Yield a new file in the folder of `path` and its name, and remove what is left of it."""
    target = _target(path)
    # Nobody can foresee the name and place a link there; the mode is that of any new file.
    temporary = target.with_name(f".napari-dip-{secrets.token_hex(8)}.part")
    try:
        draft = _Draft(os.open(temporary, _NEW, 0o666))
    except OSError as error:
        raise _place_error(path, error) from error
    # At the latest when Python exits: another signal may interrupt the end of this block.
    remove = weakref.finalize(draft, _remove, temporary)
    try:
        yield draft, temporary
    except Exception as error:
        known = error if isinstance(error, OSError) and error.errno is not None else None
        if (failure := draft.failure or known) is None:
            raise
        raise _place_error(path, failure) from error
    finally:
        with contextlib.suppress(OSError):  # it tries once more to write what did not fit
            draft.close()
        remove()


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
        os.close(os.open(target, _NEW, 0o666))
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
        return PlaceError(
            f"can't write {path}: you don't have the permission to write to the folder {folder}"
        )
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
