"""Whether what a network makes of the data agrees with them, before anything is changed."""

from dataclasses import dataclass, replace
from enum import Enum

import torch
from torch import Tensor

from napari_dip.finetuning.back_projection import Projection
from napari_dip.finetuning.patches import PatchSampler
from napari_dip.finetuning.restorer import Restorer, in_tiles
from napari_dip.noise.lower_bound import noise_lower_bound
from napari_dip.noise.models import weighted_mean
from napari_dip.operators import Identity, Operator, Resample
from napari_dip.pretrained.bundled import shipped
from napari_dip.problem import Problem

#: Times its own habitual residual that a consistent network leaves.
_TOLERATED = 1.5
#: Times what the network of the package leaves that is habitual in another. A larger one, trained by others,
#: left up to 1.6 times as much, and one that was spoilt until it lost 1 dB more than 3 times.
_ALLOWED = 1.5
#: Grey levels that an image has at the least: what is finer than a step of so many is no finding.
_STEPS = 255
#: Of the range: weaker noise is no finding, unless the user says that it is there.
_FOUND = 0.012
#: Share of the noise that was found to be gone by: too strong a noise is the worst that could be assumed.
_CAUTION = 0.95


class Diagnosis(Enum):
    """What the data say of a network's output."""

    CONSISTENT = "consistent"
    NOISY = "noisy"
    INCONSISTENT = "inconsistent"


@dataclass(frozen=True, eq=False)
class ConsistencyReport:
    """What was found, with the numbers that it rests on, all root-mean-square and in grey levels.

    Parameters
    ----------
    finding : Finding
        In a word.
    residual : float
        Of A f(y) − y.
    habitual : float
        Of A₀ f(A₀ f(y)) − A₀ f(y), A₀ what the network was trained to undo: what it leaves where there is
        nothing to be found. At the most somewhat more than the network of the package leaves of the same.
    tolerated : float
        Up to which the output is consistent with the data.
    sigma : float
        Of the noise.
    rounding : float
        Of what rounding the grey levels has taken away.
    """

    finding: Diagnosis
    residual: float
    habitual: float
    tolerated: float
    sigma: float
    rounding: float

    @property
    def explained(self) -> float:
        """The residual from which on data are explained: what is left is their noise, or rounding."""
        return max(self.sigma, self.rounding)

    def in_words(self, projected: float | None = None, *, tuned: bool = False) -> str:
        """Return it as a sentence.

        Parameters
        ----------
        projected : float, optional
            What back-projection leaves, where that was tried.
        tuned : bool
            Whether the network was fine-tuned then.
        """
        numbers = f"the residual A f(y) − y has the rms {self.residual:.3g}"
        match self.finding:
            case Diagnosis.CONSISTENT:
                return f"Consistent: nothing to correct ({numbers}, up to {self.tolerated:.3g} is usual)."
            case Diagnosis.NOISY:
                return f"Noisy (σ = {self.sigma:.3g}): using Stein's estimate of the error ({numbers})."
        if projected is None:
            return f"Inconsistent: {numbers}, above {self.tolerated:.3g}."
        return (
            f"Inconsistent: back-projection takes the residual from {self.residual:.3g} to {projected:.3g}; "
            f"{'then the network was fine-tuned' if tuned else 'fine-tuning may gain more'}."
        )


def noise_of(problem: Problem) -> Tensor:
    """Return the standard deviation of the noise, which broadcasts to the data.

    Where the noise model doesn't know it, that in the quietest parts of each channel: 0 where none is found.
    """
    if problem.noise.known:
        return problem.noise.variance(problem.data).sqrt()
    seen = (problem.weights > 0).expand_as(problem.data)[0].cpu().numpy()
    images = problem.data[0].double().cpu().numpy()
    # A denoiser's score stands on it: too weak a noise would let it keep some.
    caution = 1.0 if isinstance(problem.operator, Identity) else _CAUTION
    sigmas = [caution * noise_lower_bound(image, there) for image, there in zip(images, seen, strict=True)]
    return problem.data.new_tensor(sigmas).reshape(1, -1, 1, 1)


def judged(restorer: Restorer, view: PatchSampler, x: Tensor) -> ConsistencyReport:
    """Return what the data say of what a network makes of them.

    Parameters
    ----------
    restorer : Restorer
        The network.
    view : View
        The data.
    x : Tensor
        What it makes of them, on the problem's grid.
    """
    problem = view.problem
    left = residual(problem, x)
    usual = _habitual(restorer, view.data)
    if (sound := _sound(restorer)) is not None:
        usual = min(usual, _ALLOWED * _habitual(sound, view.data))
    apart = _step(problem)
    step, rounding = max(apart, restorer.reading.span / _STEPS) / 2, apart / 12**0.5
    tolerated = _TOLERATED * max(step, usual)
    strength = view.noise
    # Weaker noise than what the network itself leaves is not worth the risk, unless the user knows of it.
    least = step if problem.noise.known else max(step, usual, _FOUND * restorer.reading.span)
    if strength > least:
        finding = Diagnosis.NOISY
    elif left <= tolerated:
        finding = Diagnosis.CONSISTENT
    else:
        finding = Diagnosis.INCONSISTENT
        # A last question, where no noise was found: whether pixels agree with what explains the others.
        plan = Projection.of(problem, x, rounding)
        if plan.noisy and not problem.noise.known and _CAUTION * plan.error > least:
            finding, strength = Diagnosis.NOISY, _CAUTION * plan.error
    return ConsistencyReport(finding, left, usual, tolerated, strength, rounding)


def residual(problem: Problem, x: Tensor) -> float:
    """Return the root-mean-square of A x − y over the pixels that count."""
    with torch.no_grad():
        return float(weighted_mean((problem.operator(x) - problem.data).square(), problem.weights).sqrt())


def _sound(restorer: Restorer) -> Restorer | None:
    """Return the network for the same that comes with the package, where there is one.

    It is known to be sound. One that was spoilt contradicts itself as much as it contradicts the data.
    """
    other = shipped("super-resolve", restorer.factor) if restorer.factor > 1 else None
    if other is None:
        return None
    network = other.network.to(next(restorer.network.parameters()).device)
    reading = replace(restorer.reading, scale=1.0, swapped=False)
    return Restorer(replace(other, network=network), restorer.factor, reading)


def _habitual(restorer: Restorer, data: Tensor) -> float:
    """Return what a network leaves of an image of its own kind, degraded as it was in its training."""
    wanted, trained = restorer.factor, restorer.pretrained.factor
    factor = trained if min(wanted, trained) > 1 else wanted
    usual: Operator = Resample((factor, factor), "bicubic") if factor > 1 else Identity()
    restorer = Restorer(restorer.pretrained, factor, restorer.reading)
    with torch.no_grad():
        own = usual(in_tiles(restorer, data))
        again = usual(in_tiles(restorer, own))
    return float((again - own).square().mean().sqrt())


def _step(problem: Problem) -> float:
    """Return the least difference of two grey levels of the data."""
    values = problem.data[(problem.weights > 0).expand_as(problem.data)].unique()
    return float(values.diff().amin()) if len(values) > 1 else 0.0
