"""What was measured of a result, in sentences for the methods section of a paper."""

from collections.abc import Callable, Iterator
from statistics import median

from napari_dip.diagnostics.report import Diagnostics, Estimate
from napari_dip.restoration.paper.citations import Bibliography
from napari_dip.restoration.provenance import Provenance


def measurements(found: Provenance, cite: Bibliography) -> Iterator[str]:
    """Yield what the residual of a result told about it; for a series, medians over its images.

    Parameters
    ----------
    found : Provenance
        The run.
    cite : Bibliography
        Takes what the sentences cite.
    """
    known = [frame.diagnostics for frame in found.frames if frame.diagnostics is not None]
    if not known:
        return
    series = len(known) > 1
    sources = {one.noise_from for one in known}
    noise = "stated" if sources <= {"task"} else "estimated"
    if sources == {"data"}:
        noise = f"measured in the data {cite('immerkaer1996')}"
    of_noise = f"in units of the variance of the noise as it was {noise}"

    def value(choose: Callable[[Diagnostics], Estimate | None]) -> str | None:
        """Return an estimate with its standard error, or the median over a series."""
        estimates = [one for one in map(choose, known) if one is not None]
        if not estimates:
            return None
        if not series:
            return str(estimates[0])
        return f"{median(one.value for one in estimates):.3g} in the median"

    if sources != {"nothing"}:
        unseen = value(lambda one: None if one.unseen is None else one.unseen.whole)
        fitted = value(lambda one: None if one.fitted is None else one.fitted.whole)
        if unseen is not None:
            yield f"On pixels that the fit had not seen, the mean square residual was {unseen} {of_noise}."
        elif fitted is not None:
            yield f"The mean square residual was {fitted} {of_noise}."
        if (error := value(lambda one: one.relative_error)) is not None:
            yield (
                f"From these pixels, the root mean square error was estimated as {error} standard deviations "
                "of the noise."
            )
    if (flux := value(lambda one: one.flux_ratio)) is not None:
        yield f"The light of bright places was {flux} times that in the data."
    counts = [one.peak_count for one in known if one.peak_count is not None]
    if counts:
        number = sum(counts)
        where = "no place" if number == 0 else "one place" if number == 1 else f"{number} places"
        yield f"The residual stood out by more than five standard errors at {where}."
    passed = sum(one.consistent is True for one in known)
    if series:
        yield f"The residual was consistent with noise in {passed} of {len(known)} images."
    elif passed:
        yield "The residual was consistent with noise."
