"""What the numbers of a diagnosis mean, in sentences."""

from collections.abc import Iterator
from dataclasses import replace

from napari_dip.diagnostics.report import Diagnostics, Estimate
from napari_dip.optim.iterate import Outcome, StoppingCriterion

#: Standard errors by which a number has to lie beyond a bound.
_SIGNIFICANT = 2.0
#: χ² above which structure is missing, on the whole and in single places: for pixels that the restored image
#: has not seen, where its own error adds to χ², and for those that it has seen.
_UNSEEN, _UNSEEN_PLACE = 1.25, 1.5
_FITTED, _FITTED_PLACE = 1.05, 1.25
#: χ² below which the noise is weaker than stated, or the restored image has followed it.
_WEAK, _FOLLOWED = 0.85, 0.5
#: χ² in quiet places above which the noise is rather wrong than structure missing.
_EVEN_QUIET = 2.0
_MARGIN = 0.1  # below what is expected
#: Factor for all of these bounds if the noise was measured in the data, which may be wrong.
_MEASURED = 1.25
#: Correlation, loss of contrast and loss of light that matter.
_CORRELATION, _CONTRAST, _LIGHT = 0.05, 0.05, 0.01
#: Change from the best to the last fit, in standard deviations of the noise, that matters.
_CHANGE = 0.25

_STEEP = "at the steepest edges, which are too smooth"
_BRIGHT = "in the brightest places, whose level is wrong or whose photon noise is not in the noise model"
_LIMITS = {
    Outcome.MAX_ITERATIONS: ("maximum number of iterations", "allow more iterations"),
    Outcome.TIME_LIMIT: ("time limit", "allow more time"),
}

#: What is said where only missing pixels were wanted.
ONLY_MISSING = (
    "Observed pixels were left as they were measured, so there is no residual to compare with the noise."
)
_NOISE = "The residual is consistent with the noise."
_UNKNOWN = (
    "The residual looks like noise. Whether it is as strong as the noise can't be told, because the noise is "
    "unknown: choose a noise model if you know it."
)
_CORRELATED = (
    "The noise in the data is not independent from pixel to pixel, so it can't be told from structure in the "
    "residual. If you can, restore the data as they were before any filter, resampling or compression."
)
_TOO_SMALL = "There are too few pixels to tell whether the residual is noise."
#: What is said where nothing is left of the data.
NO_RESIDUAL = (
    "The restored image explains the data exactly, so there is no residual to compare with the noise."
)


def judged(found: Diagnostics, outcome: Outcome | None, criterion: StoppingCriterion | None) -> Diagnostics:
    """Return a diagnosis with its verdict and its findings.

    Parameters
    ----------
    found : Diagnostics
        What was measured.
    outcome : Outcome, optional
        Why the run ended.
    criterion : StoppingCriterion, optional
        What decided when the run ended.
    """
    findings = list(_findings(found))
    if findings:
        consistent, first = False, "The residual is not what noise alone would leave."
    elif not found.correlations:
        consistent, first = None, _TOO_SMALL
    elif found.white is False:
        consistent, first = None, _CORRELATED
    elif found.noise_from == "nothing":
        consistent, first = None, _UNKNOWN
    else:
        consistent, first = True, _NOISE
    if findings and found.white is False:
        findings.append(_CORRELATED)
    findings += _warnings(found, outcome, criterion)
    return replace(found, verdict=first, findings=tuple(findings), consistent=consistent)


def _findings(found: Diagnostics) -> Iterator[str]:
    """Yield what is in the residual besides noise, and what to do about it."""
    if too_strong := _too_strong_everywhere(found):
        yield too_strong  # which explains most of what else might be found
    else:
        yield from _misfits(found)
        yield from _peaks(found)
    lags = [lag for one in found.correlations for lag in (one.lag_1, one.lag_2) if _above(lag, _CORRELATION)]
    if lags and found.white is not False:
        most = max(lag.value for lag in lags)
        yield (
            f"Neighbouring pixels of the residual are alike (correlation {most:.2f}): it holds structure, or "
            "the noise is correlated from pixel to pixel."
        )
    loss, flux = found.contrast_loss, found.flux_ratio
    if loss is not None and _above(loss, _CONTRAST):
        yield (
            f"Fine structure has {loss.value:.0%} less contrast than in the data: the restored image is too "
            "smooth."
        )
    if loss is not None and _below(loss, -_CONTRAST):
        yield f"Fine structure has {-loss.value:.0%} more contrast than in the data: it may be exaggerated."
    if flux is not None and (_below(flux, 1 - _LIGHT) or _above(flux, 1 + _LIGHT)):
        much = "less" if flux.value < 1 else "more"
        yield (
            f"Bright places have {abs(1 - flux.value):.1%} {much} light than in the data: measure their "
            "brightness in the data."
        )


