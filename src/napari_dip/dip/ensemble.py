"""A run of Deep Image Prior: networks from different random weights, fitted one after another."""

import math
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import chain, islice

import torch
from torch import Tensor

from napari_dip.dip.blending import blended
from napari_dip.dip.early_stop import EarlyStop
from napari_dip.dip.measured_noise import description
from napari_dip.dip.network import mismatched_state, new_network
from napari_dip.dip.photon_energy import levelled
from napari_dip.dip.postfilter import postfiltered
from napari_dip.dip.preparation import Preparation, preparing
from napari_dip.dip.refinement import refined
from napari_dip.dip.second_fit import FIRST, fitted_twice, worth_second_fit
from napari_dip.dip.settings import FitSettings
from napari_dip.dip.split_filters import split_postfiltered
from napari_dip.errors import DivergenceError
from napari_dip.filters.recovery import sources_measurable, with_sources
from napari_dip.networks.output import ToGreyLevels
from napari_dip.noise.models import LaplaceNoise
from napari_dip.operators import Identity
from napari_dip.optim.background import always, in_background
from napari_dip.optim.fit import fit, noisy_inputs
from napari_dip.optim.iterate import Iterate, Outcome, State, StoppingCriterion
from napari_dip.optim.stages import averaged, averaged_with, best_last, mean, stopped
from napari_dip.optim.stopping import Diverged, MaxIterations, Never, StoppingRule, TimeLimit
from napari_dip.problem import Problem

#: Difference between the seeds of two networks: a prime, so that neighbouring seeds share no network.
_STRIDE = 7919


def fit_ensemble(
    settings: FitSettings,
    problem: Problem,
    seed: int,
    guide: Tensor | None,
    initial_state: State | None,
    stopping_rule: StoppingRule | None,
) -> Generator[Iterate, None, State]:
    """Yield the iterates of all networks, the last of which is the answer, and return their weights.

    Each x is the moving average of the outputs so far, averaged with the answers of the networks before. The
    postfilter changes the x of the answer; while it works, the iterate that it will change is repeated.

    Parameters
    ----------
    settings : FitSettings
        Settings of the run.
    problem : Problem
        What the image has to explain.
    seed : int
        Seed of weights, inputs, input noise and the choice of the held-out pixels.
    guide : Tensor, shape ``(1, G, *grid)``, optional
        Another image of the same scene, on the grid of x, in its own grey levels.
    initial_state : dict, optional
        What an earlier run with the same settings returned.
    stopping_rule : StoppingRule, optional
        Ends the run in addition to the rules of the settings.

    Returns
    -------
    dict
        Weights of each network after its last iteration.
    """
    weights = dict(initial_state or {})
    if weights and not any(name.removeprefix(FIRST).startswith("0.") for name in weights):
        raise mismatched_state()
    rule = stopping_rule or Never()
    if settings.time_limit is not None:
        rule |= TimeLimit(settings.time_limit)
    early = EarlyStop(problem, warm=bool(weights))
    began, answer = False, None
    with closing(_iterates(settings, early, seed, guide, weights)) as iterates:
        for answer in best_last(stopped(iterates, rule)):
            began = began or answer.index > 0
            yield answer
    if answer is not None:
        yield from early.better_than(answer, began)
    return weights


def _iterates(
    settings: FitSettings, early: EarlyStop, seed: int, guide: Tensor | None, weights: State
) -> Generator[Iterate, None, None]:
    """Yield the iterates of a run from its first step on; its own rules end it."""
    prepared = yield from in_background(preparing(settings, early.problem, seed, guide), early.waiting)
    validation = early.validation = prepared.validation
    waiting = early.waiting(prepared.estimate)
    measured = description(validation, early.problem)
    run = partial(_runs, seed)
    if guide is None and worth_second_fit(settings, validation):
        run = partial(fitted_twice, run)
    with closing(run(settings, prepared, waiting, weights)) as runs:
        for iterate in _finished(runs, settings, prepared, guided=guide is not None):
            if iterate.outcome is not None:
                note = f"{measured} {iterate.note}".strip()
                iterate = replace(iterate, note=note, measured_noise=bool(measured))
            yield iterate


def _finished(
    answers: Iterator[Iterate], settings: FitSettings, prepared: Preparation, *, guided: bool
) -> Iterator[Iterate]:
    """Return the iterates of a run, whose answer is filtered, and has its faint sources."""
    validation, estimate = prepared.validation, prepared.estimate
    problem, held_out = validation.problem, validation.held_out
    # The postfilter works on the pixels of the data, and a guide tells more than it does.
    if settings.postfilter and isinstance(problem.operator, Identity) and not guided:
        if validation.split:
            answers = split_postfiltered(answers, validation)
        elif validation.suits_classic_filters and held_out is not None:
            answers = postfiltered(answers, validation)
    # Outliers among the held-out pixels would hide which of two images is better.
    outliers = isinstance(problem.noise, LaplaceNoise)
    mixes = settings.postfilter and not (validation.split or outliers)
    if mixes and estimate is not None and held_out is not None:
        answers = blended(answers, validation, estimate)
    # Only held-out pixels show that the noise counts as independent.
    independent = validation.criterion is StoppingCriterion.HELD_OUT
    if settings.recover_sources and sources_measurable(problem, independent=independent):
        answers = refined(answers, partial(with_sources, problem))
    return answers


