"""Weights for unknown noise that is found to grow with brightness, so that bright pixels do not rule."""

import contextlib
import math
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from napari_dip.dip.validation import Validation
from napari_dip.noise.estimate import photon_transfer
from napari_dip.operators import Identity
from napari_dip.optim.iterate import StoppingCriterion
from napari_dip.problem import Problem
from napari_dip.steps import Steps

#: Least variance of the noise, as a share of what it is at the mean brightness. Where hardly any light falls,
#: its relative error is largest.
_LEAST = 0.25
#: Side of the square over which the data are averaged for their brightness, in pixels.
_BRIGHTNESS = 5


def weighting(validation: Validation, estimate: Tensor | None) -> Steps[Validation]:
    """Return, in steps, a validation whose pixels are weighted by the inverse variance of their noise.

    This is done for denoising where the noise is independent in each pixel and its strength is unknown. It
    stays unknown: it follows from the residual. What is measured is how much stronger the noise is in bright
    places, by the slope of the photon transfer curve with its standard error. The fit takes the slope one
    standard error lower than it is found, so that it is hardly changed where little can be said. The
    held-out pixels take the slope that is to be expected, which is never negative: otherwise a few bright
    pixels, whose noise and structure are strong, would decide. To first order, this is least squares of the
    variance-stabilised data.

    Parameters
    ----------
    validation : Validation
        The pixels that are fitted, and those that judge.
    estimate : Tensor, shape ``(1, C, *grid)``, optional
        An estimate of the image, in which the noise is weak. By default the data are averaged.
    """
    problem, held_out = validation.problem, validation.held_out
    denoising = isinstance(problem.operator, Identity) and not problem.only_missing
    independent = validation.criterion is StoppingCriterion.HELD_OUT
    if held_out is None or problem.noise.known or not (denoising and independent):
        return validation
    light = _averaged(problem) if estimate is None else problem.operator(estimate)
    certain, expected = yield from _weights(problem, light)
    return replace(
        validation,
        fitted=replace(validation.fitted, weights=certain * validation.fitted.weights),
        held_out=replace(held_out, weights=expected * held_out.weights),
    )


def _weights(problem: Problem, light: Tensor) -> Steps[tuple[Tensor, Tensor]]:
    """Return the inverse variance of the noise, times that at the mean brightness, by both slopes."""
    seen = (problem.weights > 0).expand_as(problem.data)[0].cpu().numpy()
    data = problem.data[0].double().cpu().numpy()
    axes = "ZYX"[-(data.ndim - 1) :]
    weights = torch.ones_like(light), torch.ones_like(light)
    for channel in range(len(data)):
        with contextlib.suppress(ValueError):
            curve = yield from photon_transfer(data[channel], missing=~seen[channel], axes=axes)
            slope, error = curve.slope, curve.slope_error
            for part, rise in zip(weights, (slope - error, _not_negative(slope, error)), strict=True):
                variance = 1 + max(rise, 0.0) / curve.height * (light[:, channel] - curve.centre)
                part[:, channel] = 1 / variance.clamp_min(_LEAST)
    return weights


def _not_negative(value: float, error: float) -> float:
    """Return the mean of a normal distribution where it is not negative."""
    z = max(value / error, -20.0)
    return z * error + error * math.exp(-(z**2) / 2) / math.sqrt(math.pi / 2) / math.erfc(-z / math.sqrt(2))


def _averaged(problem: Problem) -> Tensor:
    """Return the data averaged over a square or cube, with missing pixels left out."""
    pool = F.avg_pool2d if problem.data.ndim == 4 else F.avg_pool3d
    seen = (problem.weights > 0).expand_as(problem.data).to(problem.data)
    total, count = (
        pool(part, _BRIGHTNESS, 1, _BRIGHTNESS // 2) for part in (problem.complete_data * seen, seen)
    )
    return torch.where(count > 0, total / count.clamp_min(1e-6), problem.complete_data)
