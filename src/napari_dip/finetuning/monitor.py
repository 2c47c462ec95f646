"""What a run shows of its progress, and what may interrupt it."""

from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import replace
from typing import TypeAlias, TypeVar

import torch
from torch import Tensor

from napari_dip.finetuning.pieces import Pieces
from napari_dip.optim.background import in_background
from napari_dip.optim.iterate import Iterate, Outcome
from napari_dip.optim.stopping import StoppingRule
from napari_dip.problem import Problem

T = TypeVar("T")
Iterates: TypeAlias = Generator[Iterate, None, T]


class Interruption(Exception):
    """A stopping rule has ended a stage.

    Parameters
    ----------
    outcome : Outcome
        What the rule says.
    """

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.value)
        self.outcome = outcome


class Monitor:
    """Yields iterates while a run works, and interrupts the work if a stopping rule says so.

    Parameters
    ----------
    problem : Problem
        The data.
    x : Tensor
        The image to show until there is another.
    stopping_rule : StoppingRule
        Is shown each iterate.
    """

    def __init__(self, problem: Problem, x: Tensor, stopping_rule: StoppingRule) -> None:
        self._problem, self._check = problem, stopping_rule.start()
        #: The iterate to yield next, and the note of the answer if the run ends now.
        self.iterate = Iterate(0, x, x.new_tensor(torch.nan), preparing=True)
        self.final_note = ""
        #: What the rule has said so far.
        self.outcome: Outcome | None = None
        #: Whether a number of iterations may interrupt the work: not before the iterations begin.
        self.iterating = False

    @property
    def pressed(self) -> bool:
        """The answer is wanted as soon as possible."""
        return self.outcome in (Outcome.STOPPED, Outcome.TIME_LIMIT)

    def show(self, x: Tensor, note: str, final_note: str | None = None) -> None:
        """Show an image from now on.

        Parameters
        ----------
        x : Tensor
            The image. It must not change later.
        note : str
            What the user should know of it.
        final_note : str, optional
            The same, for the case that the run is interrupted before the next image. By default `note`.
        """
        self.iterate = replace(self.iterate, x=x, loss=self._problem(x), preparing=False)
        self.note(note, final_note)

    def note(self, note: str, final_note: str | None = None) -> None:
        """Change the notes, as for `show`."""
        self.iterate = replace(self.iterate, note=note)
        self.final_note = note if final_note is None else final_note

    def pause(self) -> Iterates[None]:
        """Yield the iterate.

        Raises
        ------
        Interruption
            The rule ends the run.
        """
        yield self._next()

    def follow(self, pieces: Pieces[T], *, images: bool = False) -> Iterates[T]:
        """Yield iterates while a computation goes on in the background, and return its result.

        Parameters
        ----------
        pieces : generator
            The computation.
        images : bool
            Show its images.

        Raises
        ------
        Interruption
            The rule ends the run.
        """

        def shown(image: Tensor | None) -> Iterate:
            if images and image is not None:
                self.iterate = replace(self.iterate, x=image)
            return self._next()

        return (yield from in_background(pieces, shown))

    def follow_here(self, pieces: Pieces[T]) -> Iterates[T]:
        """Yield an iterate after each piece of a computation, and return its result.

        Networks are trained here rather than in the background, because the estimate of the cost of a run
        looks at what this thread keeps for gradients.
        """
        with closing(pieces):
            while True:
                try:
                    next(pieces)
                except StopIteration as end:
                    return end.value
                yield self._next()

    def insist(self, pieces: Pieces[Tensor], *, cut_short: bool = False) -> Iterates[Tensor]:
        """Yield iterates while a computation that is needed for the answer goes on in the background.

        The rule does not interrupt it. To cancel it, close this generator.

        Parameters
        ----------
        pieces : generator
            The computation.
        cut_short : bool
            If the answer is wanted as soon as possible, return the latest image of the computation, in place
            of its result.
        """
        latest: Tensor | None = None

        def shown(image: Tensor | None) -> Iterate:
            nonlocal latest
            latest = image
            self._ask()
            return self.iterate

        with closing(in_background(pieces, shown)) as iterates:
            while True:
                try:
                    iterate = next(iterates)
                except StopIteration as end:
                    return end.value
                yield iterate
                if cut_short and self.pressed and latest is not None:
                    return latest

    def attempt(self, pieces: Pieces[T]) -> Iterates[T | None]:
        """Yield iterates while a computation that improves the answer goes on, and return its result.

        It is given up, and None returned, if the answer is wanted as soon as possible.

        Parameters
        ----------
        pieces : generator
            The computation.
        """

        def shown(_: Tensor | None) -> Iterate:
            self._ask()
            return self.iterate

        with closing(in_background(pieces, shown)) as iterates:
            while not self.pressed:
                try:
                    iterate = next(iterates)
                except StopIteration as end:
                    return end.value
                yield iterate
        return None

    def answer(self, outcome: Outcome, state: Mapping[str, Tensor] | None) -> Iterate:
        """Return the last iterate, with the note of the answer."""
        x = self.iterate.x
        return replace(
            self.iterate, loss=self._problem(x), outcome=outcome, note=self.final_note, state=state
        )

    def _next(self) -> Iterate:
        """Return the iterate to yield, unless the rule ends the run."""
        self._ask()
        if self.outcome is not None and (self.iterating or self.outcome is not Outcome.MAX_ITERATIONS):
            raise Interruption(self.outcome)
        return self.iterate

    def _ask(self) -> None:
        """Ask the rule for an outcome, until one wants the answer as soon as possible."""
        if not self.pressed:
            self.outcome = self._check(self.iterate) or self.outcome
