"""What the command line says when something fails, and the exit code that it gives."""

import logging
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cyclopts import CycloptsError

from napari_dip.cli.interruption import Interrupted
from napari_dip.errors import RestorationError, reason

_LOG = logging.getLogger(__name__)

FAILED, UNUSABLE = 1, 2

#: For the end of each help page.
EXIT_CODES = (
    f"Exit codes: 0 if all went well; {FAILED} if a run, one of several files or a frame of a series failed, "
    f"or if a result could not be written where it was asked for; {UNUSABLE} if an option or a file can't be "
    "used; 130 after Ctrl-C, 143 after SIGTERM and 129 after SIGHUP, which stop the run and write its best "
    "result so far. A second Ctrl-C ends at once and writes nothing."
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
    except KeyboardInterrupt as error:
        interrupted = error if isinstance(error, Interrupted) else Interrupted(signal.SIGINT)
        say(str(interrupted))
        raise SystemExit(interrupted.code) from None
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
    level = logging.DEBUG if _expected(error) else logging.ERROR
    _LOG.log(level, "Traceback of the error below:", exc_info=error)
    say(one_line(error, path))


def one_line(error: Exception, path: Path | None = None) -> str:
    """Return in one line what went wrong, and with which file."""
    message = " ".join(_message(error).splitlines())
    return message if path is None or str(path) in message else f"{path}: {message}"


def _message(error: Exception) -> str:
    if isinstance(error, CycloptsError):
        return " ".join(str(error).split())  # it is laid out for a terminal
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {reason(error)}"
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


def say(message: str) -> None:
    """Write a line to standard error, also where the user asked for errors only."""
    sys.stderr.write(f"napari-dip: {message}\n")
