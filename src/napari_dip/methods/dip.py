"""Deep Image Prior."""

import math
from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from annotated_types import Ge, Gt, Interval, Unit

from napari_dip.errors import DivergenceError, RestorationError
from napari_dip.methods.base import State
from napari_dip.networks.hourglass import Hourglass
from napari_dip.settings import check

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from napari_dip.problem import Problem
    from napari_dip.scaling import ToGreyLevels
    from napari_dip.solver.iterate import Iterate
    from napari_dip.solver.stopping import StoppingRule


@dataclass(frozen=True)
class DIP:
    """Fit an untrained network to the one image; its structure is the prior.

    The network learns image structure before noise. Part of the pixels are held out of the fit; the run
    ends when the error on them stops falling, and the moving average of the outputs that predicted them
    best is the answer. Source: Ulyanov, Vedaldi, Lempitsky, *Deep Image Prior*, IJCV 2020.

    Parameters
    ----------
    iterations : int
        Updates at the most, in each run.
    runs : int
        Networks that are fitted one after another, from different random weights; the answer is the mean
        of theirs. Two are worth about half a decibel, and take twice the time.
    time_limit : float, optional
        Seconds at the most, for all runs of an image or frame; the best result until then is kept.
    patience : int
        Updates without a fall of the held-out error after which a run ends.
    held_out : float
        Share of the observed pixels that the fit never sees, to judge it by. 0 runs for all iterations,
        which fits the noise too unless you choose their number well.
    learning_rate : float
        Adam's step size. Lower it if the loss is no longer finite.
    second_moment : float
        Adam's memory of the squared gradient, β₂. A short memory is what makes this fast.
    jitter : float
        Standard deviation of the noise added to the network's input at each update.
    averaging : float
        Decay of the moving average of the outputs; 0.99 remembers about 100 updates.
    input : {"noise", "coordinates"}
        What the network sees: fixed uniform noise, or the pixels' coordinates (smoother, for large holes).
    input_channels : int
        Channels of a noise input.
    network : Hourglass
        Shape of the network.
    precision : {"auto", "float32", "bfloat16"}
        Number format inside the network; "auto" takes the faster one on this machine.
    """

    title: ClassVar[str] = "Deep Image Prior"
    essential: ClassVar[tuple[str, ...]] = ("runs", "iterations", "time_limit")

    iterations: Annotated[int, Interval(ge=1, le=1_000_000)] = 3000
    runs: Annotated[int, Interval(ge=1, le=100)] = 2
    time_limit: Annotated[float | None, Gt(0), Unit("s")] = None
    patience: Annotated[int, Ge(1)] = 150
    held_out: Annotated[float, Interval(ge=0, le=0.5)] = 0.05
    learning_rate: Annotated[float, Interval(gt=0, le=1)] = 0.01
    second_moment: Annotated[float, Interval(ge=0, lt=1)] = 0.95
    jitter: Annotated[float, Ge(0)] = 0.02
    averaging: Annotated[float, Interval(ge=0, lt=1)] = 0.99
    input: Literal["noise", "coordinates"] = "noise"
    input_channels: Annotated[int, Ge(1)] = 16
    network: Hourglass = Hourglass()
    precision: Literal["auto", "float32", "bfloat16"] = "auto"

    def __post_init__(self) -> None:
        check(self)

    @property
    def updates(self) -> int:
        """Updates at the most, of all runs."""
        return self.runs * self.iterations

    def probe(self, updates: int) -> Self:
        """Return settings that nothing but this number of updates ends."""
        return replace(self, runs=1, iterations=updates, time_limit=None, held_out=0.0)

    def settled(self, device: str) -> Self:
        """Return the settings with the precision that "auto" stands for on a device."""
        import torch

        from napari_dip.networks.precision import compute_dtype

        dtype = compute_dtype(self.precision, torch.device(device))
        return replace(self, precision="bfloat16" if dtype == torch.bfloat16 else "float32")

    def refuses(self, problem: "Problem") -> str | None:
        """Return why it can't do this one, in words for the user, or None."""
        shape = problem.grid.shape
        if len(shape) not in (2, 3):
            return f"Deep Image Prior needs 2 or 3 spatial axes, got {len(shape)}."
        if max(shape) < 8:
            return f"Deep Image Prior needs at least 8 pixels along one axis, got {_by(shape)}."
        if int(problem.observed.sum()) < 4:
            return "Deep Image Prior needs at least 4 observed pixels."
        return None

    def solve(
        self,
        problem: "Problem",
        *,
        seed: int = 0,
        start: State | None = None,
        until: "StoppingRule | None" = None,
    ) -> Generator["Iterate", None, State]:
        """Yield iterates, each the moving average of the outputs so far; the last one is the answer.

        Parameters
        ----------
        problem : Problem
            What the image has to explain.
        seed : int
            Of weights, input, jitter and the choice of the held-out pixels.
        start : dict, optional
            What an earlier run with the same settings returned: the first weights of the first run.
        until : StoppingRule, optional
            Stops the run as well as the method's own rules do.

        Returns
        -------
        dict
            Weights after the last update of the last run.
        """
        import torch

        from napari_dip.solver.stages import best_last, stopped
        from napari_dip.solver.stopping import Never, TimeLimit

        generator = torch.Generator().manual_seed(seed)
        # One choice of held-out pixels for all runs, so that none has seen those that judge their mean.
        parts = problem.split(self.held_out, generator) if self.held_out else (problem, None)
        weights = {} if start is None else dict(start)
        rule = until or Never()
        if self.time_limit is not None:
            rule |= TimeLimit(self.time_limit)
        runs = self._runs(problem, parts, generator, weights)
        try:
            yield from best_last(stopped(runs, rule))
        finally:
            runs.close()
        return weights

    def _runs(
        self,
        problem: "Problem",
        parts: tuple["Problem", "Problem | None"],
        generator: "torch.Generator",
        weights: State,
    ) -> Generator["Iterate", None, None]:
        """Yield the iterates of all runs; each x is the mean with the answers of the runs before."""
        from napari_dip.solver.fit import fit
        from napari_dip.solver.iterate import Outcome
        from napari_dip.solver.samples import jittered
        from napari_dip.solver.stages import averaged, best_last, joined, mean, scored, stopped
        from napari_dip.solver.stopping import Budget, Diverged, NoImprovement

        fitted, held_out = parts
        rule = Diverged() | Budget(self.iterations) | NoImprovement(self.patience)
        answers: list[Tensor] = []
        updates, lowest = 0, math.inf
        for number in range(self.runs):
            network, z, noise = self._network(problem, generator, weights if number == 0 else {})
            samples = jittered(z, self.jitter, fitted, noise)
            betas = (0.9, self.second_moment)
            iterates = fit(network, samples, learning_rate=self.learning_rate, betas=betas)
            iterates = joined(averaged(iterates, decay=self.averaging), answers)
            if held_out is not None:
                iterates = scored(iterates, held_out.score)
            length = 0
            try:
                for iterate in best_last(stopped(iterates, rule)):
                    length = max(length, iterate.index)
                    if iterate.outcome is None:
                        # Nothing but a score tells when a run has come far enough to join the others.
                        x = iterate.x if held_out is not None or not answers else mean(answers)
                        yield replace(iterate, index=updates + iterate.index, x=x)
            finally:  # also where the reader ends it
                state = network.network.state_dict()
                weights.update({name: value.cpu().clone() for name, value in state.items()})
            own = (len(answers) + 1) * iterate.x - sum(answers)
            untrained = iterate.outcome is Outcome.DIVERGED and iterate.index == 0
            better = iterate.score is None or iterate.score < lowest
            if better and not untrained and own.isfinite().all():
                answers.append(own)
                lowest = lowest if iterate.score is None else iterate.score
            last = number + 1 == self.runs
            if answers:
                yield replace(
                    iterate,
                    index=updates + iterate.index,
                    x=mean(answers),
                    score=None if held_out is None else lowest,
                    outcome=iterate.outcome if last else None,
                )
            elif last:
                raise DivergenceError
            updates += length

    def _network(
        self, problem: "Problem", generator: "torch.Generator", weights: State
    ) -> tuple["ToGreyLevels", "Tensor", "torch.Generator"]:
        """Return a network, its input, and the generator of the jitter, on the device of the data."""
        import torch

        from napari_dip.networks.precision import compute_dtype
        from napari_dip.networks.skip import SkipNetwork
        from napari_dip.scaling import Range, ToGreyLevels

        device = problem.data.device
        z = self._input(problem.grid.shape, generator)
        network = SkipNetwork(self.network, z.shape[1], problem.data.shape[1], problem.grid.shape)
        network.initialise(generator)
        if weights:
            if _shapes(weights) != _shapes(network.state_dict()):
                raise RestorationError(
                    "The warm start comes from a network of another shape: the settings and the channels "
                    "must be the same."
                )
            network.load_state_dict(weights)
        layout = torch.channels_last if z.ndim == 4 else torch.channels_last_3d
        network.to(device).to(memory_format=layout)  # type: ignore[call-overload]
        z = z.to(device, compute_dtype(self.precision, device), memory_format=layout)
        seed = int(torch.randint(2**62, (), generator=generator))
        range_ = Range.of(problem.data, problem.weights > 0)
        return ToGreyLevels(network.train(), range_), z, torch.Generator(device).manual_seed(seed)

    def _input(self, shape: tuple[int, ...], generator: "torch.Generator") -> "Tensor":
        import torch

        if self.input == "coordinates":
            axes = [torch.linspace(0, 1, n) for n in shape]
            return torch.stack(torch.meshgrid(*axes, indexing="ij"))[None]
        return 0.1 * torch.rand(1, self.input_channels, *shape, generator=generator)


def _shapes(state: State) -> dict[str, tuple[int, ...]]:
    return {name: tuple(getattr(value, "shape", ())) for name, value in state.items()}


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
