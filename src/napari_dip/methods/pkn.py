"""Procedural kernel networks."""

import contextlib
import math
import warnings
from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from annotated_types import Interval

from napari_dip.errors import RestorationError
from napari_dip.methods.base import State
from napari_dip.noise.models import LaplaceNoise
from napari_dip.pkn.settings import KernelName
from napari_dip.settings import check
from napari_dip.tasks import Deconvolve, Denoise, SuperResolve, Task

if TYPE_CHECKING:
    from torch import Tensor, nn

    from napari_dip.noise.models import NoiseModel
    from napari_dip.operators import Operator
    from napari_dip.optim.iterate import Iterate
    from napari_dip.optim.stopping import StoppingRule
    from napari_dip.pkn.filtering import Filtering
    from napari_dip.pkn.kernels.base import ProceduralKernel
    from napari_dip.pkn.observation import Observation
    from napari_dip.problem import Problem

#: Side of the square that photon noise takes its brightness from, in pixels.
_BRIGHTNESS = 5
#: Noise that a guide is taken to have, in that of the image.
_GUIDED = 0.5


@dataclass(frozen=True)
class PKN:
    """Filter the image by a classic filter whose parameters a tiny network predicts at each pixel.

    One pass, within a second for some megapixels; volumes plane by plane. A filter can't invent structure,
    and its parameters are maps that can be looked at, edited and applied again. After Wronski, *Procedural
    Kernel Networks*, arXiv 2112.09318.

    Parameters
    ----------
    kernel : str
        The filter. To denoise a round (isotropic) or stretched (anisotropic) Gaussian, a bilateral filter or
        non-local means (nlm), the last two with a guide or without; to deconvolve reblurring, by a round
        Gaussian or a stretched one; to super-resolve upsampling. "auto" takes the one that suits the task.
    predictor : {"network", "structure-tensor", "constant"}
        Who says what the parameters are: the network; how grey levels change around a pixel, without any
        training; or the best single setting for all pixels.
    strength : float
        How far the parameters are taken from those that leave the image as it is: 0 not at all, 1 as
        predicted. Non-local means have no such parameter: at 0 they still take the mean of what looks alike.
    weights : str, optional
        File of a network of your own, made by `napari-dip train-pkn`; by default the one that comes with the
        package.
    """

    tasks: ClassVar[tuple[type[Task], ...]] = (Denoise, SuperResolve, Deconvolve)
    slicewise: ClassVar[bool] = True
    takes_maps: ClassVar[bool] = True
    yields_network_output: ClassVar[bool] = False
    max_iterations: ClassVar[int] = 1
    time_limit: ClassVar[float | None] = None

    kernel: Literal["auto", KernelName] = "auto"
    predictor: Literal["network", "structure-tensor", "constant"] = "network"
    strength: Annotated[float, Interval(ge=0, le=3)] = 1.0
    weights: str | None = None

    def __post_init__(self) -> None:
        check(self)

    def probe(self, updates: int) -> Self:
        """Return the settings themselves: there is one step to measure."""
        return self

    def resolved(self, device: str) -> Self:
        """Return the settings themselves: they leave nothing open."""
        return self

    def unsupported_reason(self, problem: "Problem", *, guided: bool = False) -> str | None:
        """Return why it can't do this one, in words for the user, or None."""
        from napari_dip.pkn.predictors import StructureTensor

        if len(problem.grid.shape) != 2:
            return f"A kernel network filters planes, and this has {len(problem.grid.shape)} spatial axes."
        if problem.only_missing:
            return "A kernel network fills no holes: take Deep Image Prior."
        if isinstance(problem.noise, LaplaceNoise):
            return "A kernel network leaves outliers in: take Deep Image Prior, or mark them as missing."
        try:
            kernel = self.kernel_for(problem.operator)
        except ValueError as error:
            return str(error)
        if guided and not kernel.guided:
            return f"{kernel.title} takes no guide: take a bilateral filter or non-local means."
        if self.predictor == "structure-tensor" and not StructureTensor.suits(kernel):
            return f"The structure tensor says nothing of {kernel.title}: take the network, or a constant."
        smallest = min(problem.data.shape[2:])
        if smallest <= kernel.margin:
            return (
                f"{kernel.title} needs more than {kernel.margin} pixels along each axis, got {smallest}: "
                "restore a larger part, or take another kernel."
            )
        return None

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
        """Yield one iterate, the answer, with the maps of its parameters.

        Parameters
        ----------
        problem : Problem
            What the image has to explain; of two axes.
        seed, initial_state
            As for other methods; unused.
        guide : Tensor, shape ``(1, G, H, W)``, optional
            From which grey-level distances are taken, by kernels that do so.
        stopping_rule : StoppingRule, optional
            May end a series after a frame.
        parameter_maps : mapping of str to Tensor, optional
            Maps to apply in place of predicted ones: by the parameter's name a tensor of the restored image's
            shape ``(H, W)``.

        Returns
        -------
        dict
            Empty: each frame is predicted afresh.
        """
        from napari_dip.optim.iterate import Iterate, Outcome
        from napari_dip.pkn.maps import maps_of

        filtering = self.filtering(problem, guide, parameter_maps)
        image, blind = filtering.image()
        if blind:
            warnings.warn(
                f"{blind} pixels have no observed one in reach of the filter, and the value of the nearest",
                stacklevel=2,
            )
        if problem.floor is not None:
            image = image.clamp_min(problem.floor)
        x = problem.widened(image)
        answer = Iterate(
            self.max_iterations, x, problem(x), outcome=Outcome.COMPUTED, maps=maps_of(filtering)
        )
        if (
            stopping_rule is not None and stopping_rule.start()(answer) is Outcome.STOPPED
        ):  # no further frame is wanted
            answer = replace(answer, outcome=Outcome.STOPPED)
        yield answer
        return {}

    def filtering(
        self, problem: "Problem", guide: "Tensor | None" = None, maps: "Mapping[str, Tensor] | None" = None
    ) -> "Filtering":
        """Return the kernel with the image and its parameters, as `solve` applies it.

        Raises
        ------
        RestorationError
            The noise can't be measured.
        ValueError
            The maps are not those of the kernel, or of another shape, or not finite.
        """
        from napari_dip.pkn.filtering import Filtering

        kernel = self.kernel_for(problem.operator)
        observation = observed(problem, guide)
        if maps:
            return Filtering.given(kernel, observation, maps, self.strength)
        predictor = self._predictor(kernel).to(problem.data.device)
        return Filtering.predicted(kernel, observation, predictor, self.strength)

    def remarks(self, problem: "Problem") -> tuple[str, ...]:
        """Return what the user should know before the run."""
        if problem.noise.known:
            return ()
        return (f"The noise was measured: {measured(problem).in_words}.",)

    def kernel_for(self, operator: "Operator") -> "ProceduralKernel":
        """Return the filter that undoes an operator.

        Raises
        ------
        ValueError
            The chosen one doesn't, in words for the user.
        """
        from napari_dip.operators import Blur, Compose, Identity, Resample
        from napari_dip.pkn.kernels.registry import KERNELS, kernel_of

        factor = 2
        if isinstance(operator, Identity):
            usual, wanted = "anisotropic", "denoise"
        elif isinstance(operator, Blur):
            usual, wanted = "anisotropic-reblur", "deblur"
        elif isinstance(operator, Resample):
            usual, wanted, factor = "upsample", "refine", operator.factors[0]
            if len(set(operator.factors)) > 1 or factor not in (2, 3, 4):
                raise ValueError(
                    f"A kernel network super-resolves by the same factor of 2, 3 or 4 along both axes, "
                    f"got {operator.factors}."
                )
        elif isinstance(operator, Compose):
            raise ValueError(
                "A kernel network undoes blur or refines pixels, not both: leave out the point spread "
                "function, or take another method."
            )
        else:
            raise ValueError("A kernel network denoises, deconvolves and super-resolves, and nothing else.")
        name = usual if self.kernel == "auto" else self.kernel
        if KERNELS[name].purpose != wanted:
            choices = " or ".join(kernel.name for kernel in KERNELS.values() if kernel.purpose == wanted)
            raise ValueError(f"The kernel {name} doesn't do that: take {choices}.")
        return kernel_of(name, factor)

    def _predictor(self, kernel: "ProceduralKernel") -> "nn.Module":
        from napari_dip.pkn.predictors import Constant, StructureTensor
        from napari_dip.pkn.weights_file import load, shipped

        if self.predictor == "structure-tensor":
            return StructureTensor(kernel)
        trained = shipped(kernel) if self.weights is None else load(Path(self.weights), kernel)
        return Constant(kernel, trained.setting) if self.predictor == "constant" else trained.network


