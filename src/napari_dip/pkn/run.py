"""The run of a kernel network on one image, which can be stopped between its steps."""

import warnings
from collections.abc import Generator, Iterator, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from napari_dip.filters.recovery import sources_measurable, with_sources
from napari_dip.operators import Blur, Resample
from napari_dip.optim.iterate import Iterate, Outcome
from napari_dip.optim.stopping import Never, StoppingRule
from napari_dip.pkn.filtering import Filtering, enlarged
from napari_dip.pkn.maps import maps_of
from napari_dip.pkn.observe import observing
from napari_dip.pkn.selection import KernelChoice, PredictorName, kernel_for, predictor_for
from napari_dip.pkn.sums import with_sums_of_data
from napari_dip.problem import Problem
from napari_dip.steps import Steps, announced

#: Values of an image that are filtered in about a tenth of a second, noise measurement included. Nobody needs
#: to stop a run that is no longer than that.
_AT_ONCE = 2**16
#: Number of times that an unfinished image is shown. Each time copies it.
_VIEWS = 4


def preparing(
    problem: Problem,
    guide: Tensor | None,
    maps: Mapping[str, Tensor] | None,
    *,
    kernel: KernelChoice,
    predictor: PredictorName,
    weights: str | None,
    strength: float,
    self_ensemble: bool,
    separate_colours: bool,
) -> Steps[Filtering]:
    """Return, in steps, the kernel that suits a problem with its parameters at each pixel.

    Parameters
    ----------
    problem, guide, maps
        As for `PKN.solve`.
    kernel, predictor, weights, strength, self_ensemble, separate_colours
        The settings of `PKN`.
    """
    chosen = kernel_for(problem.operator, kernel)
    observation = yield from observing(problem, guide)
    if maps:
        given = Filtering.given(chosen, observation, maps, strength)
        return replace(given, self_ensemble=self_ensemble)
    found = predictor_for(chosen, predictor, weights).to(problem.data.device)
    return (
        yield from Filtering.predicting(
            chosen,
            observation,
            found,
            strength,
            self_ensemble=self_ensemble,
            separate_colours=separate_colours,
        )
    )


def run(
    problem: Problem, preparation: Steps[Filtering], rule: StoppingRule | None, *, recover_sources: bool
) -> Iterator[Iterate]:
    """Yield an iterate between the steps, then the answer.

    Parameters
    ----------
    problem : Problem
        With two spatial axes.
    preparation : Steps[Filtering]
        Returns the kernel with its parameters.
    rule : StoppingRule, optional
        May end the run between two steps. The unfinished image is the answer then.
    recover_sources : bool
        Put faint sources back that the filter has weakened, where they are measurable.

    Yields
    ------
    Iterate
        Until the answer its index is 0, and its loss that of the data as they were measured. A small image
        gives nothing but the answer.
    """
    check = (rule or Never()).start()
    draft = _Draft(problem, recover_sources=recover_sources)
    waits = draft.x.numel() > _AT_ONCE
    loss = problem(draft.x) if waits else draft.x.new_zeros(())
    for note in draft.steps(preparation):
        if not waits:
            continue
        unfinished = Iterate(0, draft.x, loss, note=note)
        ended = check(unfinished)
        if ended is not None:
            yield draft.abandoned(ended)
            return
        yield unfinished
    answer = draft.answer
    if check(answer) is Outcome.STOPPED:  # the next frame of a series is not wanted
        answer = replace(answer, outcome=Outcome.STOPPED)
    yield answer


class _Draft:
    """The restored image while it is being computed.

    Attributes
    ----------
    x : Tensor
        The image as it was when it was last shown; it is not modified.
    answer : Iterate
        The finished image.
    """

    answer: Iterate

    def __init__(self, problem: Problem, *, recover_sources: bool) -> None:
        self._problem, self._recover_sources = problem, recover_sources
        self._filtering: Filtering | None = None
        self._image = problem.data
        if isinstance(problem.operator, Resample):
            self._image = enlarged(problem.data, problem.operator.factors[0])
        self._written, self._pixels = 0, self._image[0, 0].numel()
        self.x = problem.widened(self._image)

    def steps(self, preparation: Steps[Filtering]) -> Iterator[str]:
        """Compute the image; yield, between the steps, a sentence about what is being done."""
        self._filtering = yield from preparation
        self._image = self._filtering.unfiltered()
        shown = 0
        for written in self._filtering.write(self._image):
            self._written = written
            if written == self._pixels:
                break
            if _VIEWS * (written - shown) >= self._pixels:
                self.x, shown = self._finished(self._without_nan()), written
            yield f"Filtering: {written / self._pixels:.0%} of the image is done."
        self.answer = self._filtered(self._filtering)
        self.x = self.answer.x
        if self._recover_sources:
            self.answer = yield from announced("Looking for faint sources.", self._with_sources())

    def _with_sources(self) -> Generator[None, None, Iterate]:
        """Return the answer with its faint sources, where they are measurable."""
        problem = self._problem
        if not sources_measurable(problem):
            return self.answer
        yield
        answer = yield from with_sources(problem, self.answer)
        return replace(answer, loss=problem(answer.x))

    def _filtered(self, filtering: Filtering) -> Iterate:
        """Return the image that the filter gives."""
        image, blind = filtering.completed(self._image)
        if blind:
            warnings.warn(
                f"{blind} pixels have no observed pixel within reach of the filter and take the value of the "
                "nearest one",
                stacklevel=2,
            )
        if isinstance(self._problem.operator, Blur):
            image = with_sums_of_data(image, self._problem, filtering.observation.image)
        x = self._finished(image)
        return Iterate(1, x, self._problem(x), outcome=Outcome.COMPUTED, maps=maps_of(filtering))

    def abandoned(self, outcome: Outcome) -> Iterate:
        """Return the image as far as it was filtered when the run was stopped."""
        if self._written == self._pixels:
            return replace(self.answer, outcome=outcome)
        x = self._finished(self._without_nan())
        note = (
            f"Only {self._written / self._pixels:.0%} of the image was filtered; the rest is the image as it "
            "was measured."
            if self._written
            else "Nothing was filtered: this is the image as it was measured."
        )
        return Iterate(0, x, self._problem(x), outcome=outcome, note=note)

    def _without_nan(self) -> Tensor:
        """Return a copy of the image; pixels without an observed one in reach are as if not yet filtered."""
        if self._filtering is None or self._filtering.observation.seen is None:
            return self._image.clone()
        return torch.where(self._image.isnan(), self._filtering.unfiltered(), self._image)

    def _finished(self, image: Tensor) -> Tensor:
        if self._problem.floor is not None:
            image = image.clamp_min(self._problem.floor)
        return self._problem.widened(image)
