"""The run of a series: one frame after another, as a stream of iterates."""

import logging
import math
import warnings
from collections import defaultdict
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Self

from napari_dip.device import Device, choose
from napari_dip.errors import DivergenceError, RestorationError, translated_errors
from napari_dip.image.units import Units
from napari_dip.optim.iterate import Iterate, Outcome, StoppingCriterion
from napari_dip.restoration.checks import (
    checked_seed,
    checked_threads,
    nothing_missing,
    nothing_to_restore,
    refuse_other_arguments,
    refuse_other_outcomes,
)
from napari_dip.restoration.environment import in_own_environment, own_environment
from napari_dip.restoration.remarks import SuspectDataWarning, remarks
from napari_dip.restoration.series import Following, Series

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from napari_dip.diagnostics.report import Diagnostics
    from napari_dip.image.registration import Drift
    from napari_dip.methods import Method
    from napari_dip.methods.base import State
    from napari_dip.optim.stopping import StoppingRule
    from napari_dip.restoration.frame import Frame
    from napari_dip.restoration.measurement import Measurement
    from napari_dip.tasks import Task

_LOG = logging.getLogger(__name__)

Index = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class SeriesRun:
    """All that a run depends on, checked before its first iterate.

    Parameters
    ----------
    series : Series
        The frames, the task and the method, with nothing left open in the method.
    device : str
        Where to compute.
    seed : int
        Of all random numbers.
    threads : int, optional
        Number of threads in which torch computes; by default the caller's.
    initial_state : dict, optional
        What an earlier run with the same method returned.
    stopping_rule : StoppingRule, optional
        Stops the run as well as the method's own rules do.
    uncertainty : bool
        Measure how far the pixels of the answers may be wrong.
    first : Frame, optional
        A single image, which was read to be checked.
    """

    series: Series
    device: str
    seed: int
    threads: int | None = None
    initial_state: "State | None" = None
    stopping_rule: "StoppingRule | None" = None
    uncertainty: bool = False
    first: "Frame | None" = None

    @classmethod
    def of(
        cls,
        measurement: "Measurement | ArrayLike",
        task: "Task",
        method: "Method",
        *,
        series: Following = "warm_start",
        parameter_maps: "Mapping[str, ArrayLike] | None" = None,
        device: Device = "auto",
        seed: int = 0,
        threads: int | None = None,
        initial_state: "State | None" = None,
        stopping_rule: "StoppingRule | None" = None,
        uncertainty: bool = False,
    ) -> Self:
        """Check the arguments of `solve`; a single image is read and checked too.

        Raises
        ------
        ValueError
            Names the argument, what was wanted and what came.
        RestorationError
            The image doesn't fit into memory.
        """
        seed, place, threads = checked_seed(seed), choose(device), checked_threads(threads)
        refuse_other_arguments(method, stopping_rule, initial_state)
        with translated_errors(), own_environment():
            frames = Series.of(measurement, task, method, series=series, parameter_maps=parameter_maps)
            first = None
            if len(frames.frames) == 1:
                first = frames.frame(frames.frames[0], place)
                if frames.task.needs_missing and bool((first.whole.weights > 0).all()):
                    raise nothing_missing(task)
        assert frames.method is not None
        frames = replace(frames, method=frames.method.resolved(place))
        return cls(frames, place, seed, threads, initial_state, stopping_rule, bool(uncertainty), first)

    @property
    def method(self) -> "Method":
        """The method, with nothing left open."""
        assert self.series.method is not None
        return self.series.method

    def solve(self) -> Generator[Iterate, None, "State"]:
        """Yield the iterates of each frame in turn; return the state after the last one.

        A frame of several that fails is one iterate of NaN with the outcome FAILED, and the run goes on.

        Raises
        ------
        RestorationError
            A single image can't be restored, or no frame of a series.
        """
        return in_own_environment(self._frames(), self.threads)

    def _frames(self) -> Generator[Iterate, None, "State"]:
        series = self.series
        first_error: Exception | None = None
        state = beginning = self.initial_state or {}
        # Each channel or position is a scene of its own that goes on in time.
        states: dict[Index, dict[Index, State]] = defaultdict(dict)
        last = {series.axes.scene(index): index for index in series.frames}
        drifts: defaultdict[Index, Drift] = defaultdict(_drift)
        succeeded = looked_at = False
        for at, index in enumerate(series.frames):
            scene = series.axes.scene(index)
            answer: Iterate | None = None
            begun = left_out = False
            try:
                with translated_errors():
                    frame = self.first or series.frame(index, self.device)
                if self._passes(frame):
                    yield self._passed(index, frame)
                    if frame.blank is None:
                        succeeded = True
                    else:
                        first_error = first_error or nothing_to_restore(frame.blank, frame.whole)
                    continue
                if not looked_at:
                    looked_at = True
                    for remark in remarks(frame):
                        warnings.warn(remark, SuspectDataWarning, stacklevel=2)
                # What was learnt from other channels is of no use.
                channels = tuple(frame.channels)
                start = {} if frame.empty else beginning
                state = states[scene].get(channels, start) if series.following != "independent" else start
                stream = self._frame(index, frame, state, drifts[scene])
                try:
                    while True:
                        iterate = next(stream)
                        stopped = iterate.outcome is Outcome.STOPPED and iterate.index == 0
                        if stopped and not begun and at:
                            left_out = True  # asked to stop before this frame
                            break
                        begun = begun or not iterate.preparing
                        answer = iterate
                        yield answer
                except StopIteration as end:
                    state = states[scene][channels] = end.value
                finally:
                    stream.close()
                if left_out:
                    break
                if answer is None or answer.outcome is None:
                    raise _no_result(self.method)
                succeeded = True
            except Exception as error:
                if len(series.frames) == 1:
                    raise
                _LOG.exception("Frame %s failed", index)
                first_error = first_error or error
                yield self._failed(index, error)
                continue
            if answer.outcome is Outcome.STOPPED:
                break
            if index == last[scene]:  # weights may be large: none are kept for longer than they are needed
                states.pop(scene, None)
        if not succeeded and first_error is not None:
            raise first_error
        return state

    def _frame(
        self, index: Index, frame: "Frame", state: "State", drift: "Drift"
    ) -> "Generator[Iterate, None, State]":
        """Yield the iterates of one frame in grey levels; return what the method learnt."""
        from napari_dip.problem import rolled
        from napari_dip.restoration.refits import with_uncertainty

        series, problem = self.series, frame.problem
        with translated_errors():
            guide = series.guide_of(index, problem)
            # The frame is moved to where the first one lay, so that what the network has learnt is in place.
            offset = drift.next(problem.data, problem.weights) if series.following == "drift" else ()
            home = tuple(-n for n in offset)
            # A guide of its own has moved with the frame; one for all frames lies where the first one does.
            moved = rolled(guide, home) if guide is not None and series.guide_moves else guide
            solve = partial(
                self.method.solve,
                guide=moved,
                parameter_maps=series.maps_of(index) or None,
                stopping_rule=_in_grey_levels(self.stopping_rule, frame),
            )
            solve = partial(with_uncertainty, solve) if self.uncertainty else solve
            shown = lru_cache(1)(frame.restored)  # a run that waits shows the same image many times
            run = solve(problem.rolled(home), seed=self.seed, initial_state=state or None)
            try:
                while True:
                    iterate = next(run)
                    refuse_other_outcomes(iterate.outcome)
                    # Their sum tells whether all pixels are finite, in a tenth of the time.
                    if iterate.outcome is not None and not iterate.x.sum().isfinite():
                        continue  # the best iterate until then follows, if there is one
                    note = iterate.note
                    if iterate.outcome is not None:
                        note = " ".join(filter(None, [series.choice, note, frame.note_on(iterate.x)]))
                    iterate = _moved(iterate, offset)
                    sources, errors = iterate.sources, iterate.errors
                    yield replace(
                        iterate,
                        x=shown(iterate.x),
                        sources=None if sources is None else frame.difference(sources),
                        errors=None if errors is None else errors.mapped(frame.difference),
                        score=_score(iterate, problem.units),
                        frame=index,
                        note=note,
                        unseen=None,
                        diagnose=None if iterate.outcome is None else partial(_diagnosis, frame, iterate),
                    )
            except StopIteration as end:
                learnt: State = end.value
                return learnt
            finally:
                run.close()

    def _passes(self, frame: "Frame") -> bool:
        """Return whether a frame is given back as it is."""
        complete = bool((frame.whole.weights > 0).all())
        return not frame.channels or (frame.whole.only_missing and complete)

    def _passed(self, index: Index, frame: "Frame") -> Iterate:
        """Return a frame that is given back as it is."""
        import torch

        x = frame.restored(frame.problem.data if frame.channels else None)
        note = frame.note or "No pixel of this frame is missing: it was left as it was measured."
        loss = torch.tensor(0.0, dtype=torch.float32)
        return Iterate(0, x, loss, outcome=Outcome.UNCHANGED, frame=index, note=note)

    def _failed(self, index: Index, error: Exception) -> Iterate:
        """Return a frame of NaN that says why it failed."""
        import torch

        shape = [
            n for axis, n in enumerate(self.series.restored_shape) if axis not in self.series.axes.frame_axes
        ]
        x = torch.full(shape, torch.nan, dtype=torch.float32)
        loss = torch.tensor(torch.nan, dtype=torch.float32)
        return Iterate(0, x, loss, outcome=Outcome.FAILED, frame=index, error=error)


