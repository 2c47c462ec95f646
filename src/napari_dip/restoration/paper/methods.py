"""What each method does, in sentences for the methods section of a paper."""

import math
from collections.abc import Iterator, Sequence
from functools import singledispatch

from napari_dip.methods import DIP, PKN, PRESETS, FineTune, Method, NonLocalBayes
from napari_dip.methods.classic import NO_NUMBER, RichardsonLucy, Wiener
from napari_dip.networks.settings import Architecture, Decoder, Hourglass
from napari_dip.noise.models import LaplaceNoise, PoissonGaussianNoise, PoissonNoise
from napari_dip.optim.iterate import Outcome, StoppingCriterion
from napari_dip.restoration.paper.citations import Bibliography
from napari_dip.restoration.provenance import Provenance
from napari_dip.restoration.recipe import changed
from napari_dip.restoration.text import file_name, in_series
from napari_dip.tasks import Deconvolve, Denoise, Inpaint, SuperResolve, Task

#: Share of the pixels that is held out by default, by task.
_HELD_OUT = {Deconvolve: 0.1, SuperResolve: 0.02}
_KERNELS = {
    "isotropic": "a round Gaussian",
    "anisotropic": "a stretched Gaussian",
    "bilateral": "a bilateral filter",
    "nlm": "non-local means",
    "reblur": "polynomial reblurring by a round Gaussian",
    "anisotropic-reblur": "polynomial reblurring by a stretched Gaussian",
    "upsample": "steered upsampling",
}
_USUAL_KERNEL: dict[type[Task], str] = {
    Denoise: "anisotropic",
    Deconvolve: "anisotropic-reblur",
    SuperResolve: "upsample",
}
_KERNEL_WORKS = {
    "bilateral": "tomasi1998",
    "nlm": "buades2005",
    "reblur": "delbracio2021",
    "anisotropic-reblur": "delbracio2021",
    "upsample": "wronski2019",
}
#: The pretrained networks that come with the package.
BUNDLED = {
    "dncnn": ("a denoising network (DnCNN)", "zhang2017"),
    "compact": ("a compact residual network", "wang2021"),
    "vdsr": ("a very deep residual network (VDSR)", "kim2016"),
}
#: Ends after which an answer is not filtered any more.
_FROM_OUTSIDE = {Outcome.TIME_LIMIT, Outcome.STOPPED, Outcome.RULE}
#: When a run ended, to follow "The run ended".
_ENDS = {
    Outcome.NO_IMPROVEMENT: "when the error on the held-out pixels had stopped falling",
    Outcome.VARIANCE: "when the outputs began to vary more again, as they do when a network fits noise",
    Outcome.SPLIT: "when the error against the second image had stopped falling",
    Outcome.DISCREPANCY: "when the residual had become as weak as the noise",
    Outcome.MAX_ITERATIONS: "at the maximum number of iterations",
    Outcome.RISK: "when the estimated error had stopped falling",
    Outcome.TIME_LIMIT: "at the time limit",
    Outcome.STOPPED: "when the user stopped it",
    Outcome.RULE: "by a stopping rule of the user",
    Outcome.DIVERGED: "when the loss had become infinite or undefined; the best result before that was kept",
}


def name_of(method: Method, cite: Bibliography) -> str:
    """Return what to call a method in a text, with its source.

    Parameters
    ----------
    method : Method
        The settings.
    cite : Bibliography
        Takes the source.
    """
    match method:
        case DIP(network=Decoder()):
            return f"an untrained deep decoder {cite('heckel2019')}, fitted as in Deep Image Prior " + cite(
                "ulyanov2020"
            )
        case DIP():
            return f"Deep Image Prior {cite('ulyanov2020')}"
        case PKN():
            return f"a procedural kernel network {cite('wronski2021')}"
        case FineTune():
            return (
                f"a pretrained network, which was checked for consistency with the data {cite('lucas2019')}"
            )
        case NonLocalBayes():
            return f"non-local Bayes {cite('lebrun2013')}"
        case RichardsonLucy():
            return f"Richardson–Lucy deconvolution {cite('richardson1972', 'lucy1974')}"
        case Wiener():
            return f"Wiener–Hunt deconvolution {cite('hunt1973')}"
    return type(method).__name__


