"""A run of a pretrained network on one image, stage by stage."""

import math
import time
from contextlib import closing
from dataclasses import replace

import torch
from torch import Tensor

from napari_dip.errors import FileError
from napari_dip.filters.recovery import with_sources
from napari_dip.finetuning.adapted_weights import AdaptedWeights
from napari_dip.finetuning.consistency import Diagnosis, rms_residual
from napari_dip.finetuning.monitor import Interruption, Iterates, Monitor
from napari_dip.finetuning.session import NetworkOutput, Session
from napari_dip.finetuning.settings import RunSettings
from napari_dip.finetuning.tiling import interpolated
from napari_dip.finetuning.tuner import Tuner
from napari_dip.operators import Identity
from napari_dip.optim.iterate import Outcome, StoppingCriterion
from napari_dip.optim.stopping import Never, StoppingRule, TimeLimit
from napari_dip.pretrained.model import Pretrained
from napari_dip.problem import Problem

#: During fine-tuning the image is restored again after this multiple of the time that it takes.
_IDLE = 3


class Run:
    """The stages of a run, one after another.

    A stage yields an iterate after each piece of work. It returns an outcome if the run is complete, and None
    if the next stage follows.

    Parameters
    ----------
    settings : RunSettings
        The settings.
    pretrained : Pretrained
        The network, which will be changed.
    problem : Problem
        The data.
    seed : int
        Seed of the patches, the perturbations and the choice of synthetic images.
    stopping_rule : StoppingRule, optional
        Ends the run, as the time limit does, whose clock starts now.
    """

    def __init__(
        self,
        settings: RunSettings,
        pretrained: Pretrained,
        problem: Problem,
        seed: int,
        stopping_rule: StoppingRule | None,
    ) -> None:
        rule = stopping_rule or Never()
        if settings.time_limit is not None:
            rule |= TimeLimit(settings.time_limit)
        x = problem.widened(interpolated(problem.complete_data, problem.grid.factors[0]))
        self._monitor = Monitor(problem, x, rule)
        self._settings, self._problem, self._seed = settings, problem, seed
        self._pretrained = pretrained
        self._output: NetworkOutput
        self._session: Session
        self._tuner: Tuner
        self._rate: float
        self._residual: float | None = None  # after back-projection
        self._weights: dict[str, Tensor] | None = None  # that were learnt

    def iterates(self) -> Iterates[dict[str, Tensor] | None]:
        """Yield iterates, the answer last; return the weights of the network if they have changed."""
        outcome: Outcome | None = None
        stages = (self._restore, self._check, self._correct, self._choose_rate, self._fine_tune, self._finish)
        try:
            for stage in stages:
                outcome = yield from stage()
                if outcome is not None:
                    break
            yield from self._recover_sources()
            outcome = self._monitor.outcome if self._monitor.pressed else outcome
        except Interruption as interruption:
            outcome = interruption.outcome
        assert outcome is not None
        yield self._monitor.answer(outcome, self._kept())
        return self._weights

    def _restore(self) -> Iterates[Outcome | None]:
        """Restore the image with the network as it was given."""
        monitor = self._monitor
        monitor.note(
            "Restoring the image with the network.",
            "The run ended before the network had restored the whole image: the rest shows the data.",
        )
        yield from monitor.pause()
        self._output = yield from monitor.follow(
            NetworkOutput.of(self._pretrained, self._problem), images=True
        )
        monitor.show(
            self._output.x,
            "Checking whether the network's output is consistent with the data.",
            "The network's output; the run ended before it was checked for consistency with the data.",
        )
        yield from monitor.pause()
        return None

    def _check(self) -> Iterates[Outcome | None]:
        """Check the output for consistency with the data. A consistent one is the answer."""
        session = self._session = yield from self._monitor.follow(Session.of(self._output))
        self._monitor.note(session.describe())
        outcome = None
        if self._settings.action == "network":
            outcome = Outcome.COMPUTED
        elif self._settings.action == "auto" and session.report.diagnosis is Diagnosis.CONSISTENT:
            outcome = Outcome.CONSISTENT
        else:
            yield from self._monitor.pause()
        return outcome

    def _correct(self) -> Iterates[Outcome | None]:
        """Correct the output without fine-tuning: by back-projection, or by the contrast for a denoiser."""
        session, monitor, outcome = self._session, self._monitor, None
        only = self._settings.action == "back-projection"
        pieces = session.back_projected(self._output.x) if only else session.first_correction()
        x = yield from monitor.follow(pieces, images=True)
        note = session.describe()
        if only or not session.noisy:
            self._residual = rms_residual(self._problem, x)
            note = session.describe(self._residual)
        if only:
            outcome = Outcome.COMPUTED
        elif (
            self._settings.action == "auto"
            and not session.noisy
            and isinstance(self._problem.operator, Identity)
        ):
            note = f"{session.describe()} No noise was found, so the answer is the data as they are."
            outcome = Outcome.COMPUTED
        monitor.show(x, note)
        return outcome

    def _choose_rate(self) -> Iterates[Outcome | None]:
        """Choose the step size for fine-tuning, unless it is given."""
        session, monitor = self._session, self._monitor
        loss = (
            ("sure" if session.noisy else "plain") if self._settings.loss == "auto" else self._settings.loss
        )
        criterion = StoppingCriterion.RISK if loss == "sure" else StoppingCriterion.CROSS_SCALE
        generator = torch.Generator().manual_seed(self._seed)
        self._tuner = Tuner(session.restorer, session.sampler, loss, generator)
        monitor.iterating = True
        yield from monitor.pause()
        if self._settings.learning_rate is None:
            monitor.note(f"{monitor.final_note} Choosing the step size.", monitor.final_note)
        yield from monitor.follow(self._tuner.prepare())
        given = self._settings.learning_rate
        self._rate = given or (yield from monitor.follow_here(self._tuner.choose_rate()))
        monitor.note(monitor.final_note)
        monitor.iterate = replace(monitor.iterate, criterion=criterion)
        return None

    def _fine_tune(self) -> Iterates[Outcome | None]:
        """Fine-tune the network until it stops improving or a rule ends it, and keep the best weights."""
        monitor = self._monitor
        took, shown = 0.0, time.monotonic()
        try:
            with closing(self._tuner.iterate(self._settings.iterations, self._rate)) as steps:
                for update in steps:
                    if update is not None:
                        monitor.iterate = replace(
                            monitor.iterate, index=update.index, loss=update.loss, score=update.score
                        )
                        if time.monotonic() - shown >= _IDLE * took:
                            began = time.monotonic()
                            x = yield from monitor.follow(self._session.output())
                            monitor.iterate = replace(monitor.iterate, x=x)
                            shown = time.monotonic()
                            took = shown - began
                    yield from monitor.pause()
        except Interruption:
            pass  # the weights that were best so far give the answer
        return None

    def _finish(self) -> Iterates[Outcome | None]:
        """Restore the image with the best weights; if the run is interrupted, without the self-ensemble."""
        session, monitor, tuner = self._session, self._monitor, self._tuner
        note = session.describe(self._residual, improved=tuner.best > 0)
        ensemble = self._settings.self_ensemble and not monitor.pressed
        x = yield from monitor.insist(session.output(ensemble=ensemble), cut_short=ensemble)
        if self._settings.self_ensemble and monitor.pressed:
            note += " The self-ensemble was cut short."
        if session.noisy:
            x = yield from monitor.insist(session.sampler.within_noise(x))
        else:
            steps = session.steps if monitor.pressed else None
            x = yield from monitor.insist(session.back_projected(x, steps=steps))
        if tuner.best > 0:
            self._weights = session.restorer.weights
        score = tuner.score if math.isfinite(tuner.score) else None
        monitor.iterate = replace(monitor.iterate, index=tuner.best, x=x, score=score)
        monitor.final_note = note
        return monitor.outcome if monitor.pressed or tuner.outcome is None else tuner.outcome

    def _recover_sources(self) -> Iterates[None]:
        """Put faint sources back that the network has lost, unless its output is to be left unchanged."""
        monitor = self._monitor
        if not self._settings.recover_sources or self._settings.action == "network" or monitor.pressed:
            return
        if self._session.shows_sources:
            image = replace(monitor.iterate, note=monitor.final_note)
            found = yield from monitor.attempt(with_sources(self._problem, image))
            if found is not None:
                monitor.iterate, monitor.final_note = found, found.note

    def _kept(self) -> AdaptedWeights | None:
        """Return the weights that were learnt in a temporary file, or None if there are none or it fails."""
        kept = None
        if self._weights is not None:
            try:
                kept = AdaptedWeights(self._weights)
            except FileError as error:
                self._monitor.final_note += f" The adapted weights were not kept: {error}."
        return kept
