"""Deep Image Prior."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Ge, Gt, Interval

from napari_dip.methods.base import State
from napari_dip.networks.hourglass import Hourglass
from napari_dip.settings import check

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from napari_dip.problem import Problem
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
        Updates at the most.
    time_limit : float, optional
        Seconds at the most, for each image or frame; the best result until then is kept.
    patience : int
        Updates without a fall of the held-out error after which the run ends.
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

    iterations: Annotated[int, Interval(ge=1, le=1_000_000)] = 3000
    time_limit: Annotated[float | None, Gt(0)] = None
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
            What an earlier run with the same settings returned: its weights are the first ones.
        until : StoppingRule, optional
            Stops the run as well as the method's own rules do.

        Returns
        -------
        dict
            Weights after the last update.
        """
        import torch

        from napari_dip.networks.precision import compute_dtype
        from napari_dip.scaling import Range, ToGreyLevels
        from napari_dip.solver.fit import fit
        from napari_dip.solver.samples import jittered
        from napari_dip.solver.stages import averaged, best_last, scored, stopped
        from napari_dip.solver.stopping import Budget, Diverged, NoImprovement, TimeLimit

        device = problem.data.device
        generator = torch.Generator().manual_seed(seed)
        fitted, held_out = problem.split(self.held_out, generator) if self.held_out else (problem, None)

        z = self._input(problem.grid.shape, generator)
        inner = self.network.build(z.shape[1], problem.data.shape[1], problem.grid.shape)
        inner.initialise(generator)
        if start is not None:
            inner.load_state_dict(start)
        layout = torch.channels_last if z.ndim == 4 else torch.channels_last_3d
        inner = inner.to(device, memory_format=layout).train()
        z = z.to(device, compute_dtype(self.precision, device), memory_format=layout)
        noise = torch.Generator(device).manual_seed(seed)

        network = ToGreyLevels(inner, Range.of(problem.data, problem.weights > 0))
        rule: StoppingRule = Diverged() | Budget(self.iterations)
        if self.time_limit is not None:
            rule |= TimeLimit(self.time_limit)
        if until is not None:
            rule |= until
        iterates = averaged(
            fit(
                network,
                jittered(z, self.jitter, fitted, noise),
                learning_rate=self.learning_rate,
                betas=(0.9, self.second_moment),
            ),
            decay=self.averaging,
        )
        if held_out is not None:
            iterates = scored(iterates, held_out.score)
            rule |= NoImprovement(self.patience)
        yield from best_last(stopped(iterates, rule))
        return {name: value.cpu() for name, value in inner.state_dict().items()}

    def _input(self, shape: tuple[int, ...], generator: "torch.Generator") -> "Tensor":
        import torch

        if self.input == "coordinates":
            axes = [torch.linspace(0, 1, n) for n in shape]
            return torch.stack(torch.meshgrid(*axes, indexing="ij"))[None]
        return 0.1 * torch.rand(1, self.input_channels, *shape, generator=generator)


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