@singledispatch
def sentences(method: Method, found: Provenance, cite: Bibliography) -> Iterator[str]:
    """Yield what a method did, in sentences.

    Parameters
    ----------
    method : Method
        The settings.
    found : Provenance
        The run.
    cite : Bibliography
        Takes what the sentences cite.
    """
    return iter(())


@sentences.register
def _(method: DIP, found: Provenance, cite: Bibliography) -> Iterator[str]:
    task, guided = found.task, found.source.guide is not None
    criteria = {frame.criterion for frame in found.frames if frame.criterion is not None}
    yield (
        f"{_architecture(method.network)} was fitted to the data alone, without any training data; its "
        f"structure is the prior. Its weights were updated by Adam {cite('kingma2015')} with a step size of "
        f"{method.learning_rate:g} and β₂ = {method.beta2:g}."
    )
    inputs = {
        "noise": f"{method.input_channels} channels of fixed uniform noise",
        "coordinates": "the coordinates of the pixels",
        "guide": "the guide alone",
    }
    text = f"The input of the network was {inputs[method.input]}"
    if guided and method.input != "guide":
        text += " and the guide"
    if method.input_noise_std:
        text += (
            ", to which normal noise with a standard deviation of "
            f"{method.input_noise_std:.2g} was added at each iteration"
        )
    yield f"{text}."
    finished = any(frame.error is None and frame.outcome not in _FROM_OUTSIDE for frame in found.frames)
    white = criteria <= {StoppingCriterion.HELD_OUT}
    inpaints = isinstance(task, Inpaint) and task.keep_observed
    denoises = isinstance(task, Denoise | Deconvolve) and not inpaints
    sees_images = method.initial_estimate and not guided and isinstance(method.network, Hourglass)
    if sees_images and denoises and white:
        rounds = f", in eight rounds {cite('zhang2022')}" if isinstance(task, Deconvolve) else ""
        yield (
            "It also saw an estimate by non-local Bayes, made without the held-out pixels "
            f"{cite('lebrun2013')}{rounds}."
        )
    judged = StoppingCriterion.HELD_OUT in criteria and finished
    each_pixel = found.noise_std or found.source.noise_std is not None  # may be too uneven for filters
    if sees_images and inpaints and judged and not each_pixel:
        yield (
            "Two networks were fitted, one after the other. The answer of the first was completed by "
            f"non-local Bayes {cite('lebrun2013', 'yu2012')}, without the held-out pixels, and the second "
            "also saw this image. The answer with the lower error on the held-out pixels was kept."
        )
    if method.ema_decay:
        yield f"The outputs were averaged over iterations with a decay rate of {method.ema_decay:g}."
    kept = "average" if method.ema_decay else "output"
    if StoppingCriterion.HELD_OUT in criteria:
        share = method.validation_fraction
        if share is None:
            share = _HELD_OUT.get(type(task), 0.05)
        yield (
            f"The fit did not see {100 * share:.3g} % of the observed pixels, chosen at random; the {kept} "
            "with the lowest error on them was kept."
        )
    if StoppingCriterion.SPLIT in criteria:
        yield (
            "Noise with the measured spectrum was added to the data and subtracted from them, which gives "
            f"two images with independent noise {cite('oliveira2024')}. The fit saw the first, and the "
            f"{kept} that came nearest to the second was kept."
        )
        if not guided:
            yield from _split_filters(method, finished, cite)
    if StoppingCriterion.VARIANCE in criteria:
        yield (
            "The iteration with the smallest variance of the outputs was kept "
            f"{cite('wang2023')}, which suits noise that is correlated between pixels."
        )
    if StoppingCriterion.DISCREPANCY in criteria:
        yield "The fit was stopped when the residual was as strong as the noise."
    if method.ensemble_size > 1:
        yield (
            f"The result is the mean of {method.ensemble_size} networks that were fitted from different "
            "random weights."
        )
    held_out = judged and isinstance(task, Denoise)
    if method.postfilter and held_out and not guided and inpaints:
        yield (
            "At the end, missing pixels were completed by non-local Bayes with the fitted image as the pilot "
            f"{cite('lebrun2013', 'yu2012')}, and the result is the mean of both that the held-out pixels "
            "preferred."
        )
    elif method.postfilter and held_out and not guided:
        yield (
            "At the end, the data were filtered by non-local Bayes with the fitted image as the pilot "
            f"{cite('lebrun2013')}, and the result is the mean of both that the held-out pixels preferred. "
            "Outside the multiresolution support of the data, where they show no structure of any width "
            f"{cite('starck1995')}, the result is their smooth mean."
        )
    outliers = isinstance(task.noise, LaplaceNoise)
    if method.postfilter and sees_images and denoises and judged and not outliers:
        answer = "fitted image" if isinstance(task, Deconvolve) else "image so far"
        yield (
            f"The final result is the mean of the {answer} and of the estimate by non-local Bayes, made "
            "again from all pixels, that the held-out pixels preferred."
        )
    photons = isinstance(task.noise, PoissonNoise | PoissonGaussianNoise) or found.noise_was_measured
    if photons and white and (method.initial_estimate or method.postfilter) and isinstance(task, Denoise):
        yield (
            "For these filters, photon noise was given the same variance everywhere by the generalised "
            f"Anscombe transform with its exact unbiased inverse {cite('makitalo2011', 'makitalo2013')}."
        )
    if method.recover_sources and held_out and not inpaints and not outliers:
        yield (
            "Faint sources that stand out from the noise of the data, but were weaker in the fitted image or "
            "absent from it, were put back."
        )
    if isinstance(task, Deconvolve) and method.sieve_width:
        yield (
            "The width of the finest details was limited to "
            f"{method.sieve_width:g} times that of the point spread function by the method of sieves "
            f"{cite('snyder1985')}."
        )
    yield from _iterations(found)
    nearest, changes = nearest_preset(method)
    preset = "the defaults" if nearest is None else f"those of the preset “{nearest}”"
    if changes:
        yield f"All settings were {preset} of this version, except {changes}."
    else:
        yield f"All settings were {preset} of this version."
    if method.precision == "bfloat16":
        yield "Inside the network, numbers were held in the format bfloat16."