def _runs(
    seed: int, settings: FitSettings, prepared: Preparation, waiting: Iterate, weights: State
) -> Generator[Iterate, None, None]:
    """Yield the iterates of all networks; each x is the mean with the answers of the networks before.

    While a network is made, the latest iterate is repeated; `waiting` is the one before the first network.
    """
    validation = prepared.validation
    answers: list[Tensor] = []
    iterations, lowest = 0, math.inf
    for number in range(settings.ensemble_size):
        started = in_background(_started(settings, prepared, seed, number, weights), always(waiting))
        network, outputs = yield from started
        # Only held-out pixels tell when a network has learnt enough to join the others.
        waits = bool(answers) and validation.held_out is None
        length = 0
        end: Tensor | None = None  # the fit at the end, which may be worse than the best one
        with closing(_run(settings, prepared, network, outputs, number, answers, weights)) as run:
            for iterate in run:
                length = max(length, iterate.index)
                if iterate.outcome is None:
                    x = mean(answers) if waits else iterate.x
                    yield replace(
                        iterate,
                        index=iterations + iterate.index,
                        x=x,
                        score=_finite(lowest) if waits else iterate.score,
                        criterion=validation.criterion,
                        unseen=validation.unseen(x),
                    )
                elif end is None:
                    end = iterate.x
        own = (len(answers) + 1) * iterate.x - sum(answers)
        untrained = iterate.outcome is Outcome.DIVERGED and iterate.index == 0
        better = validation.held_out is None or iterate.score is None or iterate.score < lowest
        if better and not untrained and own.isfinite().all():
            answers.append(own)
            lowest = lowest if iterate.score is None else min(lowest, iterate.score)
        last = number + 1 == settings.ensemble_size
        if answers:
            x = mean(answers)
            answer = replace(
                iterate,
                index=iterations + iterate.index,
                x=x,
                score=_finite(lowest),
                outcome=iterate.outcome if last else None,
                criterion=validation.criterion,
                unseen=validation.unseen(x, None if end is None else (iterate.x, end)),
            )
            yield answer
            waiting = answer
        elif last:
            raise DivergenceError
        iterations += length


def _started(
    settings: FitSettings, prepared: Preparation, seed: int, number: int, weights: State
) -> Generator[None, None, tuple[ToGreyLevels, Iterator[Iterate]]]:
    """Return a network of the ensemble, and the iterates of its fit.

    The first iteration is done already: it takes long, because libraries choose and compile their kernels.
    """
    # A generator of its own: the network must not depend on what was drawn for the networks before it.
    generator = torch.Generator().manual_seed((seed + _STRIDE * (number + 1)) % 2**63)
    prefix = f"{number}."
    own = {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
    network, z, noise = new_network(settings, prepared, generator, own)
    yield
    samples = noisy_inputs(z, settings.input_noise_std, prepared.objective, noise)
    betas = (0.9, settings.beta2)
    outputs = fit(network, samples, learning_rate=settings.learning_rate, betas=betas)
    first = next(outputs)
    yield
    return network, chain([first, next(outputs)], outputs)


def _run(
    settings: FitSettings,
    prepared: Preparation,
    network: ToGreyLevels,
    outputs: Iterator[Iterate],
    number: int,
    answers: list[Tensor],
    weights: State,
) -> Generator[Iterate, None, None]:
    """Yield the iterates of one network until its fit ends, and keep its weights in the state."""
    validation = prepared.validation
    iterates = averaged(validation.score_outputs(outputs), decay=settings.ema_decay)
    if prepared.energy is not validation.fitted:
        iterates = levelled(iterates, prepared.energy)
    iterates = validation.score_means(averaged_with(validation.score_averages(iterates), answers))
    if number:  # an untrained network does not join the others
        iterates = islice(iterates, 1, None)
    rule = Diverged() | MaxIterations(settings.iterations) | validation.rule(settings.patience)
    try:
        yield from best_last(stopped(iterates, rule))
    finally:  # also when the reader ends the run
        state = network.network.state_dict()
        weights.update({f"{number}.{name}": value.cpu().clone() for name, value in state.items()})


def _finite(score: float) -> float | None:
    return score if math.isfinite(score) else None
