"""What can go wrong, in words for the user."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class RestorationError(Exception):
    """A run that failed, with what to do about it.

    It is deliberately no :class:`RuntimeError`: Qt workers swallow those when a generator raises them.

    Attributes
    ----------
    finished : Restoration or None
        What was finished before the run failed, where there is anything.
    """

    finished: Any = None


class DivergenceError(RestorationError):
    """The loss was infinite or not a number from the start."""

    def __init__(self) -> None:
        super().__init__(
            "The loss was no longer a finite number before there was a result. Lower the learning rate."
        )


class InputError(ValueError):
    """An argument that can't be used, with the reason.

    Parameters
    ----------
    argument : str
        Its name.
    message : str
        What was wrong, what was wanted, what to do.
    """

    def __init__(self, argument: str, message: str) -> None:
        super().__init__(message)
        self.argument = argument


class FileError(ValueError):
    """A file that can't be read or written, with the reason."""


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turn what torch and numpy raise when a run fails into what to do about it.

    Raises
    ------
    RestorationError
        In place of a RuntimeError or MemoryError.
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
