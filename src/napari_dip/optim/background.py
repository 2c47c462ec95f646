"""Slow work in threads of its own, so that the run that needs it can be stopped meanwhile."""

import threading
from collections.abc import Callable, Generator
from typing import Any, Generic, TypeVar

import torch

#: Seconds between two looks at the work: iterates should never be more than 0.1 s apart.
_POLLING = 0.05

Step = TypeVar("Step")
Item = TypeVar("Item")
Result = TypeVar("Result")


def in_background(
    steps: Generator[Step | None, None, Result], shown: Callable[[Step | None], Item]
) -> Generator[Item, None, Result]:
    """Run a generator in a thread, and yield twenty times a second until it has returned.

    Close the returned generator to abandon the work. Nobody waits for the thread then: it ends after the step
    that it is working on, and releases what it holds. The interpreter exits after that step too: a thread
    that is cut off inside torch would crash it.

    Parameters
    ----------
    steps : generator
        Slow work. It yields between its steps, where it can be abandoned, and may yield what it has found so
        far. Its exceptions are raised in the thread that waits for it.
    shown : callable
        Returns what to yield, from the latest value other than None that the work has yielded, or from None.

    Yields
    ------
    object
        What `shown` returns.

    Returns
    -------
    object
        What the work returns.
    """
    work = _Work(steps)
    threading.Thread(target=work.run_with_torch, name="napari-dip-background", daemon=False).start()
    work.began.wait()
    try:
        while not work.ended.wait(_POLLING):
            yield shown(work.found)
    finally:
        work.abandoned.set()
    return work.result()


def always(item: Item) -> Callable[[object], Item]:
    """Return a function for `in_background` that shows the same item, whatever has been found."""
    return lambda found: item


def library_call(function: Callable[..., Result], *arguments: Any) -> Generator[None, None, Result]:
    """Call a function that takes long and can't be stopped; yield twenty times a second until it returns.

    If the returned generator is closed, the call goes on in a thread of its own until it returns. It does not
    keep the interpreter from exiting, so it must not call torch.
    """

    def call() -> Generator[None, None, Result]:
        yield
        return function(*arguments)

    work: _Work[None, Result] = _Work(call())
    threading.Thread(target=work.run, name="napari-dip-library-call", daemon=True).start()
    while not work.ended.wait(_POLLING):
        yield
    return work.result()


class _Work(Generic[Step, Result]):
    """What the thread that works shares with the one that waits."""

    def __init__(self, steps: Generator[Step | None, None, Result]) -> None:
        self.steps = steps
        self.found: Step | None = None
        self.began, self.ended, self.abandoned = (threading.Event() for _ in range(3))
        self._results: list[Result] = []
        self._error: BaseException = RuntimeError("the work was abandoned")

    def run_with_torch(self) -> None:
        """Adopt torch's number of threads, and take one step after another.

        A thread adopts the number when it first asks for it, and keeps it. That of the run is set until
        `in_background` first yields.
        """
        torch.get_num_threads()
        self.began.set()
        self.run()

    def run(self) -> None:
        """Take one step after another."""
        try:
            while threading.main_thread().is_alive() and not self.abandoned.is_set():
                step = next(self.steps)
                self.found = self.found if step is None else step
        except StopIteration as end:
            self._results.append(end.value)
        except BaseException as error:  # noqa: BLE001  it is raised where the result is waited for
            self._error = error
        finally:
            self.steps.close()
            self.ended.set()

    def result(self) -> Result:
        """Return what the work has returned, or raise what it has raised."""
        if not self._results:
            raise self._error
        return self._results[0]
