"""What the command line says when something fails, and the exit code that it gives."""

import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cyclopts import CycloptsError

from napari_dip.errors import RestorationError

_LOG = logging.getLogger(__name__)

FAILED, UNUSABLE, INTERRUPTED = 1, 2, 130

#: For the end of each help page.
EXIT_CODES = (
    f"Exit codes: 0 if all went well; {FAILED} if a run, one of several files or a frame of a series failed; "
    f"{UNUSABLE} if an option or a file can't be used; {INTERRUPTED} after Ctrl-C."
)


@contextmanager
def exit_codes() -> Iterator[None]:
    """Turn an error into one line on standard error and an exit code.

    Raises
    ------
    SystemExit
        In place of any other exception.
    """
    try:
        yield
    except KeyboardInterrupt:
        _say("interrupted; no incomplete file was left")
        raise SystemExit(INTERRUPTED) from None
    except Exception as error:
        report(error)
        raise SystemExit(_code(error)) from error


def report(error: Exception, path: Path | None = None) -> None:
    """Say in one line what went wrong, and log the traceback.

    Parameters
    ----------
    error : Exception
        What was raised.
    path : Path, optional
        The file of a batch that it belongs to.
    """
    message = " ".join(_message(error).splitlines())
    if path is not None and str(path) not in message:
        message = f"{path}: {message}"
    level = logging.DEBUG if _expected(error) else logging.ERROR
    _LOG.log(level, "Traceback of the error below:", exc_info=error)
    _say(message)


def _message(error: Exception) -> str:
    if isinstance(error, CycloptsError):
        return " ".join(str(error).split())  # it is laid out for a terminal
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    if _expected(error):
        return str(error)
    seen = _LOG.isEnabledFor(logging.DEBUG)
    return f"unexpected {type(error).__name__}: {error}{'' if seen else ' (--debug shows more)'}"


def _code(error: Exception) -> int:
    if isinstance(error, RestorationError):
        return FAILED
    return UNUSABLE if _expected(error) else FAILED


def _expected(error: Exception) -> bool:
    """Return whether this package raised an error on purpose, or the file system did.

    A ValueError of another package is unexpected: those of this package say what is wrong and what to do.
    """
    if isinstance(error, (RestorationError, OSError, CycloptsError)):
        return True
    *_, (origin, _) = traceback.walk_tb(error.__traceback__)
    return isinstance(error, ValueError) and origin.f_globals.get("__name__", "").startswith("napari_dip.")


def _say(message: str) -> None:
    sys.stderr.write(f"napari-dip: {message}\n")
