"""Describes a result for the methods section of a paper, from its provenance alone."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from napari_dip.image.axes import Axes
from napari_dip.image.grid import format_shape
from napari_dip.image.region import written
from napari_dip.methods import DIP, PKN, FineTune, NonLocalBayes, RichardsonLucy, Wiener
from napari_dip.noise.models import (
    CorrelatedNoise,
    GaussianNoise,
    LaplaceNoise,
    NoiseModel,
    PoissonGaussianNoise,
    PoissonNoise,
    StripeNoise,
)
from napari_dip.psf.models import PSF, AiryPSF, GaussianPSF, MoffatPSF
from napari_dip.restoration.paper.checklists import checklists
from napari_dip.restoration.paper.citations import Bibliography
from napari_dip.restoration.paper.limitations import limitations
from napari_dip.restoration.paper.measured import measurements
from napari_dip.restoration.paper.methods import name_of, sentences
from napari_dip.restoration.paper.software import bibliography, device, libraries, package
from napari_dip.restoration.provenance import Provenance
from napari_dip.restoration.text import file_name, in_series
from napari_dip.restoration.uncertainty import NO_UNCERTAINTY
from napari_dip.tasks import Deconvolve, Denoise, Inpaint, SuperResolve

_DONE = {Inpaint: "inpainted", Denoise: "denoised", SuperResolve: "super-resolved", Deconvolve: "deconvolved"}


def methods_text(provenance: Mapping[str, Any]) -> str:
    """Return a description of a result for the methods section of a paper.

    It has a paragraph on what was done, one on the limitations that apply, and the checklists of QUAREP-LiMi
    for image analysis and for machine learning [1]_, filled in as far as the provenance tells. Lines for the
    author begin with ``[ ]``.

    Parameters
    ----------
    provenance : mapping
        Of a `Restoration`, or from a file that holds one.

    Raises
    ------
    ValueError
        The provenance can't be used. The message says why.

    References
    ----------
    .. [1] C. Schmied et al., Community-developed checklists for publishing images and image analyses, Nature
       Methods 21, 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_dip import PKN, Denoise, GaussianNoise, restore
    >>> image = np.random.default_rng(0).normal(100, 5, (32, 32))
    >>> restored = restore(image, Denoise(GaussianNoise(5.0)), PKN())
    >>> print(restored.methods_text().split(" with ")[0])
    An image of 32 x 32 pixels was denoised
    """
    return _Description.of(provenance).text


def bibtex(provenance: Mapping[str, Any]) -> str:
    """Return the BibTeX entries of all works that `methods_text` cites.

    Parameters
    ----------
    provenance : mapping
        Of a `Restoration`, or from a file that holds one.

    Raises
    ------
    ValueError
        The provenance can't be used. The message says why.
    """
    return _Description.of(provenance).bibtex


@dataclass(frozen=True, eq=False)
class _Description:
    """What is written about a run."""

    found: Provenance
    values: Mapping[str, Any]
    cite: Bibliography

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "_Description":
        found = Provenance.of(values)
        return cls(found, values, bibliography(found))

    @cached_property
    def text(self) -> str:
        """The paragraphs and the checklists."""
        parts = [
            " ".join(self._sentences()),
            " ".join(["Limitations.", *limitations(self.found)]),
            *checklists(self.found, self.values, self.cite),
        ]
        return "\n\n".join(parts) + "\n"

    @property
    def bibtex(self) -> str:
        """The entries of the works that the text cites."""
        _ = self.text
        return self.cite.bibtex

    def _sentences(self) -> Iterator[str]:
        found, cite = self.found, self.cite
        done = _DONE[type(found.task)]
        if isinstance(found.task, SuperResolve):
            along = {"all": "", "axial": " along Z", "lateral": " along Y and X"}[found.task.along]
            done += f" by a factor of {found.task.factor}{along}"
        yield (f"{self._subject} was {done} with {package(found, cite)} by {name_of(found.method, cite)}.")
        yield from self._parts()
        yield from sentences(found.method, found, cite)
        yield from self._model()
        yield from self._pixels()
        refused = [NO_UNCERTAINTY in frame.note for frame in found.frames]
        if found.uncertainty and not (refused and all(refused)):
            yield (
                "The standard error of each pixel was estimated by restoring simulated data of the result, "
                "and by measuring what the result lacks of sources that the data may hold. It was calibrated "
                "on pixels that no part of the run had seen."
            )
        yield from measurements(found, cite)
        yield (
            f"The computation used {in_series(libraries(found, cite))}, and ran on {device(found)}; the seed "
            f"of its random numbers was {found.seed}."
        )

    @property
    def _axes(self) -> Axes:
        return Axes(self.found.axes, self.found.channels)

    @property
    def _subject(self) -> str:
        """What was restored, with its article."""
        axes, shape = self._axes, self.found.shape
        volume = len(axes.spatial) == 3
        noun = "volume" if volume else "image"
        if shape is None:
            return f"A{'' if volume else 'n'} {noun}"
        size = format_shape(tuple(shape[axis] for axis in axes.spatial))
        frames = math.prod(shape[axis] for axis in axes.frame_axes)
        channels = 1 if axes.channel is None else shape[axes.channel]
        size += f" {'voxels' if volume else 'pixels'}"
        if channels > 1:
            size += f" and {channels} channels"
        if frames > 1:
            return f"A series of {frames} {noun}s of {size}"
        return f"A{'' if volume else 'n'} {noun} of {size}"

    def _parts(self) -> Iterator[str]:
        """Say which parts were restored together."""
        found, axes = self.found, self._axes
        if found.source.region is not None:
            region = written(found.source.region)
            yield f"It is the region {region} (along the axes {axes.letters}) of a larger image."
        several = found.shape is None or math.prod(found.shape[axis] for axis in axes.frame_axes) > 1
        if "C" in axes.letters or "S" in axes.letters:
            together = axes.channel is not None
            yield f"Channels were restored {'together' if together else 'separately'}."
        if axes.frame_axes and several:
            learns = isinstance(found.method, DIP | FineTune)
            if found.series == "independent" or not learns:
                yield "Its images were restored independently of each other."
            else:
                drift = ""
                if found.series == "drift":
                    drift = f", after the drift between them had been corrected {self.cite('guizar2008')}"
                yield f"Each image started from what was learnt from the one before it{drift}."
        if len(axes.spatial) == 3 and found.method.slicewise:
            yield "Volumes were restored plane by plane."

    def _model(self) -> Iterator[str]:
        """Say what was assumed of the blur and of the noise."""
        found = self.found
        psf: PSF | None = getattr(found.task, "psf", None)
        if psf is not None:
            yield f"The blur was described by {self._psf(psf)}."
        if isinstance(found.task, SuperResolve):
            how = {"area": "the mean of finer pixels"}.get(
                found.task.downsampling, f"finer pixels through the filter {found.task.downsampling}"
            )
            yield f"The pixels of the data were modelled as {how}."
        if isinstance(found.task, Deconvolve) and found.task.floor is not None:
            yield f"The restored image was bounded below by the grey level {found.task.floor:g}."
        if isinstance(found.task, Deconvolve) and found.task.chooses_floor:
            if isinstance(found.task.noise, PoissonNoise | PoissonGaussianNoise):
                yield "The restored image was bounded below by the offset of the noise model."
            elif not found.task.noise.known:
                yield (
                    "If the data showed photon noise, the restored image was bounded below by the grey "
                    "level at which that vanishes."
                )
        if isinstance(found.task.noise, StripeNoise):
            lines = "rows and columns" if found.task.noise.lines == "both" else found.task.noise.lines
            yield f"Offsets of {lines} were measured in the data and taken off first."
        if isinstance(found.task.noise, CorrelatedNoise):
            yield "The noise was described as correlated between neighbouring pixels."
        if found.noise_std or found.source.noise_std is not None:
            yield "The standard deviation of the noise was given for each pixel."
        elif found.task.noise.known:
            if not isinstance(found.method, Wiener):
                yield f"The noise was described as {_noise(found.task.noise)}."
        elif found.noise_was_measured:
            measured = sum(frame.measured_noise for frame in found.frames)
            where = "" if measured == len(found.frames) else f"in {measured} of {len(found.frames)} images, "
            yield (
                f"The strength of the noise was not given; {where}it grew with brightness, was measured by a "
                f"photon transfer curve {self.cite('janesick1987')}, and was then used as if it were known."
            )
            if where:
                yield "In the others it was estimated in the course of the run."
        elif not isinstance(found.method, PKN | NonLocalBayes | RichardsonLucy | Wiener):
            yield "The strength of the noise was not given; it was estimated in the course of the run."

    def _psf(self, psf: PSF) -> str:
        kinds: dict[type[PSF], str] = {
            GaussianPSF: "a Gaussian point spread function",
            AiryPSF: "the diffraction pattern of a circular aperture",
            MoffatPSF: "a Moffat profile",
        }
        if psf.measured:
            place = self.found.source.psf
            file = "" if place is None or place.path is None else f" ({file_name(place.path)})"
            return f"a measured point spread function{file}"
        name = kinds[type(psf)]
        width: Any = psf
        text = f"{name} with a full width at half maximum of {width.fwhm:.3g} pixels"
        if width.axial_fwhm is not None:
            text += f" and {width.axial_fwhm:.3g} planes along Z"
        if isinstance(psf, MoffatPSF):
            text += f" and β = {psf.beta:.3g} {self.cite('moffat1969')}"
        return text

    def _pixels(self) -> Iterator[str]:
        """Say which pixels did not count, and what else was used."""
        found = self.found
        source = found.source
        if isinstance(found.task, Inpaint):
            kept = "left as they were measured" if found.task.keep_observed else "denoised"
            yield f"Missing pixels were filled in, and all others were {kept}."
        if source.missing is not None:
            file = "" if source.missing.path is None else f" ({file_name(source.missing.path)})"
            yield f"Missing pixels were marked by a mask{file}."
        if found.saturation_level is not None:
            yield f"Pixels at or above the grey level {found.saturation_level:g} were taken as missing."
        if source.no_data is not None:
            yield f"Pixels of the grey level {source.no_data:g} were taken as missing."
        if source.dq_bits is not None:
            yield "Pixels that the data-quality plane flags were taken as missing."
        if source.guide is not None:
            file = "" if source.guide.path is None else f" ({file_name(source.guide.path)})"
            yield f"Another image of the same scene{file} served as a guide."
        if source.mosaic is not None:
            yield "The image is a colour-filter mosaic, and was restored without demosaicking."


def _noise(noise: NoiseModel) -> str:
    match noise:
        case GaussianNoise():
            return f"Gaussian with a standard deviation of {_levels(noise.sigma)} in all pixels"
        case LaplaceNoise():
            return f"heavy-tailed (Laplace) with a standard deviation of {_levels(noise.sigma)} in all pixels"
        case PoissonNoise() | PoissonGaussianNoise():
            text = f"photon noise with {_levels(noise.gain)} per photon above an offset of {noise.offset:.4g}"
            if isinstance(noise, PoissonGaussianNoise):
                text += f", and read noise of {_levels(noise.read_noise)}"
            return text
    return noise.in_words


def _levels(value: float) -> str:
    return f"{value:.4g} grey level{'' if value == 1 else 's'}"
