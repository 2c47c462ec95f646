"""Slow work in a thread of its own, so that the run that needs it can be stopped meanwhile."""

import threading
from collections.abc import Callable, Generator
from typing import Generic, TypeVar

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
    that it is working on, and releases what it holds. It does not keep the interpreter from exiting either.

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
    threading.Thread(target=work.run, name="napari-dip-background", daemon=True).start()
    try:
        while not work.ended.wait(_POLLING):
            yield shown(work.found)
    finally:
        work.abandoned.set()
    if work.error is not None:
        raise work.error
    return work.results[0]


class _Work(Generic[Step, Result]):
    """What the two threads share."""

    def __init__(self, steps: Generator[Step | None, None, Result]) -> None:
        self.steps = steps
        self.found: Step | None = None
        self.results: list[Result] = []
        self.error: BaseException | None = None
        self.ended, self.abandoned = threading.Event(), threading.Event()

    def run(self) -> None:
        """Take one step after another."""
        try:
            while not self.abandoned.is_set():
                step = next(self.steps)
                self.found = self.found if step is None else step
        except StopIteration as end:
            self.results.append(end.value)
        except BaseException as error:  # noqa: BLE001  it is raised where the result is waited for
            self.error = error
        finally:
            self.steps.close()
            self.ended.set()
