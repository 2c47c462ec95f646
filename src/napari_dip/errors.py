"""Errors, in words for the user."""

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
