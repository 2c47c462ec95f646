"""The postfilter: a classic filter of the data that is guided by the fitted image."""

from collections.abc import Generator, Iterable, Iterator
from dataclasses import replace

import torch
from torch import Tensor

from napari_dip.dip.validation import Validation
from napari_dip.filters.nonlocal_bayes import nonlocal_bayes, nonlocal_bayes_completion
from napari_dip.filters.vst import Stabiliser
from napari_dip.noise.absence import positive_sigma
from napari_dip.noise.models import LaplaceNoise
from napari_dip.noise.residual import residual_sigma
from napari_dip.optim.background import always, in_background
from napari_dip.optim.iterate import Iterate

#: Standard errors by which held-out pixels have to prefer the fitted image.
_SIGNIFICANT = 2.0
#: Number of times that missing pixels are filled in, each time with a better pilot.
_ROUNDS = 2
#: Noise of observed pixels around missing ones, as a share of the residual: data may have hardly any noise.
_NOISE_SHARE = 0.5
#: Standard deviations from which a pixel is an outlier, where the noise model expects some.
_OUTLIER = 4.0


def postfiltered(iterates: Iterable[Iterate], validation: Validation) -> Iterator[Iterate]:
    """Filter the answer of a run that was not stopped from outside.

    While the filter works, the answer is repeated without its outcome, so that the run can still be stopped.

    Parameters
    ----------
    iterates : iterable of Iterate
        A run; its last iterate, which has an outcome, is the answer.
    validation : Validation
        Has held-out pixels, of a problem whose operator is the identity.
    """
    for iterate in iterates:
        if iterate.outcome is not None and iterate.x.isfinite().all():
            waiting = always(replace(iterate, outcome=None))
            x = yield from in_background(postfilter(iterate.x, validation), waiting)
            iterate = replace(iterate, x=x)
        yield iterate


def postfilter(x: Tensor, validation: Validation) -> Generator[None, None, Tensor]:
    """Filter the data by non-local Bayes, with a restored image as the pilot.

    With the help of similar patches, the filter recovers details that are in the data but that the fit has
    lost. It is first run without the held-out pixels, and rejected if it is clearly worse on them than the
    fitted image. The result is then computed again from all pixels.

    Parameters
    ----------
    x : Tensor, shape ``(1, C, *spatial)``
        The fitted image, which has not seen the held-out pixels.
    validation : Validation
        Has held-out pixels, of a problem whose operator is the identity.

    Yields
    ------
    None
        Between its steps, so that it can be stopped.

    Returns
    -------
    Tensor, shape ``(1, C, *spatial)``
        The filtered image, or x if the held-out pixels prefer it.
    """
    problem, transform = validation.problem, Stabiliser.of(validation.fitted)
    yield
    data, before = (image[0].double().cpu() for image in (problem.data, x))
    observed, seen = ((part.weights[0] > 0).cpu().expand_as(data) for part in (problem, validation.fitted))
    noisy, pilot = transform(data), transform.mean(before)
    if isinstance(problem.noise, LaplaceNoise):  # the filter can't cope with outliers
        apart = (noisy - pilot).abs()
        likely = apart < _OUTLIER * apart[seen].median() / 0.6745
        observed, seen = observed & likely, seen & likely
    measured = residual_sigma(noisy - pilot, seen)
    each = zip(measured.flatten().tolist(), pilot.flatten(1).numpy(), strict=True)
    sigmas = measured.new_tensor([positive_sigma(*one) for one in each]).view_as(measured)
    act = _completed if problem.only_missing else _denoised
    filtered = yield from act(pilot / sigmas, noisy / sigmas, (seen, observed))
    blind, after = (transform.inverse(sigmas * one) for one in filtered)
    errors = [((data - one) / (sigmas * transform.step(before))).square() for one in (before, blind)]
    gain = (errors[0] - errors[1])[observed & ~seen]
    # A single pixel has no standard error, and tells nothing.
    if len(gain) > 1 and gain.mean() < -_SIGNIFICANT * gain.std() / len(gain) ** 0.5:
        return x
    return after[None].to(x)


def _denoised(pilot: Tensor, data: Tensor, parts: tuple[Tensor, ...]) -> Generator[None, None, Tensor]:
    """Return what the filter makes of each choice of known pixels, shape ``(parts, C, *spatial)``."""
    return nonlocal_bayes(pilot, torch.stack([data.where(known, pilot) for known in parts]))


def _completed(pilot: Tensor, data: Tensor, parts: tuple[Tensor, ...]) -> Generator[None, None, Tensor]:
    """Return what `_denoised` does, for data of which only missing pixels are wanted."""
    answers = []
    for known in parts:
        image = pilot
        for _ in range(_ROUNDS):
            steps = nonlocal_bayes_completion(image / _NOISE_SHARE, data / _NOISE_SHARE, known)
            image = _NOISE_SHARE * (yield from steps)
        answers.append(image)
    return torch.stack(answers)
