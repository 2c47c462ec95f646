"""Runs commands in processes of their own, for signals and for what a shell does with descriptors."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager

#: A run that goes on until it is stopped.
ENDLESS = ["--patience", "100000", "--iterations", "100000", "--no-postfilter"]
_SIGNALS = (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM))


def command(*arguments):
    """Return a command of the package as words."""
    return [sys.executable, "-m", "napari_dip", *map(str, arguments)]


@contextmanager
def started(*arguments, ignored=(), **options):
    """Start a command; its standard error is a pipe of text.

    All signals that end it have their default handlers, but for those that are ignored: a job in the
    background of a script inherits a SIGINT that is ignored.
    """

    def prepare():
        for signum in _SIGNALS:
            signal.signal(signum, signal.SIG_IGN if signum in ignored else signal.SIG_DFL)

    options = {"stderr": subprocess.PIPE, "text": True, "preexec_fn": prepare, **options}
    process = subprocess.Popen(
        command(*arguments), env={**os.environ, "OMP_NUM_THREADS": "1", **options.pop("env", {})}, **options
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stderr is not None:
            process.stderr.close()


def wait_for(process, words):
    """Read standard error up to a line with these words, and return what was read."""
    read = []
    for line in process.stderr:
        read.append(line)
        if words in line:
            return "".join(read)
    raise AssertionError(f"the process ended without saying {words!r}:\n{''.join(read)}")


def ended(process):
    """Return the exit code and the rest of standard error."""
    rest = process.stderr.read()
    return process.wait(timeout=120), rest
