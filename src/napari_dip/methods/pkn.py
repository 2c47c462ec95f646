"""Procedural kernel networks."""

from collections.abc import Generator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from annotated_types import Interval

from napari_dip.methods.base import State
from napari_dip.pkn.settings import KernelName
from napari_dip.settings import check
from napari_dip.steps import Steps, finished
from napari_dip.tasks import Deconvolve, Denoise, SuperResolve, Task

if TYPE_CHECKING:
    from torch import Tensor

    from napari_dip.optim.iterate import Iterate
    from napari_dip.optim.stopping import StoppingRule
    from napari_dip.pkn.filtering import Filtering
    from napari_dip.problem import Problem


@dataclass(frozen=True)
class PKN:
    """Filter the image with a classic filter whose parameters a small network predicts at each pixel.

    One pass takes about a second for some megapixels; volumes are filtered plane by plane. A filter can't
    invent structure, and its parameters are maps that can be inspected, edited and applied again. After
    Wronski, *Procedural Kernel Networks*, arXiv 2112.09318.

    Parameters
    ----------
    kernel : str
        The filter. For denoising: a round (isotropic) or stretched (anisotropic) Gaussian, a bilateral filter
        or non-local means (nlm); the last two can use a guide. For deconvolution: reblurring, by a round or a
        stretched Gaussian. For super-resolution: upsampling. "auto" chooses the one that suits the task.
    predictor : {"network", "structure-tensor", "constant"}
        What predicts the parameters: the network; the gradients around each pixel, without training; or
        nothing: one constant setting for all pixels.
    strength : float
        Strength of the filter: 0 leaves the image unchanged, 1 applies the parameters as predicted. Non-local
        means can't leave the image unchanged: even at 0 they average very similar pixels.
    weights : str, optional
        File of your own network, from `napari-dip train-pkn`; by default the bundled network.
    self_ensemble : bool
        Average the parameters over the eight ways to rotate and mirror the image, so that a mirrored image
        gives the mirrored result. The parameters are then predicted eight times.
    separate_colours : bool
        For denoising: filter the brightness and the differences between channels that are restored together
        each with its own parameters. Colours have less detail than brightness, so they lose much more noise.
        All channels are filtered alike if there is a guide, if only one set of maps is given, or if the noise
        of one channel is more than 1.5 times as strong as that of another.
    recover_sources : bool
        For denoising: put back faint stars, spots and blobs, bright or dark, that stand out from the noise of
        the data but are weaker in the filtered image, or absent. It is used only if the noise is independent
        from pixel to pixel.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_dip import PKN, Denoise, GaussianNoise, restore
    >>> noisy = 100 + np.random.default_rng(0).normal(0, 20, (32, 32))
    >>> restored = restore(noisy, Denoise(GaussianNoise(20.0)), PKN(kernel="isotropic"))
    >>> bool(np.std(restored.image) < 10)
    True
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
    self_ensemble: bool = False
    separate_colours: bool = True
    recover_sources: bool = True

    def __post_init__(self) -> None:
        check(self)

    def probe(self, iterations: int) -> Self:
        """Return these settings: there is only one pass to measure."""
        return self

    def resolved(self, device: str) -> Self:
        """Return these settings: nothing in them depends on the machine."""
        return self

    def unsupported_reason(self, problem: "Problem", *, guided: bool = False) -> str | None:
        """Return why these settings can't restore a problem's data, as a sentence for the user, or None."""
        from napari_dip.pkn.selection import unsupported_reason

        return unsupported_reason(problem, self.kernel, self.predictor, guided=guided)

    def remarks(self, problem: "Problem") -> tuple[str, ...]:
        """Return what the user should know before the run, in sentences."""
        from napari_dip.pkn.observe import measured_noise

        if problem.noise.known:
            return ()
        return (f"The noise was measured: {problem.described(measured_noise(problem))}.",)

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
        """Yield iterates between the steps of a run that takes a while, then the answer with its maps.

        Parameters
        ----------
        problem : Problem
            With two spatial axes.
        seed, initial_state
            Not used.
        guide : Tensor, shape ``(1, G, H, W)``, optional
            Image whose grey levels a guided kernel compares instead of those of the data.
        parameter_maps : mapping of str to Tensor, optional
            Maps to apply instead of predicted ones: by the parameter's name, a tensor of the restored image's
            shape ``(H, W)``.
        stopping_rule : StoppingRule, optional
            Ends the run between two steps; the answer is then the part of the image that was filtered.

        Returns
        -------
        dict
            Empty: each frame of a series is predicted afresh.
        """
        from napari_dip.pkn.run import run

        preparation = self._preparing(problem, guide, parameter_maps)
        yield from run(problem, preparation, stopping_rule, recover_sources=self.recover_sources)
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
            The maps are not those of the kernel, have another shape, or are not finite.
        """
        return finished(self._preparing(problem, guide, maps))

    def _preparing(
        self, problem: "Problem", guide: "Tensor | None", maps: "Mapping[str, Tensor] | None"
    ) -> "Steps[Filtering]":
        from napari_dip.pkn.run import preparing

        settings = asdict(self)
        del settings["recover_sources"]  # it is not about the filter
        return preparing(problem, guide, maps, **settings)
