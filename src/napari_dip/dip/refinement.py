"""What is done to the answer of a run before it is given out."""

from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import replace

from napari_dip.optim.background import always, in_background
from napari_dip.optim.iterate import Iterate


def refined(
    iterates: Iterable[Iterate], refine: Callable[[Iterate], Generator[None, None, Iterate]]
) -> Iterator[Iterate]:
    """Refine the answer of a run that was not stopped from outside.

    Meanwhile the answer is repeated without its outcome, so that the run can still be stopped.

    Parameters
    ----------
    iterates : iterable of Iterate
        A run; its last iterate, which has an outcome, is the answer.
    refine : callable
        Returns a better answer, in steps. It is not asked about an image that is not finite.
    """
    for iterate in iterates:
        if iterate.outcome is not None and iterate.x.isfinite().all():
            waiting = always(replace(iterate, outcome=None))
            iterate = yield from in_background(refine(iterate), waiting)
        yield iterate
