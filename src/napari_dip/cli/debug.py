"""Shows on standard error what the package logs."""

import logging
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

from napari_dip._version import __version__

_PACKAGE = "napari_dip"


class _StandardError(logging.Handler):
    """Writes to the standard error of the moment: a progress bar on a terminal replaces it."""

    def emit(self, record: logging.LogRecord) -> None:
        sys.stderr.write(f"{self.format(record)}\n")


@contextmanager
def debugging(on: bool) -> Iterator[None]:
    """Log at the level DEBUG, from the versions in use to the traceback of an error, or change nothing."""
    if not on:
        yield
        return
    package = logging.getLogger(_PACKAGE)
    handler, level = _StandardError(), package.level
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    package.addHandler(handler)
    package.setLevel(logging.DEBUG)
    try:
        package.debug(
            "napari-dip %s, torch %s, Python %s, %s",
            __version__,
            version("torch"),
            platform.python_version(),
            platform.platform(),
        )
        yield
    finally:
        package.removeHandler(handler)
        package.setLevel(level)
