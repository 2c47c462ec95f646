"""Trains a filter's network: on made pictures, on clean images of a user's, or on the noisy image itself."""

import math
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from napari_dip.errors import RestorationError
from napari_dip.noise.sure import perturbation, sure
from napari_dip.optim.fit import Sample, cosine_decay, fit
from napari_dip.optim.iterate import Outcome
from napari_dip.pkn.degradations import Degradation
from napari_dip.pkn.kernels.base import ProceduralKernel
from napari_dip.pkn.network import ParameterNetwork
from napari_dip.pkn.observation import Observation
from napari_dip.pkn.predictors import Constant, Filter
from napari_dip.synthetic.crops import crops

#: Adam's step size at first, for the network and for a single setting; both fall to 0 as half a cosine does.
_RATE, _RATE_OF_SETTING = 3e-3, 0.1
#: That of a network which has been trained before.
_RATE_OF_MORE = 5e-4
#: Updates that fit a single setting.
_SETTING = 150
#: Examples of an update, and the pixels of one along an axis, which any factor divides.
_BATCH, _SIDE = 6, 96
#: Share of a noisy image's rows that is for validation.
_CHECKED = 0.25
#: Updates from one look at the validation images to the next.
_EVERY = 200


@dataclass(frozen=True, eq=False)
class Trained:
    """A filter's network, and what it was trained for.

    Parameters
    ----------
    network : ParameterNetwork
        Predicts the parameters.
    setting : Tensor, shape ``(P,)``
        The best single setting for the same examples, in the parameters' units.
    record : dict
        Examples and scores, as plain JSON values.
    """

    network: ParameterNetwork
    setting: Tensor
    record: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """One update of a training.

    Parameters
    ----------
    index : int
        Updates of the network before it; below 0 while the single setting is fitted, which comes first.
    loss : float
        What was minimised: root-mean-square error of an update's examples, in grey levels from 0 to 255;
        where there is no truth, Stein's estimate of the mean squared one, in units of the noise's variance.
    local, single : float, optional
        Now and then: mean PSNR of the validation images in dB, peak 255, with the network and with the best
        single setting. Without a truth, by how many dB the noise is estimated to be weaker.
    outcome : Outcome, optional
        On the last one, why it ended.
    """

    index: int
    loss: float
    local: float | None = None
    single: float | None = None
    outcome: Outcome | None = None


@dataclass(frozen=True, eq=False)
class Lessons:
    """What a network learns from.

    Parameters
    ----------
    examples : callable
        Of a generator of random numbers; returns an observation and its energy.
    score : callable
        Of a filter; returns its mark in dB.
    """

    examples: Callable[[torch.Generator], Sample]
    score: Callable[[Filter], float]


def supervised(
    kernel: ProceduralKernel, degradation: Degradation, images: Sequence[Tensor], validation: Sequence[Tensor]
) -> Lessons:
    """Return lessons with the truth: parts of clean images, and of others for validation.

    Parameters
    ----------
    kernel : ProceduralKernel
        To be trained.
    degradation : Degradation
        Makes data of the images.
    images, validation : sequence of Tensor, each of shape ``(H, W)``
        Grey levels from about 0 to 255.
    """

    def examples(generator: torch.Generator) -> Sample:
        clean = crops(images, _BATCH, _SIDE, generator)
        return (degradation(clean, generator),), partial(_root_mean_square, clean)

    fixed = torch.Generator().manual_seed(0)
    truths = crops(validation, 24, 2 * _SIDE, fixed)
    seen = degradation(truths, fixed)

    def score(tried: Filter) -> float:
        # PSNR of each image rather than of all together, where strong noise would drown the rest.
        errors = (tried(seen) - truths).square().mean((1, 2, 3))
        return float((10 * (255**2 / errors).log10()).mean())

    return Lessons(examples, score)


def self_supervised(observation: Observation) -> Lessons:
    """Return lessons from nothing but noisy data: Stein's unbiased estimate of the error (SURE).

    Parameters
    ----------
    observation : Observation
        The whole noisy image; its sigma has to be right. Missing pixels don't count.
    """
    # Grey-level distances see missing pixels, though no sum does.
    observation = replace(observation, image=observation.filled())
    height = observation.image.shape[2]
    learnt = round((1 - _CHECKED) * height)

    def energy(data: Observation, moved: Tensor, outputs: Tensor) -> Tensor:
        first, second = outputs.chunk(2)
        image, sigma = data.image.chunk(2)[0], data.sigma.chunk(2)[0]
        error = sure(first, second, image, sigma, moved)
        counts = torch.ones_like(image) if data.seen is None else data.seen.chunk(2)[0].expand_as(image)
        # A missing pixel may have come out as no number, for want of others in reach.
        return (error / sigma.square()).where(counts > 0, 0).sum() / counts.sum().clamp_min(1)

    def shown(generator: torch.Generator, part: Observation) -> Sample:
        moved = perturbation(part.sigma, part.image, generator)
        twice = Observation(
            torch.cat([part.image, part.image + moved]),
            torch.cat([part.sigma, part.sigma]),
            None if part.seen is None else torch.cat([part.seen, part.seen]),
        )
        return (twice,), partial(energy, twice, moved)

    def examples(generator: torch.Generator) -> Sample:
        return shown(generator, _parts(observation.rows(0, learnt), generator))

    fixed = torch.Generator().manual_seed(0)
    # Where nothing is learnt from: on its own examples a network seems better than it is.
    (checked,), misfit = shown(fixed, _parts(observation.rows(learnt, height), fixed, count=16))

    def score(tried: Filter) -> float:
        return float(-10 * misfit(tried(checked)).clamp_min(1e-6).log10())

    return Lessons(examples, score)


