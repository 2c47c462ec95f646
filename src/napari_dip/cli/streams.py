"""Standard output and error that may be full, closed or broken: messages are lost then, and nothing else."""

import contextlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO, cast


class _Tolerant:
    """A text stream that drops what it can't write.

    Parameters
    ----------
    stream : text stream
        Where the text goes.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write as much of a text as the stream takes; return the length of the text."""
        try:
            self._stream.write(text)
        except UnicodeEncodeError:
            encoding = self._stream.encoding or "ascii"
            self.write(text.encode(encoding, "backslashreplace").decode(encoding))
        except (OSError, ValueError):  # full, broken, or closed by another library
            pass
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write texts."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Flush, if the stream can be."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()

    def settle(self) -> None:
        """Let Python end quietly: it would complain at its end of what can't be written."""
        try:
            self._stream.flush()
        except (OSError, ValueError):
            with contextlib.suppress(OSError, ValueError), Path(os.devnull).open("wb") as nothing:
                os.dup2(nothing.fileno(), self._stream.fileno())


@contextmanager
def tolerant_streams() -> Iterator[None]:
    """Let no message to standard output or error raise an exception.

    Descriptors that are closed are opened on nothing first. Otherwise the next file that is opened, such as a
    result, would have the number of standard error, and libraries would write their warnings into it.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    before = sys.stdout, sys.stderr
    with Path(os.devnull).open("w", encoding="utf-8") as nothing:
        # Python has no stream where the descriptor was closed.
        streams = [_Tolerant(stream or nothing) for stream in before]
        sys.stdout, sys.stderr = (cast(TextIO, stream) for stream in streams)
        try:
            yield
        finally:
            sys.stdout, sys.stderr = before
            for stream in streams:
                stream.settle()
