"""Fine-tuning of pretrained networks by data consistency."""

import copy
import time
from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from annotated_types import Gt, Interval, Unit

from napari_dip.errors import InputError
from napari_dip.image.grid import format_shape
from napari_dip.methods.base import State
from napari_dip.noise.models import LaplaceNoise
from napari_dip.settings import check
from napari_dip.tasks import Deconvolve, Denoise, SuperResolve, Task

if TYPE_CHECKING:
    from torch import Tensor, nn

    from napari_dip.finetuning.session import Session
    from napari_dip.optim.iterate import Iterate
    from napari_dip.optim.stopping import StoppingRule
    from napari_dip.pretrained.model import Pretrained
    from napari_dip.problem import Problem

#: Pixels of the data along each axis at the least.
_SMALLEST = 16
#: What is shown while the weights change takes no more than so small a share of the time.
_IDLE = 3
#: What the name of a network begins with that was given in Python.
_GIVEN = "module "


@dataclass(frozen=True)
class FineTune:
    """Correct what a pretrained network gets wrong about this one image, or leave it alone.

    The network's output is held against the data first. Where it explains them there is nothing to correct;
    where it doesn't, back-projection takes the contradiction out at once, and a few updates of the weights
    may gain more: on the image itself, and on made pictures, degraded as the data were. Where the data are
    noisy Stein's estimate of the error takes the place of the misfit, so that the noise is not learnt.
    Volumes plane by plane. After Lucas, Lopez-Tapia, Molina, Katsaggelos, *Efficient Fine-Tuning of Neural
    Networks for Artifact Removal in Deep Learning for Inverse Imaging Problems*, ICIP 2019.

    Parameters
    ----------
    weights : str, optional
        The network: a file (.safetensors, or a .pth with a state dictionary), or "compact", "vdsr" or
        "dncnn", which come with the package. By default the one of these that suits the task.
    action : {"auto", "network", "back-projection", "fine-tuning"}
        How far to go: as the verdict on the network's output says; nowhere, which shows that output; to the
        nearest image that explains the data; or to the end, whatever the verdict.
    loss : {"auto", "plain", "sure", "masked"}
        What the updates minimise: the misfit; Stein's estimate of the error, where there is noise; or the
        misfit where the image is smooth, for networks of adversarial training, whose invented edges would
        count as errors. "auto" takes one of the first two.
    iterations : int
        Updates at the most.
    learning_rate : float, optional
        Adam's step size. By default the best of a few, by the loss after some updates of each.
    self_ensemble : bool
        Take the mean over the eight ways to turn and mirror the image, at the end.
    time_limit : float, optional
        Seconds at the most for an image or frame; the best result until then is kept.
    """

    tasks: ClassVar[tuple[type[Task], ...]] = (Denoise, SuperResolve, Deconvolve)
    slicewise: ClassVar[bool] = True
    takes_maps: ClassVar[bool] = False
    yields_network_output: ClassVar[bool] = True

    weights: str | None = None
    action: Literal["auto", "network", "back-projection", "fine-tuning"] = "auto"
    loss: Literal["auto", "plain", "sure", "masked"] = "auto"
    iterations: Annotated[int, Interval(ge=1, le=10_000)] = 100
    learning_rate: Annotated[float | None, Interval(gt=0, le=1)] = None
    self_ensemble: bool = True
    time_limit: Annotated[float | None, Gt(0), Unit("s")] = None
    #: A network that `of` was given, a `Pretrained`; no file holds it.
    network: Any = field(default=None, repr=False, compare=False, metadata={"plain": False})

    @classmethod
    def of(
        cls,
        network: "nn.Module",
        *,
        factor: int = 1,
        channels: int = 1,
        pre_upsampled: bool = False,
        sigma: float | None = None,
        **settings: Any,
    ) -> Self:
        """Return settings for a network of your own, as it is in Python. It is copied, and not changed.

        Parameters
        ----------
        network : nn.Module
            Takes float32 images of shape ``(N, channels, H, W)``, from 0 to 1 or to 255, which is found out,
            to ``(N, channels, factor * H, factor * W)``.
        factor : int
            Pixels of the result for one of the data along both axes; 1 for denoising and deblurring.
        channels : int
            1 or 3, or as many as the data have.
        pre_upsampled : bool
            The network takes images that were enlarged before, and leaves their size.
        sigma : float, optional
            Of the noise that a denoiser was trained to remove, in grey levels of images from 0 to 255.
        **settings
            As for the class.
        """
        from napari_dip.pretrained.model import Pretrained

        name = f"{_GIVEN}{type(network).__name__}"
        own = Pretrained(
            copy.deepcopy(network),
            type(network).__name__,
            factor,
            channels,
            name,
            pre_upsampled=pre_upsampled,
            sigma=sigma,
        )
        # What a record says: no file has this name, so that nobody takes another network for it.
        return cls(weights=name, network=own, **settings)

    def __post_init__(self) -> None:
        check(self)

    @property
    def given(self) -> bool:
        """The network was given in Python: no file holds it."""
        return (self.weights or "").startswith(_GIVEN)

    @property
    def max_iterations(self) -> int:
        """Updates at the most."""
        return self.iterations if self._tunes else 1

    @property
    def _tunes(self) -> bool:
        return self.action in ("auto", "fine-tuning")

    def probe(self, updates: int) -> Self:
        """Return settings that tune for this number of updates, if these do at all, and do nothing else."""
        if not self._tunes:
            return replace(self, action="network")
        rate = self.learning_rate or 1e-4
        return replace(
            self,
            action="fine-tuning",
            iterations=updates,
            learning_rate=rate,
            self_ensemble=False,
            time_limit=None,
        )

    def resolved(self, device: str) -> Self:
        """Return the settings themselves: what they leave open is found in the image."""
        return self

    def unsupported_reason(self, problem: "Problem", *, guided: bool = False) -> str | None:
        """Return why it can't do this one, in words for the user, or None.

        Raises
        ------
        InputError
            It is for the weights that it can't.
        """
        shape = problem.grid.shape
        if len(shape) != 2:
            return f"A fine-tuned network restores planes, and this has {len(shape)} spatial axes."
        if isinstance(problem.noise, LaplaceNoise):
            return "A fine-tuned network leaves outliers in: take Deep Image Prior, or mark them as missing."
        if guided:
            return "A fine-tuned network takes no guide: take Deep Image Prior."
        if min(problem.data.shape[2:]) < _SMALLEST:
            return (
                f"A fine-tuned network needs at least {_SMALLEST} pixels along each axis, got "
                f"{format_shape(problem.data.shape[2:])}: restore a larger part."
            )
        try:
            self.pretrained(problem)
        except ValueError as error:
            raise InputError("weights", str(error)) from error
        return None

    def remarks(self, problem: "Problem") -> tuple[str, ...]:
        """Return what is known of the network."""
        return (f"The network: {self.pretrained(problem).in_words}.",)

    def pretrained(self, problem: "Problem") -> "Pretrained":
        """Return the network that restores a problem's data. It is not to be changed.

        Raises
        ------
        FileError
            Its file is absent, broken, of an unknown kind, or would run code.
        ValueError
            It is for another task, other channels, or there is none.
        """
        from napari_dip.finetuning.selection import chosen, suitable

        return chosen(self.weights, problem) if self.network is None else suitable(self.network, problem)

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
        """Yield the network's own output first, then what it was corrected to; the last one is the answer.

        Parameters
        ----------
        problem : Problem
            What the image has to explain; of two axes.
        seed : int
            Of the parts of the image that the updates see, and of the probes.
        guide
            None.
        initial_state : dict, optional
            What an earlier run with the same network returned: the weights to begin with.
        parameter_maps
            None.
        stopping_rule : StoppingRule, optional
            Stops the run as well as the method's own rules do.

        Returns
        -------
        dict
            Weights of the network as they are now.
        """
        import torch

        from napari_dip.finetuning.consistency import Diagnosis, residual
        from napari_dip.finetuning.tuner import Tuning
        from napari_dip.operators import Identity
        from napari_dip.optim.iterate import Iterate, Outcome, StoppingCriterion
        from napari_dip.optim.stopping import Never, TimeLimit

        rule = stopping_rule or Never()
        if self.time_limit is not None:
            rule |= TimeLimit(self.time_limit)
        check = rule.start()
        held = self.held(problem, initial_state)
        restorer, verdict, x = held.restorer, held.verdict, held.first

        def answer(x: "Tensor", why: Outcome, index: int = 0) -> Iterate:
            return Iterate(index, x, problem(x), outcome=why, note=note, state=restorer.weights)

        note = held.in_words()
        if self.action == "network":
            yield answer(x, Outcome.COMPUTED)
            return restorer.weights
        first = Iterate(0, x, problem(x), note=note)
        ended = check(first)
        if verdict.finding is Diagnosis.CONSISTENT and self.action == "auto":
            yield answer(x, ended or Outcome.CONSISTENT)
            return restorer.weights
        if not ended:
            yield first
        noisy, left = held.noisy, None
        x = held.projected(x) if self.action == "back-projection" else held.begun()
        if not noisy or self.action == "back-projection":
            left = residual(problem, x)
            note = held.in_words(left)
            if isinstance(problem.operator, Identity) and self.action == "auto":
                note = f"{held.in_words()} No noise was found: the answer is the data as they are."
                yield answer(x, ended or Outcome.COMPUTED)
                return restorer.weights
            if self.action == "back-projection":
                yield answer(x, Outcome.COMPUTED)
                return restorer.weights
        trying = "" if self.learning_rate else " Trying step sizes."
        waiting = Iterate(0, x, problem(x), note=note + trying)
        loss = ("sure" if noisy else "plain") if self.loss == "auto" else self.loss
        generator = torch.Generator().manual_seed(seed)
        tuning = Tuning(restorer, held.view, loss, generator)
        with closing(tuning.trials(self.learning_rate)) as trials:
            for rate in trials:  # noqa: B007  the last one is taken
                ended = ended or check(waiting)
                if ended:
                    break
                yield waiting
        if ended:
            yield answer(x, ended)
            return restorer.weights
        steps = tuning.steps(self.iterations, rate)
        criterion = StoppingCriterion.RISK if loss == "sure" else StoppingCriterion.CROSS_SCALE
        took, shown = 0.0, time.monotonic()
        try:
            for step in steps:
                if step.outcome is None and time.monotonic() - shown >= _IDLE * took:
                    began = time.monotonic()
                    x = held.seen()
                    shown = time.monotonic()
                    took = shown - began
                iterate = Iterate(step.index, x, step.loss, step.score, criterion=criterion, note=note)
                ended = step.outcome or check(iterate)
                if ended:
                    break
                yield iterate
        finally:
            steps.close()
        assert ended is not None
        note = held.in_words(left, tuned=True)
        yield replace(
            answer(held.last(self_ensemble=self.self_ensemble), ended, step.index),
            score=step.score,
            criterion=criterion,
        )
        return restorer.weights

    def held(self, problem: "Problem", initial_state: State | None = None) -> "Session":
        """Return the network, or what became of it before, held against a problem's data.

        Parameters
        ----------
        problem : Problem
            Of two axes.
        initial_state : dict, optional
            Weights in place of the network's own.
        """
        from napari_dip.finetuning.session import Session

        found = self.pretrained(problem)
        own = replace(found, network=copy.deepcopy(found.network).to(problem.data.device))
        if initial_state:
            own.network.load_state_dict(initial_state)
        return Session.of(own, problem)
