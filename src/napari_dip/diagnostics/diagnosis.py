"""Measures what a restored image leaves of the data, and compares it with the noise."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from napari_dip.diagnostics.autocorrelation import autocorrelations
from napari_dip.diagnostics.blocks import chosen_channels
from napari_dip.diagnostics.minimum import minimum
from napari_dip.diagnostics.misfit import misfit, rms_error
from napari_dip.diagnostics.noise import ComparedNoise, middle
from napari_dip.diagnostics.peaks import peaks_left
from napari_dip.diagnostics.report import Diagnostics, Misfit
from napari_dip.diagnostics.residual import Block, Sample, observed_of
from napari_dip.diagnostics.structure import contrast_loss, flux_ratio
from napari_dip.diagnostics.verdict import NO_RESIDUAL, ONLY_MISSING, judged
from napari_dip.noise.models import LaplaceNoise
from napari_dip.noise.whiteness import whiteness
from napari_dip.optim.iterate import Iterate, Unseen
from napari_dip.problem import Problem

#: Mean square of a residual in units of its own variance, below which it is rounding.
_ROUNDING = 0.5
#: Number of peaks whose places are kept.
_MOST = 100


@torch.no_grad()
def diagnosis(problem: Problem, answer: Iterate) -> Diagnostics:
    """Return what a restored image leaves of the data, compared with the noise.

    Parameters
    ----------
    problem : Problem
        What the image has to explain.
    answer : Iterate
        The last iterate of a run. Its x has the shape ``(1, C, *grid)`` and the units of the problem.
    """
    if problem.only_missing:
        return Diagnostics(ONLY_MISSING)
    channels = chosen_channels(problem.data.shape[1])
    problem = problem.of_channels(channels)
    explained = problem.operator(answer.x[:, channels])
    white = whiteness(middle(problem.data), middle(_observed(problem)).float())
    noise = ComparedNoise.of(problem, explained, white)
    sample = Sample(problem.data[0], _observed(problem)[0], noise.sigma[0], noise.skewness[0], noise.power[0])
    blocks = sample.blocks(explained[0])
    residual = observed_of(blocks, "residual")
    if noise.origin == "nothing" and np.square(residual).mean() < _ROUNDING:
        return Diagnostics(NO_RESIDUAL)
    found = Diagnostics(
        "",
        noise=noise.in_words,
        noise_from=noise.origin,
        white=white.white,
        correlations=autocorrelations(blocks),
        flux_ratio=flux_ratio(blocks),
    )
    # Outliers are expected of Laplace noise, and correlated noise has peaks of its own.
    if white.white and not isinstance(problem.noise, LaplaceNoise):
        found = _with_peaks(found, blocks, channels)
    if noise.origin != "nothing":
        found = replace(found, fitted=_misfit(blocks, np.ones(len(residual), bool)))
    if answer.unseen is not None:
        found = _with_unseen(found, problem, sample, blocks, answer.unseen, channels)
    return judged(found, answer.outcome, answer.criterion)


def _with_peaks(found: Diagnostics, blocks: Sequence[Block], channels: Sequence[int]) -> Diagnostics:
    """Return a diagnosis with the peaks that are left in the residual."""
    left = peaks_left(blocks)
    peaks = tuple(replace(one, channel=channels[one.channel]) for one in left[:_MOST])
    return replace(found, peaks=peaks, peak_count=len(left))


def _with_unseen(
    found: Diagnostics,
    problem: Problem,
    sample: Sample,
    blocks: Sequence[Block],
    unseen: Unseen,
    channels: Sequence[int],
) -> Diagnostics:
    """Return a diagnosis with what pixels tell that the run has not seen."""

    def left(x: Tensor) -> Sequence[Block]:
        return sample.blocks(problem.operator(x[:, channels])[0])

    hidden = sample.at(unseen.pixels.expand(1, len(channels), *unseen.pixels.shape[2:])[0], blocks)
    if unseen.fits is not None:
        best, last = (observed_of(left(x), "residual")[hidden] for x in unseen.fits)
        found = replace(found, minimum=minimum(best, last))
    without = left(unseen.x)
    residual, fine = (observed_of(without, name)[hidden] for name in ("residual", "fine"))
    found = replace(found, contrast_loss=contrast_loss(residual, fine))
    if found.noise_from == "nothing":
        return found
    fitted, blind = _misfit(blocks, ~hidden), _misfit(without, hidden)
    if blind is None:
        return replace(found, fitted=fitted)
    error = rms_error(blind.whole) if found.noise_from == "task" else None
    square = blind.whole.value - 1 + 2 * blind.whole.error  # the largest mean square error that is likely
    expected = (float(f"{min(max(1 - square, 0), 1):.4g}"), 1.0)
    return replace(found, fitted=fitted, unseen=blind, expected=expected, relative_error=error)


def _misfit(blocks: Sequence[Block], counts: np.ndarray) -> Misfit | None:
    names = ("residual", "power", "gradient", "brightness")
    residual, power, gradient, brightness = (observed_of(blocks, name) for name in names)
    return misfit(residual, power, gradient, brightness, counts)


def _observed(problem: Problem) -> Tensor:
    return (problem.weights > 0).expand_as(problem.data)
