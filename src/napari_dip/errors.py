"""Errors, in words for the user."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class RestorationError(Exception):
    """A run failed; the message says what to do about it.

    It is not a :class:`RuntimeError`, because Qt workers swallow those when a generator raises them.

    Attributes
    ----------
    finished : Restoration or None
        The frames that were finished before the run failed, if there are any.

    Examples
    --------
    >>> from napari_dip import RestorationError
    >>> try:
    ...     raise RestorationError("There is not enough memory for this image.")
    ... except RestorationError as error:
    ...     print(error, error.finished)
    There is not enough memory for this image. None
    """

    finished: Any = None


class DivergenceError(RestorationError):
    """The loss was infinite or NaN from the start."""

    def __init__(self) -> None:
        super().__init__(
            "The loss became infinite or NaN before there was a result. Lower the learning rate."
        )


class InputError(ValueError):
    """An argument can't be used; the message says why.

    Parameters
    ----------
    argument : str
        Name of the argument.
    message : str
        What was wanted, what came, and what to do.
    """

    def __init__(self, argument: str, message: str) -> None:
        super().__init__(message)
        self.argument = argument


class FileError(ValueError):
    """A file can't be read or written; the message says why.

    Examples
    --------
    >>> from napari_dip import FileError
    >>> issubclass(FileError, ValueError)
    True
    """


#: What the file system reports, by the name of its code; not every system has all of them.
_REASONS = {
    "EACCES": "you don't have permission",
    "EPERM": "you don't have permission",
    "EROFS": "the disk is read-only (Read-only file system)",
    "ENOSPC": "the disk is full (No space left on device)",
    "EDQUOT": "your disk quota is used up",
    "EFBIG": "the file is larger than the disk or your system allows",
    "ENOENT": "there is no such file or folder",
    "ENOTDIR": "a part of the path is a file, not a folder",
    "EISDIR": "it is a folder",
    "ENAMETOOLONG": "its name is too long (File name too long)",
    "ELOOP": "its symbolic links form a loop",
    "EIO": "the disk or the connection to it failed",
    "ENXIO": "the disk or the connection to it failed",
    "ENODEV": "the disk or the connection to it failed",
    "ESTALE": "the connection to the network drive was lost",
    "ETIMEDOUT": "the connection to the network drive was lost",
    "EMFILE": "too many files are open",
    "ENFILE": "too many files are open",
}
_BY_CODE = {getattr(errno, name): words for name, words in _REASONS.items() if hasattr(errno, name)}


def reason(error: OSError) -> str:
    """Return in words why the file system refused something, to follow a colon."""
    return _BY_CODE.get(error.errno or 0) or error.strerror or str(error) or type(error).__name__


@contextmanager
def translated_errors() -> Iterator[None]:
    """Translate the errors that torch and numpy raise in a run into advice for the user.

    Raises
    ------
    RestorationError
        Instead of a RuntimeError or MemoryError.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        text = str(error).strip() or type(error).__name__
        first = text.splitlines()[0]
        if isinstance(error, MemoryError) or "out of memory" in text or "allocate memory" in text:
            raise RestorationError(
                "There is not enough memory for this image. Restore a part of it, use a narrower network, or "
                f"another device. ({first})"
            ) from error
        raise RestorationError(f"The run failed: {text}") from error
