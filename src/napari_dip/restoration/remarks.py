"""What is suspect in the data of a run, and what to do about it, in sentences."""

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from napari_dip.noise.defects import dead_pixels
from napari_dip.noise.lines import odd_lines
from napari_dip.noise.models import PoissonGaussianNoise, PoissonNoise
from napari_dip.restoration.floor import SOME_BELOW, share_below

if TYPE_CHECKING:
    from napari_dip.restoration.frame import Frame

#: Largest integer up to which float64 holds all of them.
_EXACT = 2**53
#: Mean number of photons per pixel that is too few, and number of photons that tell a patch from its
#: surroundings if it is half as bright again (three standard errors).
_FEW, _TELLING = 0.1, 36
#: Side of the part of an image that is looked at, in pixels, and lines that are named one by one.
_SIDE, _NAMED = 1024, 5


class SuspectDataWarning(UserWarning):
    """Something in the data may spoil the result. The message says what, and what to do."""


def remarks(frame: "Frame") -> Iterator[str]:
    """Yield sentences about what is suspect in a frame.

    Parameters
    ----------
    frame : Frame
        A frame with at least one channel that can be restored.
    """
    if rounded := _rounded(frame):
        yield rounded
    if below := _below_offset(frame):
        yield below
    elif few := _few_photons(frame):
        yield few
    for channel in frame.channels:
        name = f"Channel {channel}: " if len(frame.values) > 1 else ""
        for sentence in _defects(*frame.middle_plane(channel, _SIDE), taken_off=bool(frame.stripes)):
            yield name + sentence


def _rounded(frame: "Frame") -> str | None:
    if frame.values.dtype.kind not in "iu":
        return None
    largest = max(abs(int(end)) for end in (frame.values.min(), frame.values.max()))
    if largest <= _EXACT:
        return None
    step = int(np.spacing(np.nextafter(float(largest), 0)))
    return (
        f"The grey levels reach {largest}, but a result in float64 holds all integers up to 2**53 only. "
        f"They are rounded to multiples of {step}. Subtract an offset to keep them."
    )


def _below_offset(frame: "Frame") -> str | None:
    problem = frame.problem
    noise = problem.noise
    if not isinstance(noise, PoissonNoise | PoissonGaussianNoise):
        return None
    spread = noise.read_noise if isinstance(noise, PoissonGaussianNoise) else 0.0
    share = share_below(problem, noise.offset, spread)
    if share <= SOME_BELOW:
        return None
    offset = problem.units.to_grey_level(noise.offset)
    far = " by more than the read noise explains" if isinstance(noise, PoissonGaussianNoise) else ""
    return (
        f"{share:.0%} of the pixels lie below the offset {offset:.4g}{far}, where no photon count can be. "
        "If a background was subtracted, restore the image as it was before, or give a lower offset; "
        "otherwise choose Gaussian noise."
    )


def _few_photons(frame: "Frame") -> str | None:
    problem = frame.problem
    noise = problem.noise
    if not isinstance(noise, PoissonNoise | PoissonGaussianNoise):
        return None
    seen = (problem.weights > 0).expand_as(problem.data)
    photons = (float(problem.data[seen].double().mean()) - noise.offset) / noise.gain
    if photons > _FEW:
        return None
    read = noise.read_noise / noise.gain if isinstance(noise, PoissonGaussianNoise) else 0.0
    light = max(photons, _FEW / 100)
    side = math.ceil(math.sqrt(_TELLING * (light + read**2)) / light)
    return (
        f"A pixel receives {light:.2g} photons on average. The mean brightness is kept, but a patch that is "
        f"half as bright again as its surroundings can be told from noise only if it is at least {side} "
        "pixels wide: finer and weaker structure is lost. Expose longer, or add up frames or neighbouring "
        "pixels."
    )


def _defects(
    image: np.ndarray, seen: np.ndarray, corner: tuple[int, int], *, taken_off: bool
) -> Iterator[str]:
    if dead := dead_pixels(image, seen):
        yield (
            f"{dead} pixel{'s are' if dead > 1 else ' is'} 0, far below the surroundings. Mark dead pixels "
            "as missing, in a mask or by NaN; otherwise they are taken for structure."
        )
    if not seen.all():
        return
    for axis, (one, several) in enumerate((("row", "rows"), ("column", "columns"))):
        found = odd_lines(image, axis)
        if found is None:
            continue
        if found.striped:
            if not taken_off:
                yield (
                    f"The image is striped: its {several} have offsets of about {found.step:.3g} grey "
                    "levels. With this noise model, stripes are taken for structure: choose stripe noise, or "
                    "remove them first, for example by a flat-field correction."
                )
            continue
        numbers = [corner[axis] + number for number in found.numbers]
        lines = f"{one} {numbers[0]} differs" if len(numbers) == 1 else f"{several} {_listed(numbers)} differ"
        yield (
            f"{lines[0].upper()}{lines[1:]} from the neighbouring {several} by about {found.step:.3g} grey "
            "levels over the whole length. Mark defective lines of the detector as missing (the first "
            f"{one} has the number 0); otherwise they are taken for structure."
        )


def _listed(numbers: Sequence[int]) -> str:
    more = f" and {len(numbers) - _NAMED} more" if len(numbers) > _NAMED else ""
    return ", ".join(map(str, numbers[:_NAMED])) + more
