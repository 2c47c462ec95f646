"""Settings of Deep Image Prior."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from annotated_types import Ge, Gt, Interval, Unit

from napari_dip.dip.requirements import unmet_requirement
from napari_dip.methods.base import State
from napari_dip.networks.settings import Architecture, Hourglass
from napari_dip.settings import check, subset
from napari_dip.tasks import TASKS, Task

if TYPE_CHECKING:
    from torch import Tensor

    from napari_dip.optim.iterate import Iterate
    from napari_dip.optim.stopping import StoppingRule
    from napari_dip.problem import Problem


@dataclass(frozen=True)
class DIP:
    """Fit an untrained network to the image itself; the structure of the network is the prior.

    The network learns structure before it learns noise. The run ends when the error on pixels held out of the
    fit stops falling; the answer is the moving average of the outputs with the lowest error on these pixels.
    Source: Ulyanov, Vedaldi, Lempitsky, *Deep Image Prior*, IJCV 2020.

    Parameters
    ----------
    iterations : int
        Largest number of iterations for each network; an iteration is one update of its weights. If
        missing pixels are filled in by two fits, they share the iterations.
    ensemble_size : int
        Number of networks, fitted one after another from different random weights; the answer is the mean of
        their images. A second network gains some tenths of a decibel, and takes as long as the first.
    time_limit : float, optional
        Largest number of seconds for an image or frame; the best result so far is kept.
    stopping : {"auto", "held-out", "split", "variance", "discrepancy", "max-iterations"}
        What ends a run: the error on held-out pixels; the error against a second image, which is split off
        the data and has independent noise; how much the outputs vary (Wang et al., TMLR 2023); a residual as
        weak as the noise; or the number of iterations alone. "auto" takes held-out pixels. If a test before
        the run finds noise that is correlated between pixels, it takes the second image, or the residual if
        the strength of the noise is known, or the variance if it can't be measured.
    patience : int
        Number of iterations without progress after which a run ends.
    validation_fraction : float, optional
        Share of the observed pixels that is held out of the fit. The default is 5 %, 10 % for blurred data,
        and 2 % where every pixel is precious, as in super-resolution.
    initial_estimate : bool
        For denoising and deconvolution without a guide: show the network an estimate by non-local Bayes,
        made without the held-out pixels. This makes the fit faster, and usually better by some tenths of a
        decibel. For inpainting without a guide: fit twice, and show the second network what the first one
        has found, completed by the filter that `postfilter` names. This gains up to two decibels.
    postfilter : bool
        For denoising and inpainting without a guide: filter the data at the end with the fitted image as the
        pilot (non-local Bayes: Lebrun, Buades, Morel, SIAM J. Imaging Sciences 6, 2013), and take a mean of
        both. This gains some tenths of a decibel, and more where there are outliers. Places where the data
        show nothing but noise become smooth. For inpainting, the filter completes what is missing from
        similar patches. The filter is used only if held-out pixels decide when to
        stop, which also decide how much of it to take, or a second image, which decides if it is better. For
        denoising and deconvolution, the answer is then mixed with the initial estimate, made again from all
        pixels, in the shares that held-out pixels prefer, unless outliers are expected.
    recover_sources : bool
        For denoising: put back faint stars, spots and blobs, bright or dark, that stand out from the noise of
        the data but are weaker in the fitted image, or absent. It is used only if held-out pixels decide when
        to stop, and not with Laplace noise.
    sieve_width : float
        Width of the finest details in a deconvolved image, as a share of the width of the point spread
        function (method of sieves: Snyder, Miller, IEEE Trans. Nuclear Science 32, 1985); 0 sets no limit.
    learning_rate : float
        Adam's step size. Lower it if the loss becomes infinite or NaN.
    beta2 : float
        Adam's decay rate β₂ of the mean squared gradient. A short memory makes the fit fast.
    input_noise_std : float
        Standard deviation of the noise that is added to the network's input at each iteration.
    ema_decay : float
        Decay rate of the moving average of the outputs; 0.99 averages over about 100 iterations.
    input : {"noise", "coordinates", "guide"}
        Input of the network: fixed uniform noise; the coordinates of the pixels, for smoother results in
        large holes; or only the guide. A guide, if there is one, is added to noise or coordinates.
    input_channels : int
        Number of channels of the noise, if that is the input.
    network : Architecture
        Architecture of the network.
    precision : {"auto", "float32", "bfloat16"}
        Number format inside the network; "auto" takes bfloat16 where the processor has instructions for it.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_dip import DIP, Denoise, restore
    >>> image = np.random.default_rng(0).normal(100, 10, (32, 32))
    >>> restore(image, Denoise(), DIP(iterations=5, stopping="max-iterations")).outcome.name
    'MAX_ITERATIONS'
    """

    tasks: ClassVar[tuple[type[Task], ...]] = TASKS
    slicewise: ClassVar[bool] = False
    takes_maps: ClassVar[bool] = False
    yields_network_output: ClassVar[bool] = False
    iterations: Annotated[int, Interval(ge=1, le=1_000_000)] = 3000
    ensemble_size: Annotated[int, Interval(ge=1, le=100)] = 1
    time_limit: Annotated[float | None, Gt(0), Unit("s")] = None
    stopping: Literal["auto", "held-out", "split", "variance", "discrepancy", "max-iterations"] = "auto"
    patience: Annotated[int, Ge(1)] = 150
    validation_fraction: Annotated[float | None, Interval(gt=0, le=0.5)] = None
    initial_estimate: bool = True
    postfilter: bool = True
    recover_sources: bool = True
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
        """Largest number of iterations of all networks together."""
        return self.ensemble_size * self.iterations

    def probe(self, iterations: int) -> Self:
        """Return settings for so many iterations; an initial estimate does not change the time of one."""
        plain = replace(self, ensemble_size=1, time_limit=None, initial_estimate=False)
        return replace(plain, iterations=iterations, stopping="max-iterations")

    def resolved(self, device: str) -> Self:
        """Return the settings with the precision that "auto" stands for on a device."""
        from napari_dip.networks.precision import resolved_precision

        return replace(self, precision=resolved_precision(self.precision, device))

    def unsupported_reason(self, problem: "Problem", *, guided: bool = False) -> str | None:
        """Return why the method can't solve this problem, in words for the user, or None."""
        return unmet_requirement(problem, self.network, guided=guided, guide_only=self.input == "guide")

    def remarks(self, problem: "Problem") -> tuple[str, ...]:
        """Return what the noise was measured to be, where it is unknown, in sentences."""
        from napari_dip.dip.measured_noise import remarks

        return remarks(problem, self.stopping)

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
        """Yield the iterates of `fit_ensemble`; there are no parameter maps."""
        from napari_dip.dip.ensemble import fit_ensemble
        from napari_dip.dip.settings import FitSettings

        return fit_ensemble(subset(self, FitSettings), problem, seed, guide, initial_state, stopping_rule)