def _moved(iterate: Iterate, shifts: tuple[int, ...]) -> Iterate:
    """Return an iterate with its pixels shifted along the spatial axes, periodically."""
    from napari_dip.problem import rolled

    if not any(shifts):
        return iterate
    unseen = None if iterate.unseen is None else iterate.unseen.mapped(lambda x: rolled(x, shifts))
    sources = None if iterate.sources is None else rolled(iterate.sources, shifts)
    errors = None if iterate.errors is None else iterate.errors.mapped(lambda x: rolled(x, shifts))
    return replace(iterate, x=rolled(iterate.x, shifts), unseen=unseen, sources=sources, errors=errors)


def _diagnosis(frame: "Frame", answer: Iterate) -> "Diagnostics":
    """Return what the answer of a frame is worth, with the channels of the image."""
    from napari_dip.diagnostics.diagnosis import diagnosis

    found = diagnosis(frame.problem, answer)
    peaks = tuple(replace(peak, channel=frame.channels[peak.channel]) for peak in found.peaks)
    return replace(found, peaks=peaks)


def _no_result(method: "Method") -> RestorationError:
    """Return the error for a frame of which a method has found no finite image."""
    if getattr(method, "learning_rate", None) is not None:
        return DivergenceError()
    return RestorationError(
        f"{type(method).__name__} gave infinite values or NaN. Mark pixels that lie far from all others as "
        "missing, or choose another method."
    )


