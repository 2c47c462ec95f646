"""The settings of torch that belong to the whole process, and that a run needs to be its own."""

from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from typing import TypeVar

#: Kinds of devices for which a caller may have chosen another number format.
_AUTOCAST = ("cpu", "cuda")

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_own_environment(
    steps: Generator[Item, None, Result], threads: int | None
) -> Generator[Item, None, Result]:
    """Take each step of a run in an environment of its own; at each yield the caller's is back.

    Parameters
    ----------
    steps : generator
        The run.
    threads : int, optional
        Number of threads in which torch computes; by default the caller's.
    """
    try:
        while True:
            with own_environment(threads):
                try:
                    item = next(steps)
                except StopIteration as end:
                    return end.value
            yield item
    finally:
        with own_environment(threads):
            steps.close()


@contextmanager
def own_environment(threads: int | None = None) -> Iterator[None]:
    """Undo, for a while, what a caller has set for all of torch.

    These are inference mode, autocast, a default device and the number of threads. A default dtype makes no
    difference, because this package always says which dtype it wants.
    """
    import torch

    with ExitStack() as stack:
        # No gradient flows through tensors that are made in a caller's inference mode.
        stack.enter_context(torch.inference_mode(False))
        for device in _AUTOCAST:
            if torch.is_autocast_enabled(device):
                stack.enter_context(torch.autocast(device, enabled=False))
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        if threads is not None:
            stack.callback(torch.set_num_threads, torch.get_num_threads())
            torch.set_num_threads(threads)
        yield
