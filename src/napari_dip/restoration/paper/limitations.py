"""The limitations of a result that follow from its provenance, in sentences."""

from collections.abc import Iterator

from napari_dip.methods import DIP, PKN, FineTune, NonLocalBayes, RichardsonLucy, Wiener
from napari_dip.noise.models import LaplaceNoise
from napari_dip.optim.iterate import Outcome, StoppingCriterion
from napari_dip.restoration.provenance import Provenance
from napari_dip.tasks import Deconvolve, Inpaint, SuperResolve

#: Ends of a run before its criterion was met.
_EARLY = {Outcome.MAX_ITERATIONS, Outcome.TIME_LIMIT, Outcome.STOPPED, Outcome.RULE, Outcome.DIVERGED}


def limitations(found: Provenance) -> Iterator[str]:
    """Yield what a reader should know before relying on a result.

    Parameters
    ----------
    found : Provenance
        The run.
    """
    yield from _of_method(found)
    yield from _of_task(found)
    yield from _of_noise(found)
    yield from _of_run(found)
    yield "Presence, position and brightness of faint structures should be measured in the original data."


def _of_method(found: Provenance) -> Iterator[str]:
    match found.method:
        case DIP():
            yield (
                "A network that is fitted to a single image can lose structure that is as weak as the noise, "
                "and smooth fine texture."
            )
        case PKN():
            yield (
                "A filter can't invent structure, but it leaves part of the noise, and smooths structure "
                "that is as weak as the noise."
            )
        case FineTune():
            yield (
                "A pretrained network can add detail that resembles its training images and is not in the "
                "data; consistency with the data does not rule this out."
            )
        case NonLocalBayes():
            yield (
                "A filter of similar patches can lose structure that is as weak as the noise, and smooth "
                "texture that does not repeat."
            )
        case RichardsonLucy():
            yield (
                "Richardson–Lucy iterations amplify noise, and rings can appear around sharp edges and "
                "bright points, the more so the more iterations there are."
            )
        case Wiener():
            yield (
                "A linear filter leaves amplified noise, rings around sharp edges, and values below the "
                "background."
            )


def _of_task(found: Provenance) -> Iterator[str]:
    task, source = found.task, found.source
    if isinstance(task, SuperResolve):
        yield "Detail finer than the pixels of the data is inferred from them, not measured."
    if getattr(task, "psf", None) is not None:
        yield (
            "The result depends on the point spread function: one that is too wide gives rings and edges "
            "that are too sharp, one that is too narrow leaves blur."
        )
    if isinstance(task, Deconvolve):
        yield "Close to the border, light from outside the image is unknown, and the result is less certain."
    hidden = source.missing is not None or found.saturation_level is not None or source.no_data is not None
    if isinstance(task, Inpaint) or hidden or source.dq_bits is not None:
        yield "The values of missing pixels are estimated from their surroundings; they are no measurements."
    if source.guide is not None:
        yield "Structures of the guide may appear in the result although the data do not show them."


def _of_noise(found: Provenance) -> Iterator[str]:
    criteria = {frame.criterion for frame in found.frames}
    if criteria & {StoppingCriterion.HELD_OUT, StoppingCriterion.RISK}:
        yield (
            "The choice of when to stop assumes noise that is independent between pixels; where it is "
            "correlated, part of it remains."
        )
    if criteria & {StoppingCriterion.SPLIT, StoppingCriterion.VARIANCE, StoppingCriterion.DISCREPANCY}:
        yield "Noise that is correlated between pixels resembles structure, and part of it may remain."
    if isinstance(found.method, RichardsonLucy | Wiener):
        return
    if found.noise_was_measured:
        yield (
            "The noise was measured in the image itself, which tells its strength in bright places only "
            "roughly if they are few or full of structure."
        )
    elif not found.task.noise.known and not found.noise_std:
        yield (
            "The strength of the noise was not known in advance. Where it depends on brightness, bright and "
            "dark parts may be smoothed unequally."
        )
    if isinstance(found.task.noise, LaplaceNoise):
        yield "Points as small as a pixel may have been removed as outliers."


def _of_run(found: Provenance) -> Iterator[str]:
    frames = found.frames
    criterion = getattr(found.method, "stopping", None) != "max-iterations"
    early = sum(frame.outcome in _EARLY for frame in frames)
    if early and criterion:
        which = "The run ended before its"
        if len(frames) > 1:
            which = f"The runs of {early} of {len(frames)} images ended before their"
        yield f"{which} criterion was met, so that detail may be lost or noise left."
    elif early:
        yield "The number of iterations was fixed in advance, and no criterion decided when to stop."
    if failed := sum(frame.error is not None for frame in frames):
        yield f"{failed} of {len(frames)} images could not be restored, and are empty in the result."
    known = [frame.diagnostics for frame in frames if frame.diagnostics is not None]
    if doubtful := sum(one.consistent is False for one in known):
        which = "The residual" if len(known) == 1 else f"The residual of {doubtful} of {len(known)} images"
        yield f"{which} holds more than noise, so structure may be missing from the result."
    if any(one.white is False for one in known):
        yield "The noise in the data was found to be correlated between pixels."
    learns = isinstance(found.method, DIP | FineTune)
    if learns and len(frames) > 1 and found.series != "independent":
        yield "Each image started from what was learnt from the one before, so their errors are related."
    if found.source.maps is not None:
        yield "Parameters of the filter were edited by hand."