def observed(problem: "Problem", guide: "Tensor | None" = None) -> "Observation":
    """Return a problem's data with their noise, and whatever else a kernel may want.

    Raises
    ------
    RestorationError
        The noise can't be measured.
    """
    from napari_dip.operators import Blur
    from napari_dip.pkn.kernels.gaussian import covariance_of, log_precision
    from napari_dip.pkn.observation import Observation

    data, weights = problem.data, problem.weights
    seen = None if bool(weights.min() > 0) else (weights > 0).to(data.dtype)
    image = Observation(data, data.new_ones(1, 1, 1, 1), seen).filled()
    sigma = _sigma(measured(problem), image)
    blur = None
    if isinstance(problem.operator, Blur):
        blur = log_precision(covariance_of(problem.operator.psf)).to(data)
    return Observation(data, sigma, seen, _scaled(guide, sigma, image), blur)


def measured(problem: "Problem") -> "NoiseModel":
    """Return the noise of a problem's data: as it is known, or as it is found in them.

    Raises
    ------
    RestorationError
        The noise can't be measured.
    """
    from napari_dip.noise.estimate import found_noise

    if problem.noise.known:
        return problem.noise
    seen = problem.observed.expand_as(problem.data)[0].cpu().numpy()
    try:
        return found_noise(problem.data[0].cpu().numpy(), missing=~seen, axes="CYX")
    except ValueError as error:
        raise RestorationError(f"The noise can't be measured: {error}. Say how strong it is.") from error


