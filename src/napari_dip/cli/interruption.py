"""What Ctrl-C and the signals to end do: they stop a run as Stop does in the viewer."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from napari_dip.optim.stopping import StopRequested

#: Ctrl-C, a request to end such as that of a queue whose time is up, and the end of a terminal.
_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
_STOPPING = b"napari-dip: stopping, and writing the best result so far; a second Ctrl-C ends at once\n"


class Interrupted(KeyboardInterrupt):
    """The program was asked to end.

    Parameters
    ----------
    signum : int
        The signal that asked for it.
    message : str
        What there is of a result.
    """

    def __init__(self, signum: int, message: str = "interrupted; no incomplete file was left") -> None:
        super().__init__(message)
        self.code = 128 + signum


class Interruption:
    """Whether the program was asked to end, and what that does.

    Usually it raises `Interrupted` at once. Within `finishing` the first request only ends the run, so that
    its best result can be written; another Ctrl-C then raises.
    """

    def __init__(self) -> None:
        self.rule = StopRequested(threading.Event())
        self._signum: int | None = None
        self._finishing = False

    @property
    def requested(self) -> bool:
        """Whether the program was asked to end."""
        return self._signum is not None

    def take(self, signum: int, frame: FrameType | None = None) -> None:
        """Take a signal, as its handler."""
        again, self._signum = self.requested, self._signum or signum
        if not again:
            self.rule.event.set()
        # Terminals and queues send the other signals twice: they mean no more the second time.
        if (signum == signal.SIGINT) if again else not self._finishing:
            raise Interrupted(signum)
        if not again:
            with suppress(OSError):  # straight to the descriptor: a message may be half written just now
                os.write(2, _STOPPING)

    def check(self, message: str | None = None) -> None:
        """Raise `Interrupted` if the program was asked to end, also if a library caught the first one."""
        if self._signum is not None:
            raise Interrupted(self._signum) if message is None else Interrupted(self._signum, message)

    @contextmanager
    def finishing(self) -> Iterator[None]:
        """Let a run end by its rule, and its result be written, before `check` raises."""
        self.check()
        self._finishing = True
        try:
            yield
        finally:
            self._finishing = False


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """Handle the signals to end, and give them their handlers back at the end of the block.

    A signal that is ignored stays so: nohup ignores the end of the terminal. Python handles signals in the
    main thread only.
    """
    interruption, before = Interruption(), {}
    try:
        if threading.current_thread() is threading.main_thread():
            for signum in _SIGNALS:
                handler = signal.getsignal(signum)
                if handler not in (signal.SIG_IGN, None):
                    before[signum] = handler
                    signal.signal(signum, interruption.take)
        yield interruption
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
