"""A run of Deep Image Prior: networks from different random weights, fitted one after another."""

import math
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice

import torch
from torch import Tensor, nn

from napari_dip.dip.early_stop import EarlyStop
from napari_dip.dip.initial_estimate import initial_estimate
from napari_dip.dip.measured_noise import description, with_measured_noise
from napari_dip.dip.photon_energy import levelled, weighted
from napari_dip.dip.postfilter import postfiltered
from napari_dip.dip.refinement import refined
from napari_dip.dip.settings import FitSettings
from napari_dip.dip.split_filters import split_estimate, split_postfiltered
from napari_dip.dip.validation import Validation
from napari_dip.errors import DivergenceError, RestorationError
from napari_dip.filters.recovery import sources_measurable, with_sources
from napari_dip.image.intensity import Range
from napari_dip.networks.build import build
from napari_dip.networks.cuda_graph import record
from napari_dip.networks.output import Sieve, ToGreyLevels
from napari_dip.networks.precision import compute_dtype
from napari_dip.operators import Blur, Identity
from napari_dip.optim.background import always, in_background
from napari_dip.optim.fit import fit, noisy_inputs
from napari_dip.optim.iterate import Iterate, Outcome, State, StoppingCriterion
from napari_dip.optim.stages import averaged, averaged_with, best_last, mean, stopped
from napari_dip.optim.stopping import Diverged, MaxIterations, Never, StoppingRule, TimeLimit
from napari_dip.problem import Problem
from napari_dip.steps import silently

#: Range of the images that the network sees; its own input, uniform noise, lies between 0 and 0.1.
_CONTRAST = 0.3
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
    if weights and not any(name.startswith("0.") for name in weights):
        raise _mismatched_state()
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


@dataclass(frozen=True, eq=False)
class _Prepared:
    """What is known before the fit.

    Parameters
    ----------
    validation : Validation
        What is fitted, and what validates the fit.
    energy : Problem
        What a fit minimises: the fitted part, with the strength of photon noise taken from the estimate.
    estimate : Tensor, shape ``(1, C, *grid)``, optional
        Estimate by classic filters, in grey levels.
    seen : list of Tensor, each of shape ``(1, any, *grid)``
        Images that the network sees beside its own input, about 0 and of one contrast.
    range : Range
        Grey levels of x.
    """

    validation: Validation
    energy: Problem
    estimate: Tensor | None
    seen: list[Tensor]
    range: Range


def _iterates(
    settings: FitSettings, early: EarlyStop, seed: int, guide: Tensor | None, weights: State
) -> Generator[Iterate, None, None]:
    """Yield the iterates of a run from its first step on; its own rules end it."""
    problem = early.problem
    prepared = yield from in_background(_prepared(settings, problem, seed, guide), early.waiting)
    early.validation = prepared.validation
    # The postfilter works on the pixels of the data, and a guide tells more than it does.
    filterable = isinstance(problem.operator, Identity) and guide is None
    validation, filters = prepared.validation, settings.postfilter and filterable
    waiting = early.waiting(prepared.estimate)
    with closing(_runs(settings, prepared, waiting, seed, weights)) as runs:
        answers: Iterator[Iterate] = runs
        if filters and validation.split:
            answers = split_postfiltered(answers, validation)
        elif filters and validation.suits_classic_filters and validation.held_out is not None:
            answers = postfiltered(answers, validation)
        # Only held-out pixels show that the noise counts as independent.
        independent = validation.criterion is StoppingCriterion.HELD_OUT
        if settings.recover_sources and sources_measurable(validation.problem, independent=independent):
            answers = refined(answers, partial(with_sources, validation.problem))
        measured = description(validation, problem)
        for iterate in answers:
            if iterate.outcome is not None:
                note = f"{measured} {iterate.note}".strip()
                iterate = replace(iterate, note=note, measured_noise=bool(measured))
            yield iterate


def _prepared(
    settings: FitSettings, problem: Problem, seed: int, guide: Tensor | None
) -> Generator[Tensor | None, None, _Prepared]:
    """Return what the fit needs; yield the best estimate so far, or None."""
    # All networks share one choice of held-out pixels, so that none has seen those that judge their mean.
    generator = torch.Generator().manual_seed(seed)
    validation = Validation.of(problem, settings.stopping, settings.validation_fraction, generator)
    yield None
    validation = yield from silently(with_measured_noise(validation))
    images, estimate = [] if guide is None else [guide], None
    if guide is None and _sees_estimate(settings, problem):
        if validation.suits_classic_filters:
            estimate = yield from initial_estimate(validation.fitted)
        elif validation.split:
            estimate = yield from split_estimate(validation)
        # Without an estimate the channels stay, so that frames with different noise can share weights.
        blank = problem.data.new_zeros(1, problem.data.shape[1], *problem.grid.shape)
        images.append(blank if estimate is None else estimate)
    seen = []
    for image in images:
        seen.append(_CONTRAST * (Range.of(image, image.isfinite()).to_unit(image) - 0.5).cpu())
        yield None
    range_ = Range.of(problem.data, problem.weights > 0).through(problem.gain)
    yield None
    energy = weighted(validation.fitted, estimate)
    return _Prepared(validation, energy, estimate, seen, range_)


