"""What a fit has found of the image, as the pilot of a last filter over the data."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import torch
from torch import Tensor

from napari_dip.dip.validation import Validation
from napari_dip.filters.nonlocal_bayes import completed, nonlocal_bayes
from napari_dip.filters.vst import Stabiliser
from napari_dip.noise.models import LaplaceNoise
from napari_dip.optim.iterate import Iterate

#: Standard errors by which held-out pixels have to prefer the image as it was.
_AGAINST = 2.0
#: How often missing pixels are filled in, each time with a better pilot.
_TIMES = 2
#: The noise of their neighbours, as a share of the residual: less than 1, since data may have hardly any.
_WEAKER = 0.5
#: Standard deviations from which on a pixel is an outlier, where the noise model expects some.
_OUTLYING = 4.0
#: Standard deviation of the noise, as a share of the range of an image that has none.
_LEAST = 1e-4


def postfiltered(iterates: Iterable[Iterate], validation: Validation) -> Iterator[Iterate]:
    """Filter the answer of a run that has come to its end by itself.

    While the filter works the answer is yielded again and again, so that rules outside can still end the run.

    Parameters
    ----------
    iterates : iterable of Iterate
        A run; the one with an outcome, its last, is the answer.
    validation : Validation
        By held-out pixels, of a problem whose operator is the identity.
    """
    for iterate in iterates:
        if iterate.outcome is not None and iterate.x.isfinite().all():
            for x in postfilter(iterate.x, validation):  # noqa: B007  the last one is the answer
                yield replace(iterate, outcome=None)
            iterate = replace(iterate, x=x)
        yield iterate


def postfilter(x: Tensor, validation: Validation) -> Iterator[Tensor]:
    """Filter the data by non-local Bayes with a restored image as the pilot.

    What the fit has lost of the image the filter finds in the data again, by patches that are alike. It is
    judged without the held-out pixels, and kept unless these speak against it; what is kept has seen all
    pixels.

    Parameters
    ----------
    x : Tensor, shape ``(1, C, *spatial)``
        Fitted without the held-out pixels.
    validation : Validation
        By held-out pixels, of a problem whose operator is the identity.

    Yields
    ------
    Tensor, shape ``(1, C, *spatial)``
        x, again and again while it works; last the filtered image, or x where that is better.
    """
    problem, even = validation.problem, Stabiliser.of(validation.fitted)
    data, before = (image[0].double().cpu() for image in (problem.data, x))
    observed, seen = ((part.weights[0] > 0).cpu().expand_as(data) for part in (problem, validation.fitted))
    noisy, pilot = even(data), even(before)
    if isinstance(problem.noise, LaplaceNoise):  # outliers tell the filter nothing
        apart = (noisy - pilot).abs()
        likely = apart < _OUTLYING * apart[seen].median() / 0.6745
        observed, seen = observed & likely, seen & likely
    sigmas = _sigmas(noisy, pilot, seen)
    act = _completed if problem.only_missing else _denoised
    for filtered in act(pilot / sigmas, noisy / sigmas, (seen, observed)):  # noqa: B007  the last is the answer
        yield x
    blind, after = (even.inverse(sigmas * one) for one in filtered)
    errors = [((data - one) / (sigmas * even.step(before))).square() for one in (before, blind)]
    gain = (errors[0] - errors[1])[observed & ~seen]
    if not gain.mean() < -_AGAINST * gain.std() / len(gain) ** 0.5:
        yield after[None].to(x)


def _sigmas(noisy: Tensor, pilot: Tensor, seen: Tensor) -> Tensor:
    """Return what the fit has left over in each channel, as a standard deviation, never 0."""
    axes = tuple(range(1, noisy.ndim))
    power = (noisy - pilot).square().where(seen, 0).sum(axes, keepdim=True)
    sigmas = (power / seen.sum(axes, keepdim=True).clamp_min(1)).sqrt()
    return sigmas.maximum(_LEAST * (pilot.amax(axes, True) - pilot.amin(axes, True))).clamp_min(1e-30)


def _denoised(pilot: Tensor, data: Tensor, parts: tuple[Tensor, ...]) -> Iterator[Tensor]:
    """Yield while it works, and last what each part of the data's pixels gives, shape ``(parts, C, ...)``."""
    return nonlocal_bayes(pilot, torch.stack([data.where(known, pilot) for known in parts]))


def _completed(pilot: Tensor, data: Tensor, parts: tuple[Tensor, ...]) -> Iterator[Tensor]:
    """As `_denoised`, where nothing but missing pixels is wanted; each result is the next pilot."""
    answers = []
    for known in parts:
        image = pilot
        for _ in range(_TIMES):
            for following in completed(image / _WEAKER, data / _WEAKER, known):  # noqa: B007
                yield pilot
            image = following * _WEAKER
        answers.append(image)
    yield torch.stack(answers)