@sentences.register
def _(method: PKN, found: Provenance, cite: Bibliography) -> Iterator[str]:
    kernel: str = method.kernel
    if kernel == "auto":
        kernel = _USUAL_KERNEL.get(type(found.task), "anisotropic")
    work = _KERNEL_WORKS.get(kernel)
    title = f"{_KERNELS.get(kernel, kernel)}{'' if work is None else f' {cite(work)}'}"
    if found.source.maps:
        by = "that were predicted first and then edited by hand"
    elif method.predictor == "structure-tensor":
        by = f"that follow from the structure tensor around it {cite('wronski2019')}"
    elif method.predictor == "constant":
        by = "that were the same for all pixels"
    elif method.weights is None:
        by = (
            "that a small network predicted, which comes with the software and was trained on synthetic "
            "images"
        )
    else:
        by = f"that a small network predicted, whose weights are in the file {file_name(method.weights)}"
    yield f"Each pixel was filtered by {title} with parameters {by}."
    if _filters_colours_apart(method, found):
        yield (
            "Where the noise of the channels was about equally strong, brightness and differences between "
            "channels were filtered with parameters of their own."
        )
    if method.self_ensemble and method.predictor == "network":
        yield (
            "The parameters were averaged over the eight ways to rotate and mirror the image "
            f"{cite('timofte2016')}."
        )
    if method.strength != 1:
        yield f"The strength of the filter was set to {method.strength:g}, where 1 is as predicted."
    if not found.task.noise.known and not found.noise_std:
        yield f"The noise was measured in the data {cite('immerkaer1996')}."
    if method.recover_sources and isinstance(found.task, Denoise):
        yield _recovery("filtered")


def _filters_colours_apart(method: PKN, found: Provenance) -> bool:
    """Whether brightness and colours had parameters of their own, if the noise of the channels allowed it."""
    if not (method.separate_colours and isinstance(found.task, Denoise) and found.source.guide is None):
        return False
    if found.source.maps:
        return any(name.startswith("colour") for name in found.source.maps)
    several = found.shape is not None and "C" in found.axes and found.shape[found.axes.index("C")] > 1
    return several and found.channels == "together"