def _sees_estimate(settings: FitSettings, problem: Problem) -> bool:
    """Whether the network has channels for an initial estimate.

    Classic filters know nothing about what is missing or finer than the data. An initial estimate was found
    to do harm in inpainting and super-resolution.
    """
    noisy = isinstance(problem.operator, Identity | Blur) and not problem.only_missing
    sees_images = settings.network.input_shape(problem.grid.shape) == problem.grid.shape
    return settings.initial_estimate and noisy and sees_images


def _runs(
    settings: FitSettings, prepared: _Prepared, waiting: Iterate, seed: int, weights: State
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
    settings: FitSettings, prepared: _Prepared, seed: int, number: int, weights: State
) -> Generator[None, None, tuple[ToGreyLevels, Iterator[Iterate]]]:
    """Return a network of the ensemble, and the iterates of its fit.

    The first iteration is done already: it takes long, because libraries choose and compile their kernels.
    """
    # A generator of its own: the network must not depend on what was drawn for the networks before it.
    generator = torch.Generator().manual_seed((seed + _STRIDE * (number + 1)) % 2**63)
    prefix = f"{number}."
    own = {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
    network, z, noise = _network(settings, prepared, generator, own)
    yield
    samples = noisy_inputs(z, settings.input_noise_std, prepared.energy, noise)
    betas = (0.9, settings.beta2)
    outputs = fit(network, samples, learning_rate=settings.learning_rate, betas=betas)
    first = next(outputs)
    yield
    return network, chain([first, next(outputs)], outputs)


def _run(
    settings: FitSettings,
    prepared: _Prepared,
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


def _network(
    settings: FitSettings, prepared: _Prepared, generator: torch.Generator, weights: State
) -> tuple[ToGreyLevels, Tensor, torch.Generator]:
    """Return a network, its input, and the generator of the input noise, on the device of the data."""
    problem = prepared.validation.problem
    device, shape = problem.data.device, problem.grid.shape
    own = [] if settings.input == "guide" else [_input(settings, shape, generator)]
    z = torch.cat([*own, *prepared.seen], 1)
    network = build(settings.network, z.shape[1], problem.data.shape[1], shape)
    network.initialise(generator)
    if weights:
        if _shapes(weights) != _shapes(network.state_dict()):
            raise _mismatched_state()
        network.load_state_dict(weights)
    layout = torch.channels_last if z.ndim == 4 else torch.channels_last_3d
    network.to(device).to(memory_format=layout)  # type: ignore[call-overload]
    z = z.to(device, compute_dtype(settings.precision, device), memory_format=layout)
    seed = int(torch.randint(2**62, (), generator=generator))
    network.train()
    if device.type == "cuda":
        record(network, z)
    scaled = ToGreyLevels(network, prepared.range, _sieve(settings, problem), problem.floor)
    return scaled, z, torch.Generator(device).manual_seed(seed)


def _input(settings: FitSettings, spatial: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Return the network's own input for an image of this shape: coordinates or uniform noise."""
    shape = settings.network.input_shape(spatial)
    if settings.input == "coordinates":
        axes = [torch.linspace(0, 1, n, dtype=torch.float32) for n in shape]
        return torch.stack(torch.meshgrid(*axes, indexing="ij"))[None]
    return 0.1 * torch.rand(1, settings.input_channels, *shape, generator=generator, dtype=torch.float32)


def _sieve(settings: FitSettings, problem: Problem) -> nn.Module | None:
    """Return the filter that removes details much finer than the point spread function, if there is one."""
    if not isinstance(problem.operator, Blur) or not settings.sieve_width:
        return None
    return Sieve(tuple(settings.sieve_width * width for width in problem.operator.widths))


def _mismatched_state() -> RestorationError:
    return RestorationError(
        "The initial state comes from a network of another shape: settings and channels must be the same."
    )


def _finite(score: float) -> float | None:
    return score if math.isfinite(score) else None


def _shapes(state: State) -> dict[str, tuple[int, ...]]:
    return {name: tuple(getattr(value, "shape", ())) for name, value in state.items()}