def _sigma(noise: "NoiseModel", image: "Tensor") -> "Tensor":
    """Return the noise's standard deviation: a number, or where it depends on brightness a map."""
    import torch.nn.functional as F

    image = image.mean(1, keepdim=True)
    variance = noise.variance(image)
    if variance.numel() > 1:
        around = F.avg_pool2d(F.pad(image, (_BRIGHTNESS // 2,) * 4, mode="replicate"), _BRIGHTNESS, stride=1)
        variance = noise.variance(around)
    return variance.sqrt().reshape(1, 1, *(variance.shape[2:] or (1, 1)))


def _scaled(guide: "Tensor | None", sigma: "Tensor", image: "Tensor") -> "Tensor | None":
    """Return a guide in grey levels in which its own noise is as strong as the image's.

    If it has little, that would make all of its structure an edge. So it is taken to have some: half as much
    as the image has, if the structure of both is as strong.
    """
    if guide is None:
        return None
    from napari_dip.noise.estimate import estimate_noise
    from napari_dip.noise.models import GaussianNoise

    whole, noise = image.var((2, 3)).mean(), sigma.square().mean()
    structure = (whole - noise).maximum(0.1 * whole).sqrt()
    own = float(_GUIDED * noise.sqrt() * guide.var((2, 3)).mean().sqrt() / structure)
    with contextlib.suppress(ValueError):  # too small, or made by a computer
        found = estimate_noise(GaussianNoise(1.0), guide[0].cpu().numpy(), axes="CYX")
        own = max(own, math.sqrt(float(found.variance(guide.new_zeros(())))))
    return guide * (noise.sqrt() / own) if own else guide