def _in_grey_levels(rule: "StoppingRule | None", frame: "Frame") -> "StoppingRule | None":
    """Return a rule that sees the iterates of a frame in grey levels, as far as the user wrote it."""
    from napari_dip.optim.stopping import StoppingRule

    if rule is None or all(type(part).__module__ == StoppingRule.__module__ for part in rule.parts()):
        return rule
    own, units, dtype = rule, frame.problem.units, frame.dtype

    class InGreyLevels(StoppingRule):
        def start(self) -> "Callable[[Iterate], Outcome | None]":
            check, grey = own.start(), lru_cache(1)(lambda x: units.to_grey(x).to(dtype))
            return lambda iterate: check(replace(iterate, x=grey(iterate.x), score=_score(iterate, units)))

    return InGreyLevels()


def _score(iterate: Iterate, units: Units) -> float | None:
    """Return the score of an iterate in grey levels, where it was found in working units."""
    if iterate.score is None:
        return None
    match iterate.criterion:
        # Nats: the density of y is that of the working value over the scale.
        case StoppingCriterion.HELD_OUT | StoppingCriterion.SPLIT:
            return iterate.score + math.log(units.scale)
        case StoppingCriterion.VARIANCE | StoppingCriterion.RISK | StoppingCriterion.CROSS_SCALE:
            # The product of two floats may become infinite, whereas a power would raise an error.
            return iterate.score * units.scale * units.scale
    return iterate.score


def _drift() -> "Drift":
    from napari_dip.image.registration import Drift

    return Drift()
