"""The postfilter: a classic filter of the data that is guided by the fitted image."""

from collections.abc import Generator, Iterable, Iterator
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from napari_dip.dip.refinement import refined
from napari_dip.dip.shares import preferred_share
from napari_dip.dip.validation import Validation
from napari_dip.filters.empty_places import smooth_where_empty
from napari_dip.filters.nonlocal_bayes import nonlocal_bayes, nonlocal_bayes_completion
from napari_dip.filters.vst import Stabiliser
from napari_dip.noise.absence import positive_sigma
from napari_dip.noise.models import LaplaceNoise
from napari_dip.noise.residual import residual_sigma
from napari_dip.optim.iterate import Iterate

#: Standard errors by which held-out pixels have to speak against empty places.
_CONTRADICTED = 3.0
#: Shares of the pixels, from the flattest on, that end a class of places: quiet, middle and steep ones.
_PLACES = (0.7, 0.9)
#: Share of the filtered image that was best on average in each class, and the inverse of its variance from
#: image to image.
_USUAL_SHARES, _USUAL_WEIGHT = (0.9, 0.75, 0.7), 16.0
#: The same for missing pixels. The errors on held-out pixels are those of edges: few of them say much.
_MISSING_SHARE, _MISSING_WEIGHT = 0.7, 64.0
#: Number of times that missing pixels are filled in, each time with a better pilot.
_ROUNDS = 2
#: Noise of observed pixels around missing ones, as a share of the residual: data may have hardly any noise.
_NOISE_SHARE = 0.5
#: Standard deviations from which a pixel is an outlier, where the noise model expects some.
_OUTLIER = 4.0


def postfiltered(iterates: Iterable[Iterate], validation: Validation) -> Iterator[Iterate]:
    """Filter the answer of a run that was not stopped from outside.

    Parameters
    ----------
    iterates : iterable of Iterate
        A run; its last iterate, which has an outcome, is the answer.
    validation : Validation
        Has held-out pixels, of a problem whose operator is the identity.
    """

    def refine(answer: Iterate) -> Generator[None, None, Iterate]:
        x, blind = yield from postfilter(answer.x, validation)
        fits = None if answer.unseen is None else answer.unseen.fits
        return replace(answer, x=x, unseen=validation.unseen(blind, fits))

    return refined(iterates, refine)


def postfilter(
    x: Tensor, validation: Validation, *, whole: bool = True
) -> Generator[None, None, tuple[Tensor, Tensor]]:
    """Filter the data by non-local Bayes, with a restored image as the pilot.

    With the help of similar patches, the filter recovers details that are in the data but that the fit has
    lost. Its errors differ from those of the fit, so a mean of both is better than either. The filter is
    first run without the held-out pixels, which tell how much of it to take. The result is then computed
    again from all pixels. Where the data show nothing but noise, the answer is their smooth mean, unless only
    missing pixels are wanted.

    Parameters
    ----------
    x : Tensor, shape ``(1, C, *spatial)``
        The fitted image, which has not seen the held-out pixels.
    validation : Validation
        Has held-out pixels, of a problem whose operator is the identity.
    whole : bool
        Compute the result again from all pixels. If not, it is the same as that without the held-out pixels.

    Yields
    ------
    None
        Between its steps, so that it can be stopped.

    Returns
    -------
    (Tensor, Tensor), each of shape ``(1, C, *spatial)``
        The mean of x and the filtered image, with the weights that held-out pixels prefer; and the same
        without the held-out pixels.
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
    fitted, even = pilot / sigmas, noisy / sigmas
    judged = observed & ~seen
    known = (observed, seen) if whole else (seen,)
    *after, blind = yield from act(fitted, even, known)
    share_of = _share_completed if problem.only_missing else _share
    share = share_of(fitted, blind, even, judged)
    means = [torch.lerp(fitted, one, share) for one in (*after, blind)]
    yield
    if not problem.only_missing:
        means = _emptied(means, even, known, judged)
    images = [transform.inverse(sigmas * one)[None].to(x) for one in means]
    return images[0], images[-1]


def _share(fitted: Tensor, blind: Tensor, data: Tensor, judged: Tensor) -> Tensor:
    """Return the share of the filtered image in the answer, for each pixel, shape ``(C, *spatial)``.

    It is the share that best predicts held-out pixels by least squares, in quiet, middle and steep places
    apart. As these pixels are few, they only correct what was best on other images.

    Parameters
    ----------
    fitted, blind, data : Tensor, shape ``(C, *spatial)``
        The fitted image, what the filter makes of it without the held-out pixels, and the data, with noise of
        variance 1.
    judged : Tensor of bool, shape ``(C, *spatial)``
        The held-out pixels.
    """
    slopes = [fitted.diff(dim=axis).square() for axis in range(1, fitted.ndim)]
    steep = sum(F.pad(s, [0, 0] * (fitted.ndim - 1 - axis) + [0, 1]) for axis, s in enumerate(slopes, 1))
    assert isinstance(steep, Tensor)
    place = torch.bucketize(steep, torch.from_numpy(np.quantile(steep.numpy(), _PLACES)))
    share = torch.empty_like(fitted)
    for one, usual in enumerate(_USUAL_SHARES):
        here = place == one
        used = here & judged
        change, error = (blind - fitted)[used], (data - fitted)[used]
        share[here] = preferred_share(error, change, usual=usual, weight=_USUAL_WEIGHT, variance=1.0)
    return share


def _share_completed(fitted: Tensor, blind: Tensor, data: Tensor, judged: Tensor) -> Tensor:
    """Return the share of completed pixels in the answer, 0-d; the parameters are those of `_share`.

    There may be hardly any noise, so the errors of the fitted image on held-out pixels are the scale.
    """
    change, error = (blind - fitted)[judged], (data - fitted)[judged]
    return preferred_share(error, change, usual=_MISSING_SHARE, weight=_MISSING_WEIGHT)


def _emptied(images: list[Tensor], data: Tensor, known: tuple[Tensor, ...], judged: Tensor) -> list[Tensor]:
    """Return images without structure in empty places, unless held-out pixels speak against it.

    Parameters
    ----------
    images : list of Tensor, each of shape ``(C, *spatial)``
        An image, if it is wanted, and the same without the held-out pixels.
    data : Tensor, shape ``(C, *spatial)``
        The data, with noise of variance 1.
    known : tuple of Tensor of bool, each of shape ``(C, *spatial)``
        Which of the data each image has seen.
    judged : Tensor of bool, shape ``(C, *spatial)``
        The held-out pixels.
    """
    answers, shares = [], []
    for image, seen in zip(images, known, strict=True):
        channels = zip(image.numpy(), data.where(seen, image).numpy(), strict=True)
        found = [smooth_where_empty(*channel) for channel in channels]
        answers.append(torch.from_numpy(np.stack([one for one, _ in found])))
        shares.append(torch.from_numpy(np.stack([share for _, share in found])))
    used = judged & (shares[-1] > 0)
    loss = ((data - answers[-1]).square() - (data - images[-1]).square())[used]
    worse = len(loss) > 1 and loss.mean() > _CONTRADICTED * loss.std() / len(loss) ** 0.5
    return images if worse else answers


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