def train(
    kernel: ProceduralKernel,
    lessons: Lessons,
    *,
    iterations: int,
    seed: int = 0,
    start: ParameterNetwork | None = None,
    asked: Callable[[], bool] = lambda: False,
) -> Generator[Step, None, Trained]:
    """Fit a single setting to the lessons, then the network, which begins there.

    The weights that did best on the validation images are kept.

    Parameters
    ----------
    kernel : ProceduralKernel
        Whose parameters are to be predicted.
    lessons : Lessons
        Of `supervised` or `self_supervised`.
    iterations : int
        Of the network.
    seed : int
        Of the first weights, and of the examples.
    start : ParameterNetwork, optional
        A trained one to begin with instead; it is left as it is, and learns with small steps.
    asked : callable
        Whether to end now, and keep what was learnt.

    Yields
    ------
    Step
        One for each update, of the single setting and then of the network, and a last one that says why it
        ended.

    Returns
    -------
    Trained
        With the scores at the end.

    Raises
    ------
    RestorationError
        The loss was no longer finite.
    """
    generator = torch.Generator().manual_seed(seed)
    single_one = Constant(kernel)
    constant = Filter(kernel, single_one)
    rate = cosine_decay(_RATE_OF_SETTING, _SETTING)
    for iterate in fit(constant, _stream(lessons, _SETTING, generator), learning_rate=rate):
        yield Step(iterate.index - _SETTING, _finite(iterate.loss))
        if asked():
            break
    setting = single_one.setting
    network = ParameterNetwork(kernel)
    network.initialise(generator)
    network.begin_at(setting)
    if start is not None:
        network.load_state_dict(start.state_dict())
    filter_ = Filter(kernel, network)
    single = _score(lessons, constant)
    best, weights = -math.inf, network.state_dict()
    outcome, at, loss = Outcome.MAX_ITERATIONS, 0, math.nan

    def looked() -> float:
        nonlocal best, weights
        local = _score(lessons, filter_)
        if local > best:
            best, weights = local, {name: value.clone() for name, value in network.state_dict().items()}
        return local

    rate = cosine_decay(_RATE if start is None else _RATE_OF_MORE, iterations)
    for iterate in fit(filter_, _stream(lessons, iterations, generator), learning_rate=rate):
        at, loss = iterate.index, _finite(iterate.loss)
        yield Step(at, loss, looked(), single) if at % _EVERY == 0 else Step(at, loss)
        if asked():
            outcome = Outcome.STOPPED
            break
    looked()
    yield Step(at, loss, best, single, outcome)
    network.load_state_dict(weights)
    done = at + (outcome is Outcome.MAX_ITERATIONS)  # each is made after its step was shown
    scores = {"iterations": done, "local": round(best, 3), "single": round(single, 3)}
    return Trained(network.eval(), setting, {"seed": seed, **scores})


def _stream(lessons: Lessons, iterations: int, generator: torch.Generator) -> Iterator[Sample]:
    return (lessons.examples(generator) for _ in range(iterations))


def _score(lessons: Lessons, tried: Filter) -> float:
    with torch.no_grad():
        return lessons.score(tried)


def _finite(loss: Tensor) -> float:
    value = float(loss)
    if not math.isfinite(value):
        raise RestorationError("The loss was no longer a finite number: check the images for extreme values.")
    return value


def _root_mean_square(truth: Tensor, restored: Tensor) -> Tensor:
    """Return the mean over examples: squares would be ruled by the worst of them, logarithms by the best."""
    return ((restored - truth).square().mean((1, 2, 3)) + 1e-3).sqrt().mean()


def _parts(whole: Observation, generator: torch.Generator, count: int = _BATCH) -> Observation:
    """Return random parts of a noisy image, one for each example."""
    height, width = whole.image.shape[2:]
    side = min(_SIDE, height, width)

    def cut(x: Tensor, top: int, left: int) -> Tensor:
        return x if x.shape[2:] == (1, 1) else x[:, :, top : top + side, left : left + side]

    places = [
        [int(torch.randint(n - side + 1, (), generator=generator)) for n in (height, width)]
        for _ in range(count)
    ]
    images = [cut(whole.image, *place) for place in places]
    sigmas = [cut(whole.sigma, *place) for place in places]
    seen = None if whole.seen is None else torch.cat([cut(whole.seen, *place) for place in places])
    return Observation(torch.cat(images), torch.cat(sigmas), seen)
