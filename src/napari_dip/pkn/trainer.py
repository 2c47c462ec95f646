"""Trains the network that predicts a filter's parameters, once there is an objective."""

import math
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from napari_dip.errors import RestorationError
from napari_dip.optim.fit import Sample, cosine_decay, fit
from napari_dip.optim.iterate import Outcome
from napari_dip.pkn.filter import Filter
from napari_dip.pkn.kernels.base import ProceduralKernel
from napari_dip.pkn.network import ParameterNetwork, TrainedNetwork
from napari_dip.pkn.objectives import Objective
from napari_dip.pkn.predictors import Constant

#: Adam's first step size for a network, for one that was trained before, and for a constant setting. Each
#: decays to 0 as half a cosine.
_RATE, _RATE_OF_TRAINED, _RATE_OF_SETTING = 3e-3, 5e-4, 0.1
#: Iterations that find the best constant setting.
_SETTING_ITERATIONS = 150
#: Iterations from one validation to the next.
_EVERY = 200


@dataclass(frozen=True, slots=True)
class TrainingStep:
    """One step of a training.

    Parameters
    ----------
    index : int
        Number of iterations of the network before this step. It is negative where the network is not changed:
        while data are prepared, while the best constant setting is found, and during a validation.
    loss : float
        What was minimised: root-mean-square error in grey levels from 0 to 255; without a known truth,
        Stein's estimate of the mean squared error, in units of the noise's variance. NaN without an
        iteration.
    local, single : float, optional
        From time to time, the validation score in dB of the network and of the best constant setting: mean
        PSNR for the peak 255; without a known truth, the estimated reduction of the noise.
    outcome : Outcome, optional
        On the last step, why the training ended.
    """

    index: int
    loss: float
    local: float | None = None
    single: float | None = None
    outcome: Outcome | None = None


#: A step without an iteration, at which a training can be stopped.
PAUSE = TrainingStep(-1, math.nan)


def train(
    kernel: ProceduralKernel,
    objective: Objective,
    *,
    iterations: int,
    seed: int = 0,
    initial_network: ParameterNetwork | None = None,
    asked: Callable[[], bool] = lambda: False,
) -> Generator[TrainingStep, None, TrainedNetwork]:
    """Find the best constant setting of a filter, then train its network, which starts there.

    The weights with the best validation score are kept.

    Parameters
    ----------
    kernel : ProceduralKernel
        The filter.
    objective : Objective
        From `supervised` or `self_supervised`.
    iterations : int
        Number of iterations of the network.
    seed : int
        Seed of the initial weights and of the examples.
    initial_network : ParameterNetwork, optional
        A trained network to start from; it is not modified, and its copy is trained with small steps.
    asked : callable
        Returns whether to end the training and keep the best weights so far.

    Yields
    ------
    TrainingStep
        One per iteration, of the constant setting and then of the network, and the last one with the outcome.

    Returns
    -------
    TrainedNetwork
        With its final scores as metadata.

    Raises
    ------
    RestorationError
        The loss is not finite.
    """
    generator = torch.Generator().manual_seed(seed)
    constant = Constant(kernel)
    constant_filter = Filter(kernel, constant)
    samples = _samples(objective, _SETTING_ITERATIONS, generator)
    rate = cosine_decay(_RATE_OF_SETTING, _SETTING_ITERATIONS)
    for iterate in fit(constant_filter, samples, learning_rate=rate):
        yield TrainingStep(iterate.index - _SETTING_ITERATIONS, _finite(iterate.loss))
        if asked():
            break
    setting = constant.setting
    network = ParameterNetwork(kernel)
    network.initialise(generator)
    network.begin_at(setting)
    if initial_network is not None:
        network.load_state_dict(initial_network.state_dict())
    filter_, best = Filter(kernel, network), _Best(network)
    single = yield from _scoring(objective, constant_filter)
    outcome, at, loss = Outcome.MAX_ITERATIONS, 0, math.nan
    rate = cosine_decay(_RATE if initial_network is None else _RATE_OF_TRAINED, iterations)
    for iterate in fit(filter_, _samples(objective, iterations, generator), learning_rate=rate):
        at, loss = iterate.index, _finite(iterate.loss)
        if at % _EVERY == 0:
            local = yield from _scoring(objective, filter_)
            best.offer(local)
            yield TrainingStep(at, loss, local, single)
        else:
            yield TrainingStep(at, loss)
        if asked():
            outcome = Outcome.STOPPED
            break
    best.offer((yield from _scoring(objective, filter_)))
    yield TrainingStep(at, loss, best.score, single, outcome)
    network.load_state_dict(best.weights)
    done = at + (outcome is Outcome.MAX_ITERATIONS)  # a step is shown before its update
    scores = {"iterations": done, "local": round(best.score, 3), "single": round(single, 3)}
    return TrainedNetwork(network.eval(), setting, {"seed": seed, **scores})


class _Best:
    """The weights of a network when its validation score was best."""

    def __init__(self, network: ParameterNetwork) -> None:
        self._network = network
        self.score, self.weights = -math.inf, network.state_dict()

    def offer(self, score: float) -> None:
        """Keep the present weights if their score is the best so far."""
        if score > self.score:
            weights = {name: value.clone() for name, value in self._network.state_dict().items()}
            self.score, self.weights = score, weights


def _samples(objective: Objective, iterations: int, generator: torch.Generator) -> Iterator[Sample]:
    return (objective.sample(generator) for _ in range(iterations))


def _scoring(objective: Objective, tried: Filter) -> Generator[TrainingStep, None, float]:
    """Return the mean validation score, in steps."""
    scores = []
    for observation, score in objective.validation:
        with torch.no_grad():
            scores.append(score(tried(observation)))
        yield PAUSE
    return sum(scores) / len(scores)


def _finite(loss: Tensor) -> float:
    value = float(loss)
    if not math.isfinite(value):
        raise RestorationError("The loss became infinite or NaN: check the images for extreme values.")
    return value
