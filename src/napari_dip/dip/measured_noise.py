"""Unknown noise that grows with brightness: it is measured, so that bright pixels do not rule."""

import torch

from napari_dip.diagnostics.noise import measured_noise
from napari_dip.dip.validation import Validation
from napari_dip.noise.growing import growing_noise
from napari_dip.noise.models import NoiseModel, PoissonGaussianNoise
from napari_dip.noise.per_channel import PerChannelNoise
from napari_dip.operators import Identity
from napari_dip.optim.iterate import StoppingCriterion
from napari_dip.problem import Problem
from napari_dip.steps import Steps, finished


def with_measured_noise(validation: Validation) -> Steps[Validation]:
    """Return, in steps, a validation with photon noise as its data show it.

    This is done for denoising where the noise is independent in each pixel and its strength is unknown. The
    run goes on as if it had been told. Where the noise is about equally strong in all of the image, it stays
    unknown: its strength follows from the residual.

    Parameters
    ----------
    validation : Validation
        The pixels that are fitted, and those that judge.
    """
    if not _applies(validation):
        return validation
    noise = yield from _photon_noise(validation.problem)
    return validation if noise is None else validation.with_noise(noise)


def description(validation: Validation, told: Problem) -> str:
    """Return what was measured for a fit, in a sentence; an empty one if its noise is as it was told.

    Parameters
    ----------
    validation : Validation
        As `with_measured_noise` returns it.
    told : Problem
        The problem with the noise as it was told.
    """
    noise, units = validation.problem.noise, told.units
    if noise is told.noise:
        return ""
    models = noise.models if isinstance(noise, PerChannelNoise) else (noise,)
    grey = (model.rescaled(-units.offset / units.scale, 1 / units.scale) for model in models)
    return f"The noise was measured: {'; '.join(dict.fromkeys(map(_in_words, grey)))}."


def _in_words(noise: NoiseModel) -> str:
    assert isinstance(noise, PoissonGaussianNoise)
    return (
        f"σ = {noise.read_noise:.3g} grey levels in the darkest places, and growing with brightness like "
        f"photon noise of {noise.gain:.3g} grey levels per photon"
    )


def remarks(problem: Problem, stopping: str) -> tuple[str, ...]:
    """Return what the user should know of the noise before a fit, in sentences.

    Parameters
    ----------
    problem : Problem
        What the image has to explain.
    stopping : str
        As in `DIP`.
    """
    told = Validation.of(problem, stopping, None, torch.Generator().manual_seed(0))
    if not _applies(told):
        return ()
    if measured := description(finished(with_measured_noise(told)), problem):
        return (measured,)
    if (found := measured_noise(problem)) is None:
        return ("The noise can't be measured in this image. Its strength will follow from the residual.",)
    return (f"The noise was measured: {problem.described(found)}.",)


def _applies(validation: Validation) -> bool:
    """Whether a fit measures the noise: for denoising with unknown, independent noise."""
    problem = validation.problem
    denoising = isinstance(problem.operator, Identity) and not problem.only_missing
    unknown = not problem.noise.known and validation.held_out is not None
    return denoising and unknown and validation.criterion is StoppingCriterion.HELD_OUT


def _photon_noise(problem: Problem) -> Steps[NoiseModel | None]:
    """Return the noise of all channels; None if it can't be measured, or grows with brightness in none."""
    seen = (problem.weights > 0).expand_as(problem.data)[0].cpu().numpy()
    found = []
    for image, there in zip(problem.complete_data[0].double().cpu().numpy(), seen, strict=True):
        channel = yield from growing_noise(image, ~there)
        if channel is None:
            return None
        found.append(channel)
    if not any(channel.matters for channel in found):
        return None
    return PerChannelNoise.of(tuple(channel.model for channel in found))
