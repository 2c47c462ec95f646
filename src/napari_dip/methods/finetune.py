"""The settings of fine-tuning a pretrained network."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from annotated_types import Gt, Interval, Unit

from napari_dip.methods.base import State
from napari_dip.settings import check, subset
from napari_dip.tasks import Deconvolve, Denoise, SuperResolve, Task

if TYPE_CHECKING:
    from torch import Tensor, nn

    from napari_dip.finetuning.session import Session
    from napari_dip.optim.iterate import Iterate
    from napari_dip.optim.stopping import StoppingRule
    from napari_dip.pretrained.model import Pretrained
    from napari_dip.problem import Problem

#: Begins the name of a network that was given in Python, so that no file is taken for it.
_MODULE = "module "


@dataclass(frozen=True)
class FineTune:
    """Restore with a pretrained network, and correct its output where it contradicts the data.

    If the network's output explains the data, it is the answer. If not, back-projection removes the
    contradiction, and fine-tuning may improve the image further: the network learns from the image itself and
    from synthetic images degraded like it. If the data are noisy, Stein's estimate of the error replaces the
    misfit, so that the noise is not learnt. Volumes are restored plane by plane. After Lucas, Lopez-Tapia,
    Molina, Katsaggelos, *Efficient Fine-Tuning of Neural Networks for Artifact Removal in Deep Learning for
    Inverse Imaging Problems*, ICIP 2019.

    Parameters
    ----------
    weights : str, optional
        The network: a file (.safetensors, or a .pth file with a state dictionary), or one of the bundled
        networks "compact", "vdsr" and "dncnn". By default, the bundled network that suits the task.
    action : {"auto", "network", "back-projection", "fine-tuning"}
        The last step of the run: the one that the consistency check chooses ("auto"); the network, whose
        output is then left unchanged; back-projection; or fine-tuning.
    loss : {"auto", "plain", "sure", "masked"}
        What fine-tuning minimises on the data: the misfit, Stein's estimate of the error, or the misfit where
        the image is smooth, for adversarially trained networks, whose invented edges would count as errors.
        "auto" chooses Stein's estimate for noisy data, and the misfit otherwise.
    iterations : int
        Largest number of iterations of fine-tuning.
    learning_rate : float, optional
        Adam's step size. By default, three values are tried for a few iterations each, and the best one is
        used.
    self_ensemble : bool
        After fine-tuning, average over the eight ways to rotate and mirror the image.
    recover_sources : bool
        For denoising: put back faint stars, spots and blobs, bright or dark, that stand out from the noise of
        the data but are weaker in the restored image, or absent. It is used only if the noise is independent
        from pixel to pixel, and not for the action "network".
    time_limit : float, optional
        Largest number of seconds for an image or frame; the best result so far is kept.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_dip import FineTune, SuperResolve, restore
    >>> coarse = np.random.default_rng(0).normal(100, 5, (32, 32))
    >>> restore(coarse, SuperResolve(factor=2), FineTune(action="network")).image.shape
    (64, 64)
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
    recover_sources: bool = True
    time_limit: Annotated[float | None, Gt(0), Unit("s")] = None
    #: A network that was given to `of`, as a `Pretrained`.
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
        """Return settings for a network of your own. It is copied, and is not changed.

        Parameters
        ----------
        network : nn.Module
            Maps float32 images ``(N, channels, H, W)`` to ``(N, channels, factor * H, factor * W)``. Whether
            their grey levels lie between 0 and 1 or between 0 and 255 is found by trying.
        factor : int
            Pixels of the result per pixel of the data, along both axes. 1 for denoising and deblurring.
        channels : int
            1, 3, or the number of channels of the data.
        pre_upsampled : bool
            Whether the network takes images that have been interpolated to the size of the result.
        sigma : float, optional
            Noise that a denoiser was trained to remove: σ in grey levels of images from 0 to 255.
        **settings
            Settings of the class.
        """
        from napari_dip.pretrained.model import Pretrained

        name = f"{_MODULE}{type(network).__name__}"
        facts = {"factor": factor, "channels": channels, "pre_upsampled": pre_upsampled, "sigma": sigma}
        return cls(weights=name, network=Pretrained.of_module(network, name, **facts), **settings)

    def __post_init__(self) -> None:
        check(self)

    @property
    def given(self) -> bool:
        """The network was given in Python, and no file holds it."""
        return (self.weights or "").startswith(_MODULE)

    @property
    def max_iterations(self) -> int:
        """Largest number of iterations for an image or frame."""
        return self.iterations if self.action in ("auto", "fine-tuning") else 1

    def probe(self, iterations: int) -> Self:
        """Return settings for this many iterations of fine-tuning alone, or for the network's output."""
        if self.action not in ("auto", "fine-tuning"):
            return replace(self, action="network")
        tuned = replace(self, action="fine-tuning", iterations=iterations, self_ensemble=False)
        return replace(tuned, time_limit=None, learning_rate=self.learning_rate or 1e-4)

    def resolved(self, device: str) -> Self:
        """Return these settings: nothing in them depends on the device."""
        return self

    def unsupported_reason(self, problem: "Problem", *, guided: bool = False) -> str | None:
        """Return why the method can't restore these data, or None; raise InputError if the weights can't."""
        from napari_dip.finetuning.selection import unsupported_reason

        return unsupported_reason(problem, self.pretrained, guided=guided)

    def remarks(self, problem: "Problem") -> tuple[str, ...]:
        """Return a description of the network."""
        return (f"The network: {self.pretrained(problem).description}.",)

    def pretrained(self, problem: "Problem") -> "Pretrained":
        """Return the network for these data, or raise ValueError. Copy it before you change it."""
        from napari_dip.finetuning.selection import selected, suitable

        return selected(self.weights, problem) if self.network is None else suitable(self.network, problem)

    def session(self, problem: "Problem", initial_state: State | None = None) -> "Session":
        """Return the network and the data as a run has them before fine-tuning."""
        from napari_dip.finetuning.session import open_session

        return open_session(self.pretrained(problem).copied(problem.data.device, initial_state), problem)

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
        """Yield an iterate after each piece of work, the answer last; return the weights that were learnt.

        The parameters are those of `Method.solve`. There is no guide, and there are no maps.
        """
        from napari_dip.finetuning.run import Run
        from napari_dip.finetuning.settings import RunSettings

        network = self.pretrained(problem).copied(problem.data.device, initial_state)
        run = Run(subset(self, RunSettings), network, problem, seed, stopping_rule)
        return (yield from run.iterates()) or initial_state or {}
