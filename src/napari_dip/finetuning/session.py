"""A pretrained network and the data that it restores."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

from torch import Tensor

from napari_dip.filters.faint_sources import faint_sources
from napari_dip.filters.recovery import sources_measurable
from napari_dip.finetuning.back_projection import back_projected, plan_back_projection
from napari_dip.finetuning.consistency import (
    ConsistencyReport,
    Diagnosis,
    NoiseStrength,
    check_consistency,
    noise_strength,
)
from napari_dip.finetuning.intensity_mapping import IntensityMapping
from napari_dip.finetuning.mapping_search import find_mapping, match_contrast
from napari_dip.finetuning.pieces import Pieces, mapped
from napari_dip.finetuning.restorer import Restorer
from napari_dip.finetuning.sampler import PatchSampler
from napari_dip.finetuning.tiling import self_ensemble, tiled
from napari_dip.pretrained.model import Pretrained
from napari_dip.problem import Problem
from napari_dip.steps import finished


@dataclass(frozen=True, eq=False)
class NetworkOutput:
    """The output of a pretrained network as it was given.

    Parameters
    ----------
    sampler : PatchSampler
        The data.
    restorer : Restorer
        The network, with the mapping of grey levels that suits it.
    noise : NoiseStrength
        How strong the noise is.
    x : Tensor
        The output, on the problem's grid.
    """

    sampler: PatchSampler
    restorer: Restorer
    noise: NoiseStrength
    x: Tensor

    @classmethod
    def of(cls, pretrained: Pretrained, problem: Problem) -> Pieces[Self]:
        """Restore the data of a problem. The network is not copied, and may be changed later."""
        noise = yield from noise_strength(problem)
        sampler = PatchSampler(problem, noise.sigma)
        yield None
        restorer = Restorer(pretrained, sampler.factor, sampler.mapping)
        restorer.mapping = yield from find_mapping(restorer, sampler)
        x = yield from mapped(tiled(restorer, sampler.whole.shown, images=True), sampler.whole.x)
        return cls(sampler, restorer, noise, x)


@dataclass(eq=False)
class Session:
    """A network that may be fine-tuned, and what the data say about its first output.

    Parameters
    ----------
    sampler : PatchSampler
        The data.
    restorer : Restorer
        The network.
    network_output : Tensor
        Its output with the weights that it began with, on the problem's grid.
    report : ConsistencyReport
        What the data say about that output.
    usual_mapping : IntensityMapping
        The mapping of grey levels for that output. A denoiser may have another one since, whose contrast
        suits the noise.
    steps : int, optional
        Steps of the last back-projection.
    """

    sampler: PatchSampler
    restorer: Restorer
    network_output: Tensor
    report: ConsistencyReport
    usual_mapping: IntensityMapping
    steps: int | None = None

    @classmethod
    def of(cls, output: NetworkOutput) -> Pieces[Self]:
        """Check a network's output for consistency with the data, and match the contrast of a denoiser."""
        sampler, restorer = output.sampler, output.restorer
        report = yield from check_consistency(restorer, sampler, output.x, certain=output.noise.certain)
        yield None
        if report.sigma > sampler.sigma:  # the check has found noise
            sigma = output.x.new_full((1, 1, 1, 1), report.sigma)
            sampler = PatchSampler(sampler.problem, sigma)
            yield None
        usual = restorer.mapping
        if report.diagnosis is Diagnosis.NOISY and sampler.only_noise:
            restorer.limits = sampler.limits
            if sampler.limited_mapping != sampler.mapping:
                restorer.mapping = sampler.limited_mapping
                restorer.mapping = yield from find_mapping(restorer, sampler)
            restorer.mapping = yield from match_contrast(restorer, sampler)
        return cls(sampler, restorer, output.x, report, usual)

    @property
    def noisy(self) -> bool:
        """The data are too noisy to be explained exactly."""
        return self.report.diagnosis is Diagnosis.NOISY

    @cached_property
    def shows_sources(self) -> bool:
        """Faint sources that the network loses can be measured in the data."""
        return self.noisy and sources_measurable(self.sampler.problem)

    @property
    def contrast(self) -> float:
        """Contrast of the network's input, as a multiple of the usual contrast."""
        return self.usual_mapping.span / self.restorer.mapping.span

    def describe(self, back_projected: float | None = None, *, improved: bool | None = None) -> str:
        """Return the report, and how the network is used in consequence (see `ConsistencyReport`)."""
        sentences = [self.report.describe(back_projected, improved=improved)]
        if self.restorer.mapping != self.usual_mapping:
            sentences.append(
                "To suit the noise, the contrast of the network's input is multiplied by "
                f"{self.contrast:.2g}."
            )
        if self.noisy and not self.sampler.sure_applies:
            sentences.append(
                "The noise is clipped nearly everywhere, so synthetic images alone are used for fine-tuning."
            )
        return " ".join(sentences)

    def first_correction(self) -> Pieces[Tensor]:
        """Return the best image that needs no fine-tuning.

        This is the output after back-projection, or, for noisy data, the output with matched contrast.
        """
        if not self.noisy:
            x = yield from self.back_projected(self.network_output)
        else:
            x = self.network_output
            if self.restorer.mapping != self.usual_mapping:
                x = yield from self.output()
            x = yield from self.sampler.within_noise(x)
        return x

    def output(self, *, ensemble: bool = False) -> Pieces[Tensor]:
        """Return the network's output with its present weights.

        Parameters
        ----------
        ensemble : bool
            Return the mean over the eight ways to rotate and mirror the data, and yield the mean so far.
        """
        way = self_ensemble if ensemble else tiled
        return mapped(way(self.restorer, self.sampler.whole.shown), self.sampler.whole.x)

    def back_projected(self, x: Tensor, *, steps: int | None = None) -> Pieces[Tensor]:
        """Return an image near x that explains the data as far as their noise permits.

        Parameters
        ----------
        x : Tensor
            The image to begin with.
        steps : int, optional
            Most steps. By default they are chosen anew.
        """
        problem, tolerance = self.sampler.problem, self.report.target
        if steps is None:
            steps = (yield from plan_back_projection(problem, x, tolerance)).steps
        self.steps = steps
        return (yield from back_projected(problem, x, steps, tolerance))

    def final_image(self, *, ensemble: bool, recover_sources: bool) -> Pieces[Tensor]:
        """Return the restored image with the present weights of the network."""
        x = yield from self.output(ensemble=ensemble)
        x = yield from (self.sampler.within_noise(x) if self.noisy else self.back_projected(x))
        if recover_sources and self.shows_sources:
            x = x + (yield from faint_sources(self.sampler.problem, x)).image
        return x


def open_session(pretrained: Pretrained, problem: Problem) -> Session:
    """Restore the data of a problem, and check the output. The network may be changed later."""
    return finished(Session.of(finished(NetworkOutput.of(pretrained, problem))))