@sentences.register
def _(method: FineTune, found: Provenance, cite: Bibliography) -> Iterator[str]:
    yield f"The network was {_pretrained(method, found.task, cite)}."
    outcomes = {frame.outcome for frame in found.frames}
    tuned = any(frame.iterations for frame in found.frames)
    if method.action == "network":
        yield "Its output is the result, and was not corrected."
    elif outcomes and outcomes <= {Outcome.CONSISTENT, Outcome.UNCHANGED}:
        yield "Its output was consistent with the data, and is the result."
    elif tuned:
        criteria = {frame.criterion for frame in found.frames}
        if StoppingCriterion.CROSS_SCALE in criteria:
            yield "Its output was first made consistent with the data by back-projection."
        yield (
            "The network was then fine-tuned on the image itself and on synthetic images degraded like it "
            f"{cite('lucas2019', 'shocher2018')}, by Adam {cite('kingma2015')}."
        )
        if StoppingCriterion.RISK in criteria:
            yield (
                "Since the data are noisy, Stein's unbiased estimate of the error took the place of the "
                f"misfit {cite('ramani2008')}."
            )
        elif method.loss == "masked":
            yield "The misfit counted only where the image is smooth."
        if method.self_ensemble:
            yield (
                "The result is the mean over the eight ways to rotate and mirror the image "
                f"{cite('timofte2016')}."
            )
        yield from _iterations(found)
    elif method.action == "back-projection":
        yield "Its output was made consistent with the data by back-projection."
    elif isinstance(found.task, Denoise):
        yield "No noise was found in the data, which were left as they are."
    if found.tuned < 1:
        yield f"Of what the network learnt, {found.tuned:.0%} was applied."
    corrected = tuned or method.action == "back-projection"
    if method.recover_sources and corrected and isinstance(found.task, Denoise):
        yield _recovery("restored")
    settings = changed(method)
    settings.pop("weights", None)
    yield _exceptions(settings)


@sentences.register
def _(method: NonLocalBayes, found: Provenance, cite: Bibliography) -> Iterator[str]:
    yield (
        "Similar patches of 5 × 5 pixels, or 3 × 3 × 3 in volumes, were denoised together by the mean and "
        "the covariance of their group. This was done in two steps, the second of which took both from the "
        "result of the first. Channels were transformed to their principal components. In the first step, "
        f"lower frequencies were taken from denoised images of fewer pixels {cite('facciolo2017')}."
    )
    denoises = isinstance(found.task, Denoise)
    if not denoises:
        rounds = "eight" if isinstance(found.task, Deconvolve) else "twelve"
        yield (
            f"In {rounds} rounds, the image was drawn to the data by conjugate gradients, and then denoised "
            f"in this way, each time more weakly {cite('zhang2022')}."
        )
    noise, given = found.task.noise, found.noise_std or found.source.noise_std is not None
    unknown = not (noise.known or given)
    if unknown:
        yield f"The noise was measured in the data {cite('immerkaer1996')}."
    if denoises and (unknown or isinstance(noise, PoissonNoise | PoissonGaussianNoise)):
        yield (
            f"{'If it was found to grow with brightness, it' if unknown else 'The noise'} was made equally "
            "strong everywhere by the generalised Anscombe transform with its exact unbiased inverse "
            f"{cite('makitalo2011', 'makitalo2013')}."
        )
    if method.strength != 1:
        yield f"The standard deviation of the noise was multiplied by {method.strength:g}."
    if method.recover_sources and denoises:
        yield _recovery("filtered")


@sentences.register
def _(method: RichardsonLucy, found: Provenance, cite: Bibliography) -> Iterator[str]:
    counts = sorted({frame.iterations for frame in found.frames if frame.iterations})
    number = method.iterations or (counts[-1] if len(counts) == 1 else 0)
    after = f" after {number} iteration{'s' * (number > 1)}" if number else ""
    yield f"The iterations began with a constant image, and were stopped{after}."
    if method.iterations is None and not any(NO_NUMBER in frame.note for frame in found.frames):
        yield (
            "The data were split into two parts with independent noise. The number of iterations is the one "
            "after which the larger part best predicted the smaller one."
        )
    noise = found.task.noise
    if isinstance(noise, PoissonNoise | PoissonGaussianNoise):
        yield "The offset of the noise model was taken as the grey level without light."
    if isinstance(noise, PoissonGaussianNoise) and noise.read_noise:
        yield f"Read noise was taken into account as additional photons {cite('snyder1993')}."


