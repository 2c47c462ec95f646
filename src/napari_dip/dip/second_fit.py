"""Missing pixels: a second fit sees what the first one and similar patches have made of them."""

import math
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import replace

from napari_dip.dip.network import mismatched_state
from napari_dip.dip.postfilter import postfilter
from napari_dip.dip.preparation import Preparation, as_input
from napari_dip.dip.settings import FitSettings
from napari_dip.dip.validation import Validation
from napari_dip.errors import DivergenceError
from napari_dip.optim.background import always, in_background
from napari_dip.optim.iterate import Iterate, Outcome, State

#: Yields the iterates of a run with its settings, what is known before it, what is shown until its first
#: iterate, and the weights that it begins with and keeps.
Run = Callable[[FitSettings, Preparation, Iterate, State], Generator[Iterate, None, None]]

#: What the names of the weights of the first fit begin with.
FIRST = "first."
#: Largest share of the iterations that the first fit takes.
_SHARE = 2 / 3
#: Patience of the second fit, as a multiple. It soon gives again what it sees, and then finds more.
_PATIENCE = 2


def worth_second_fit(settings: FitSettings, validation: Validation) -> bool:
    """Whether only missing pixels are wanted, held-out ones judge them, and filters and network suit them."""
    problem = validation.problem
    judged = problem.only_missing and validation.held_out is not None
    suited = validation.suits_classic_filters and settings.network.sees_images(problem.grid.shape)
    return settings.initial_estimate and judged and suited


def fitted_twice(
    run: Run, settings: FitSettings, prepared: Preparation, waiting: Iterate, weights: State
) -> Generator[Iterate, None, None]:
    """Yield the iterates of two runs, the second of which sees the answer of the first, completed.

    The fit finds structure in single images, and non-local Bayes repeats what other patches show. Either
    begins with what the other one has found. Neither sees the held-out pixels, which decide how much of the
    completion the second run sees, and between the answers of both runs. Until the second one is better, the
    answer of the first is repeated.

    Parameters
    ----------
    run : callable
        A run of all networks.
    settings : FitSettings
        Both runs together take so many iterations; the first has a single network.
    prepared : Preparation
        What is known before the first run.
    waiting : Iterate
        Iterate to show until then.
    weights : dict
        Weights to begin with, which are updated.

    Raises
    ------
    RestorationError
        The weights are those of a single run.
    """
    own = {name.removeprefix(FIRST): value for name, value in weights.items() if name.startswith(FIRST)}
    if weights and not own:
        raise mismatched_state()
    once = replace(settings, ensemble_size=1, iterations=max(1, int(_SHARE * settings.iterations)))
    length = 0
    try:
        with closing(run(once, prepared, waiting, own)) as iterates:
            for first in iterates:
                length = max(length, first.index)
                first = replace(first, outcome=None)
                yield first
    finally:
        weights.update({FIRST + name: value for name, value in own.items()})
    completing = postfilter(first.x, prepared.validation, whole=False)
    blind, _ = yield from in_background(completing, always(first))
    seeing = replace(prepared, seen=[*prepared.seen, as_input(blind)])
    rest = settings.iterations - length
    again = replace(settings, iterations=rest, patience=_PATIENCE * settings.patience)
    lowest = math.inf if first.score is None else first.score
    better = False
    with closing(run(again, seeing, replace(first, index=0), weights)) as iterates:
        try:
            for iterate in iterates:
                if iterate.score is not None or iterate.outcome is not None:
                    better = iterate.score is not None and iterate.score <= lowest
                index = length + iterate.index
                if better:
                    yield replace(iterate, index=index)
                else:
                    yield replace(first, index=index, loss=iterate.loss, outcome=iterate.outcome)
        except DivergenceError:  # the first answer is still good
            yield replace(first, index=length, outcome=Outcome.DIVERGED)
