"""Deep Image Prior."""

import math
from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from annotated_types import Ge, Gt, Interval, Unit

from napari_dip.errors import DivergenceError, RestorationError
from napari_dip.image.grid import format_shape
from napari_dip.methods.base import State
from napari_dip.networks.settings import Architecture, Hourglass
from napari_dip.settings import check
from napari_dip.tasks import TASKS, Task

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from napari_dip.dip.validation import Validation
    from napari_dip.networks.output import ToGreyLevels
    from napari_dip.optim.iterate import Iterate
    from napari_dip.optim.stopping import StoppingRule
    from napari_dip.problem import Problem

#: Range of the images that the network sees, beside noise from 0 to 0.1.
_CONTRAST = 0.3
#: Between the seeds of two runs; a prime, so that the runs of neighbouring seeds differ.
_STRIDE = 7919


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
    ensemble_size : int
        Networks that are fitted one after another, from different random weights; the answer is the mean
        of theirs. A second one is worth some tenths of a decibel, and takes as long as the first.
    time_limit : float, optional
        Seconds at the most, for all runs of an image or frame; the best result until then is kept.
    stopping : {"auto", "held-out", "variance", "discrepancy", "max-iterations"}
        What ends a run: the error on pixels held out of the fit; how much the outputs vary (Wang et al., TMLR
        2023); a residual as strong as the noise, which is measured in the image's flattest parts where the
        noise model doesn't know it; or the number of iterations alone. "auto" takes held-out pixels, unless a
        test before the run finds the noise correlated between pixels: then the residual's strength, or where
        that can't be measured the variance.
    patience : int
        Updates without progress after which a run ends.
    validation_fraction : float, optional
        Share of the observed pixels that the fit never sees, to judge it by. By default 5 %, of blurred data
        10 %, and of those where each pixel is dear, as in super-resolution, 2 %.
    initial_estimate : bool
        To denoise and to deconvolve, the network sees an estimate by a classic filter beside its own input,
        unless there is a guide: faster, and better by some tenths of a decibel where non-local means do well.
        Held-out pixels don't influence it.
    postfilter : bool
        To denoise and to inpaint, unless there is a guide, the fitted image leads a last filter over the data
        (non-local Bayes: Lebrun, Buades, Morel, SIAM J. Imaging Sciences 6, 2013): better by half a decibel
        on average, and where single pixels are missing by more. It takes seconds, follows a run that is
        judged by held-out pixels and that neither you nor the clock has stopped, and is dropped where these
        pixels speak against it.
    sieve_width : float
        Width of the finest details of a deconvolved image, as a share of that of the point spread function
        (the method of sieves: Snyder, Miller, IEEE Trans. Nuclear Science 32, 1985). What is finer would
        mostly be noise; 0 sets no limit.
    learning_rate : float
        Adam's step size. Lower it if the loss is no longer finite.
    beta2 : float
        Adam's memory of the squared gradient, β₂. A short memory is what makes this fast.
    input_noise_std : float
        Standard deviation of the noise added to the network's input at each update.
    ema_decay : float
        Decay of the moving average of the outputs; 0.99 remembers about 100 updates.
    input : {"noise", "coordinates", "guide"}
        What the network sees: fixed uniform noise, the pixels' coordinates (smoother, for large holes), or
        nothing but the guide. Beside the first two it sees the guide too, where there is one.
    input_channels : int
        Channels of a noise input.
    network : Architecture
        Shape of the network.
    precision : {"auto", "float32", "bfloat16"}
        Number format inside the network; "auto" takes the faster one on this machine.
    """

    tasks: ClassVar[tuple[type[Task], ...]] = TASKS
    slicewise: ClassVar[bool] = False
    takes_maps: ClassVar[bool] = False
    yields_network_output: ClassVar[bool] = False

    iterations: Annotated[int, Interval(ge=1, le=1_000_000)] = 3000
    ensemble_size: Annotated[int, Interval(ge=1, le=100)] = 1
    time_limit: Annotated[float | None, Gt(0), Unit("s")] = None
    stopping: Literal["auto", "held-out", "variance", "discrepancy", "max-iterations"] = "auto"
    patience: Annotated[int, Ge(1)] = 150
    validation_fraction: Annotated[float | None, Interval(gt=0, le=0.5)] = None
    initial_estimate: bool = True
    postfilter: bool = True
    sieve_width: Annotated[float, Interval(ge=0, le=1)] = 0.6
    learning_rate: Annotated[float, Interval(gt=0, le=1)] = 0.01
    beta2: Annotated[float, Interval(ge=0, lt=1)] = 0.95
    input_noise_std: Annotated[float, Ge(0)] = 0.03
    ema_decay: Annotated[float, Interval(ge=0, lt=1)] = 0.99
    input: Literal["noise", "coordinates", "guide"] = "noise"
    input_channels: Annotated[int, Ge(1)] = 16
    network: Architecture = Hourglass()
    precision: Literal["auto", "float32", "bfloat16"] = "auto"

    def __post_init__(self) -> None:
        check(self)

    @property
    def max_iterations(self) -> int:
        """Updates at the most, of all runs."""
        return self.ensemble_size * self.iterations

    def probe(self, updates: int) -> Self:
        """Return settings that nothing but this number of updates ends, and that begin at once.

        An update takes as long with a first guess as without, within what can be measured.
        """
        return replace(
            self,
            ensemble_size=1,
            iterations=updates,
            time_limit=None,
            stopping="max-iterations",
            initial_estimate=False,
        )

    def resolved(self, device: str) -> Self:
        """Return the settings with the precision that "auto" stands for on a device."""
        import torch

        from napari_dip.networks.precision import compute_dtype

        dtype = compute_dtype(self.precision, torch.device(device))
        return replace(self, precision="bfloat16" if dtype == torch.bfloat16 else "float32")

    def unsupported_reason(self, problem: "Problem", *, guided: bool = False) -> str | None:
        """Return why it can't do this one, in words for the user, or None."""
        shape = problem.grid.shape
        if len(shape) not in (2, 3):
            return f"Deep Image Prior needs 2 or 3 spatial axes, got {len(shape)}."
        if max(shape) < 8:
            return f"Deep Image Prior needs at least 8 pixels along one axis, got {format_shape(shape)}."
        if int(problem.observed.sum()) < 4:
            return "Deep Image Prior needs at least 4 observed pixels."
        if self.input == "guide" and not guided:
            return 'The network is to see nothing but a guide, and there is none: give one, or input="noise".'
        if guided and self.network.input_shape(shape) != shape:
            return f"{type(self.network).__name__} sees no image, and so no guide: take an Hourglass."
        return None

    def remarks(self, problem: "Problem") -> tuple[str, ...]:
        """Return nothing."""
        return ()

    def solve(
        self,
        problem: "Problem",
        *,
        seed: int = 0,
        guide: "Tensor | None" = None,
        initial_state: State | None = None,
        parameter_maps: "Mapping[str, Tensor] | None" = None,
        stopping_rule: "StoppingRule | None" = None,
    ) -> Generator["Iterate", None, State]:
        """Yield iterates, each the moving average of the outputs so far; the last one is the answer.

        A last filter may have changed its x. While that works the iterate that it changes is yielded again.

        Parameters
        ----------
        problem : Problem
            What the image has to explain.
        seed : int
            Of weights, input, input noise and the choice of the held-out pixels.
        guide : Tensor, shape ``(1, G, *spatial)``, optional
            Another image of the same scene, on the grid of x, in its own grey levels.
        initial_state : dict, optional
            What an earlier run with the same settings returned: the first weights of each run.
        parameter_maps
            None.
        stopping_rule : StoppingRule, optional
            Stops the run as well as the method's own rules do.

        Returns
        -------
        dict
            Weights after the last update of each run.
        """
        import torch

        from napari_dip.dip.postfilter import postfiltered
        from napari_dip.dip.validation import Validation
        from napari_dip.operators import Identity
        from napari_dip.optim.stages import best_last, stopped
        from napari_dip.optim.stopping import Never, TimeLimit

        # One choice of held-out pixels for all runs, so that none has seen those that judge their mean.
        generator = torch.Generator().manual_seed(seed)
        validation = Validation.of(problem, self.stopping, self.validation_fraction, generator)
        weights = {} if initial_state is None else dict(initial_state)
        if weights and not any(name.startswith("0.") for name in weights):
            raise _another_shape()
        rule = stopping_rule or Never()
        if self.time_limit is not None:
            rule |= TimeLimit(self.time_limit)
        runs = self._runs(validation, self._seen(validation, guide), seed, weights)
        # It knows pixels of the data, not what an operator makes of them, and less than a guide.
        direct = isinstance(problem.operator, Identity) and guide is None
        filters = self.postfilter and direct and validation.held_out is not None
        try:
            yield from best_last(stopped(postfiltered(runs, validation) if filters else runs, rule))
        finally:
            runs.close()
        return weights

    def _seen(self, validation: "Validation", guide: "Tensor | None") -> "list[Tensor]":
        """Return the images that the network sees beside its own input, each about 0 and of one contrast."""
        from napari_dip.dip.initial_estimate import initial_estimate
        from napari_dip.image.intensity import Range
        from napari_dip.operators import Blur, Identity

        images = [] if guide is None else [guide]
        # Classic filters take white noise out. Of noise that is correlated they keep most, and of what is
        # missing, or finer than the data, they know nothing: there they were found to do harm.
        problem = validation.fitted
        noisy = isinstance(problem.operator, Identity | Blur) and not problem.only_missing
        seeing = self.network.input_shape(problem.grid.shape) == problem.grid.shape
        if self.initial_estimate and noisy and seeing and guide is None:
            # In either case as many channels: frames of a series hand their weights on, whatever their noise.
            blank = problem.data.new_zeros(1, problem.data.shape[1], *problem.grid.shape)
            images.append(initial_estimate(problem) if validation.trusts_filters else blank)
        return [
            _CONTRAST * (Range.of(image, image.isfinite()).to_unit(image) - 0.5).cpu() for image in images
        ]

    def _runs(
        self, validation: "Validation", seen: "list[Tensor]", seed: int, weights: State
    ) -> Generator["Iterate", None, None]:
        """Yield the iterates of all runs; each x is the mean with the answers of the runs before."""
        import torch

        from napari_dip.optim.fit import fit, noisy_inputs
        from napari_dip.optim.iterate import Outcome
        from napari_dip.optim.stages import averaged, best_last, joined, mean, stopped
        from napari_dip.optim.stopping import Diverged, MaxIterations

        rule = Diverged() | MaxIterations(self.iterations) | validation.rule(self.patience)
        answers: list[Tensor] = []
        updates, lowest = 0, math.inf
        for number in range(self.ensemble_size):
            # Its own generator: what a run begins with must not depend on what was drawn before it.
            generator = torch.Generator().manual_seed((seed + _STRIDE * (number + 1)) % 2**63)
            prefix = f"{number}."
            first = {
                name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)
            }
            network, z, noise = self._network(validation.problem, seen, generator, first)
            samples = noisy_inputs(z, self.input_noise_std, validation.fitted, noise)
            betas = (0.9, self.beta2)
            iterates = fit(network, samples, learning_rate=self.learning_rate, betas=betas)
            iterates = averaged(validation.of_outputs(iterates), decay=self.ema_decay)
            iterates = validation.of_means(joined(validation.of_averages(iterates), answers))
            if number:  # a network that has learnt nothing yet joins no other
                iterates = islice(iterates, 1, None)
            # Nothing but held-out pixels tells when a run has come far enough to join the others.
            waits = bool(answers) and validation.held_out is None
            length = 0
            try:
                for iterate in best_last(stopped(iterates, rule)):
                    length = max(length, iterate.index)
                    if iterate.outcome is None:
                        yield replace(
                            iterate,
                            index=updates + iterate.index,
                            x=mean(answers) if waits else iterate.x,
                            score=_finite(lowest) if waits else iterate.score,
                            criterion=validation.criterion,
                        )
            finally:  # also where the reader ends it
                state = network.network.state_dict()
                weights.update({f"{prefix}{name}": value.cpu().clone() for name, value in state.items()})
            own = (len(answers) + 1) * iterate.x - sum(answers)
            untrained = iterate.outcome is Outcome.DIVERGED and iterate.index == 0
            better = validation.held_out is None or iterate.score is None or iterate.score < lowest
            if better and not untrained and own.isfinite().all():
                answers.append(own)
                lowest = lowest if iterate.score is None else min(lowest, iterate.score)
            last = number + 1 == self.ensemble_size
            if answers:
                yield replace(
                    iterate,
                    index=updates + iterate.index,
                    x=mean(answers),
                    score=_finite(lowest),
                    outcome=iterate.outcome if last else None,
                    criterion=validation.criterion,
                )
            elif last:
                raise DivergenceError
            updates += length

    def _network(
        self, problem: "Problem", seen: "list[Tensor]", generator: "torch.Generator", weights: State
    ) -> tuple["ToGreyLevels", "Tensor", "torch.Generator"]:
        """Return a network, its input, and the generator of the input noise, on the device of the data."""
        import torch

        from napari_dip.image.intensity import Range
        from napari_dip.networks.cuda_graph import record
        from napari_dip.networks.output import ToGreyLevels
        from napari_dip.networks.precision import compute_dtype

        device, shape = problem.data.device, problem.grid.shape
        own = [] if self.input == "guide" else [self._input(self.network.input_shape(shape), generator)]
        z = torch.cat([*own, *seen], 1)
        network = self.network.build(z.shape[1], problem.data.shape[1], shape)
        network.initialise(generator)
        if weights:
            if _shapes(weights) != _shapes(network.state_dict()):
                raise _another_shape()
            network.load_state_dict(weights)
        layout = torch.channels_last if z.ndim == 4 else torch.channels_last_3d
        network.to(device).to(memory_format=layout)  # type: ignore[call-overload]
        z = z.to(device, compute_dtype(self.precision, device), memory_format=layout)
        seed = int(torch.randint(2**62, (), generator=generator))
        range_ = Range.of(problem.data, problem.weights > 0).through(problem.gain)
        network.train()
        if device.type == "cuda":
            record(network, z)
        scaled = ToGreyLevels(network, range_, self._sieve(problem), problem.floor)
        return scaled, z, torch.Generator(device).manual_seed(seed)

    def _sieve(self, problem: "Problem") -> "torch.nn.Module | None":
        """Return what takes details away that are finer than a share of the point spread function."""
        from napari_dip.networks.output import Sieve
        from napari_dip.operators import Blur

        if not isinstance(problem.operator, Blur) or not self.sieve_width:
            return None
        return Sieve(tuple(self.sieve_width * width for width in problem.operator.widths))

    def _input(self, shape: tuple[int, ...], generator: "torch.Generator") -> "Tensor":
        import torch

        if self.input == "coordinates":
            axes = [torch.linspace(0, 1, n) for n in shape]
            return torch.stack(torch.meshgrid(*axes, indexing="ij"))[None]
        return 0.1 * torch.rand(1, self.input_channels, *shape, generator=generator)


def _another_shape() -> RestorationError:
    return RestorationError(
        "The warm start comes from a network of another shape: settings and channels must be the same."
    )


def _finite(score: float) -> float | None:
    return score if math.isfinite(score) else None


def _shapes(state: State) -> dict[str, tuple[int, ...]]:
    return {name: tuple(getattr(value, "shape", ())) for name, value in state.items()}