@sentences.register
def _(method: Wiener, found: Provenance, cite: Bibliography) -> Iterator[str]:
    if method.balance is None:
        yield (
            "The weight of smoothness against sharpness was chosen by maximum likelihood, for white noise "
            f"and an image with Gaussian second derivatives {cite('orieux2010')}."
        )
    else:
        yield f"The weight of smoothness against sharpness was {method.balance:g}."
    yield f"The filter is that of scikit-image {cite('vanderwalt2014')}."


def _split_filters(method: DIP, finished: bool, cite: Bibliography) -> Iterator[str]:
    """Say what classic filters made of noise that is correlated between pixels."""
    if method.initial_estimate and isinstance(method.network, Hourglass):
        yield (
            f"The network also saw an estimate of the first image by non-local means {cite('buades2005')} or "
            f"total variation {cite('rudin1992', 'chambolle2004')}, whichever came nearest to the second, "
            f"followed by non-local Bayes {cite('lebrun2013')}."
        )
    if method.postfilter and finished:
        yield (
            "At the end, the data were filtered by non-local Bayes with the fitted image as the pilot "
            f"{cite('lebrun2013')}, unless this took the first image further from the second."
        )


def _recovery(image: str) -> str:
    """Return how faint sources were put back into an image, where a test of the noise decided about it."""
    return (
        "Where a test found the noise to be independent from pixel to pixel, faint sources that stand out "
        f"from it, but were weaker in the {image} image or absent from it, were put back."
    )


def nearest_preset(method: DIP) -> tuple[str | None, str]:
    """Return the preset with the fewest other settings, and how those differ; None stands for the defaults.

    Parameters
    ----------
    method : DIP
        The settings.
    """
    differences = {}
    for name, preset in PRESETS.items():
        values = changed(method, preset)
        values.pop("precision", None)  # it is resolved when the run begins
        differences[name] = values
    nearest = min(differences, key=lambda name: len(differences[name]))
    usual = next(iter(PRESETS))
    return (None if nearest == usual else nearest), _listed(differences[nearest])


def _exceptions(settings: dict[str, object]) -> str:
    rest = f", except {_listed(settings)}" if settings else ""
    return f"All settings were the defaults of this version{rest}."


def _listed(settings: dict[str, object]) -> str:
    return in_series([f"{name} = {_value(value)}" for name, value in settings.items()])


def _value(value: object) -> str:
    if isinstance(value, Architecture):
        return f"{type(value).__name__}({', '.join(f'{n}={v}' for n, v in changed(value).items())})"
    return f"{value:g}" if isinstance(value, float) and math.isfinite(value) else str(value)


def _architecture(network: Architecture) -> str:
    match network:
        case Hourglass():
            return (
                f"A convolutional encoder–decoder with skip connections and {len(network.widths)} scales of "
                f"{in_series([str(n) for n in network.widths])} channels"
            )
        case Decoder():
            return f"A deep decoder with {network.layers} layers of {network.width} channels"
    return "A convolutional network"


def _pretrained(method: FineTune, task: Task, cite: Bibliography) -> str:
    name = method.weights
    if method.given:
        return "given in Python by the authors"
    if name is None:
        name = "dncnn" if isinstance(task, Denoise) else "compact"
    if name in BUNDLED:
        title, work = BUNDLED[name]
        return f"{title} {cite(work)} that comes with the software and was trained on synthetic images"
    return f"read from the file {file_name(name)}"


def _iterations(found: Provenance) -> Iterator[str]:
    """Say how long the runs took, and why they ended."""
    frames = [frame for frame in found.frames if frame.error is None and frame.outcome in _ENDS]
    if not frames:
        return
    ends = in_series([_ENDS[outcome] for outcome in dict.fromkeys(frame.outcome for frame in frames)], "or")
    kept = sorted(frame.iterations for frame in frames)
    if len(frames) == 1:
        yield f"The run ended {ends}. The result is that of iteration {kept[0]}."
    else:
        yield f"The {len(frames)} runs ended {ends}. Their results are those of {_between(kept)}."


def _between(numbers: Sequence[int]) -> str:
    if numbers[0] == numbers[-1]:
        return f"iteration {numbers[0]}"
    return f"iterations {numbers[0]} to {numbers[-1]}"