def _too_strong_everywhere(found: Diagnostics) -> str:
    """Return what it means if even quiet places have a strong residual, or nothing if they have not."""
    misfit = found.fitted if found.unseen is None else found.unseen
    quiet = None if misfit is None else misfit.quiet
    slack = _MEASURED if found.noise_from == "data" else 1.0
    if quiet is None or not _above(quiet, _EVEN_QUIET * slack):
        return ""
    return (
        f"Even in quiet places, the mean square of the residual is {quiet.value:.1f} times the variance of "
        f"the noise: the noise is stronger than {_stated(found)}, or structure is missing everywhere. Check "
        "the noise first."
    )


def _misfits(found: Diagnostics) -> Iterator[str]:
    """Yield where the residual is stronger or weaker than the noise."""
    slack = _MEASURED if found.noise_from == "data" else 1.0
    misfit, whole, place = found.fitted, _FITTED, _FITTED_PLACE
    subject, noise = "The mean square of the residual", "the variance of the noise"
    if found.unseen is not None:
        misfit, whole, place = found.unseen, _UNSEEN, _UNSEEN_PLACE
        subject = "On pixels that the fit has not seen, the mean square of the residual"
    if misfit is not None:
        much = f"{misfit.whole.value:.2f} times the variance of the noise"
        if _above(misfit.whole, whole * slack):
            yield (
                f"{subject} is {much}: structure is missing from the restored image, or the noise is "
                f"stronger than {_stated(found)}."
            )
            subject, noise = "It", "that variance"
        elif found.unseen is not None and _below(misfit.whole, _WEAK / slack):
            yield f"{subject} is {much}: the noise is weaker than {_stated(found)}."
        places = [
            f"{one.value:.1f} times {noise} {where}"
            for one, where in ((misfit.steep, _STEEP), (misfit.bright, _BRIGHT))
            if one is not None and _above(one, place * slack)
        ]
        if places:
            yield f"{subject} is {', and '.join(places)}."
    yield from _followed(found, slack)


def _followed(found: Diagnostics, slack: float) -> Iterator[str]:
    """Yield whether the restored image has followed the noise by more than it errs."""
    least = _FOLLOWED if found.expected is None else max(found.expected[0] - _MARGIN, 0)
    if found.fitted is not None and _below(found.fitted.whole, least / slack):
        yield (
            f"The residual has only {found.fitted.whole.value:.0%} of the variance of the noise: the "
            f"restored image still holds noise, or the noise is weaker than {_stated(found)}."
        )


def _peaks(found: Diagnostics) -> Iterator[str]:
    """Yield how many sources are left in the residual."""
    if not found.peaks:
        return
    first = found.peaks[0]
    count, strongest = found.peak_count, f"{abs(first.significance):.1f} standard errors"
    much = "dark" if first.significance < 0 else "bright"
    where = ", ".join(map(str, first.position))
    places = "One place stands" if count == 1 else f"{count} places stand"
    most = "it is" if count == 1 else "the strongest is"
    yield (
        f"{places} out of the residual: {most} {much}, by {strongest}, at pixel ({where}). Sources there are "
        "missing, or too weak or too strong in the restored image: detect and measure them in the data."
    )


def _warnings(
    found: Diagnostics, outcome: Outcome | None, criterion: StoppingCriterion | None
) -> Iterator[str]:
    """Yield what the end of the run says about the result."""
    clear = found.minimum is not None and found.minimum.clear
    if outcome in _LIMITS and (criterion is not None or outcome is Outcome.TIME_LIMIT):
        limit, advice = _LIMITS[outcome]
        state = "although the error had risen again" if clear else "and the fit may not have been finished"
        yield f"The run ended at the {limit}, {state}" + ("." if clear else f": {advice}.")
    elif found.minimum is not None and not clear and found.minimum.change > _CHANGE:
        yield (
            "The error on held-out pixels had no clear minimum: fits that differ by "
            f"{found.minimum.change:.2f} standard deviations of the noise do equally well. Compare the "
            "result with that of another seed."
        )


def _stated(found: Diagnostics) -> str:
    return "the noise model says" if found.noise_from == "task" else "was measured in the data"


def _above(one: Estimate, bound: float) -> bool:
    return one.value - _SIGNIFICANT * one.error > bound


def _below(one: Estimate, bound: float) -> bool:
    return one.value + _SIGNIFICANT * one.error < bound
