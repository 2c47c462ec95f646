"""Small runs with everything that a recipe has to repeat."""

import json
from dataclasses import dataclass, replace

import numpy as np

from napari_dip import (
    DIP,
    PRESETS,
    AiryPSF,
    Deconvolve,
    Denoise,
    GaussianNoise,
    GaussianPSF,
    Inpaint,
    MaxIterations,
    MeasuredPSF,
    MoffatPSF,
    Outcome,
    PoissonGaussianNoise,
    PoissonNoise,
    Recipe,
    RichardsonLucy,
    SuperResolve,
    Wiener,
    restore,
)
from napari_dip.io import ImageFile, write
from napari_dip.optim.stopping import StoppingRule
from napari_dip.psf.arrays import resampled


@dataclass(frozen=True)
class AsByTheClock(StoppingRule):
    """Ends a run as a time limit does, after a number of iterations."""

    iterations: int

    def start(self):
        return lambda iterate: Outcome.TIME_LIMIT if iterate.index >= self.iterations else None


SHORT = DIP(ensemble_size=1, iterations=3, input_channels=2, precision="float32")
SNAIL = replace(PRESETS["snail"], iterations=2, input_noise_std=0.0)
PLANE = ((4, 22), (2, 26))

MEASURED = Deconvolve(psf=MeasuredPSF(), floor=-2.5)

#: Name, shape, task, method, region, mask, and other arguments. In their place, "guide" holds the shape of a
#: guide for the whole image, and "psf" the ratio of the pixel sizes of a measured PSF and the image.
RUNS = [
    ("plain", (24, 28), Denoise(), SHORT, None, None, {"seed": 3}),
    ("label", (24, 28), Denoise(), SHORT, None, 2, {}),
    ("mask", (24, 28), Inpaint(), SHORT, None, "any", {}),
    ("saturation_level", (24, 28), Denoise(), SHORT, None, None, {"saturation_level": 200.5}),
    ("region", (24, 28), Denoise(), SHORT, PLANE, 2, {}),
    ("region of a series", (3, 24, 28), Denoise(), SHORT, ((1, 3), *PLANE), 2, {"axes": "TYX"}),
    ("noise", (24, 28), Denoise(PoissonGaussianNoise(2.5, -10.0, 3.0)), SHORT, None, None, {}),
    ("usual noise", (24, 28), Denoise(PoissonNoise()), SHORT, None, None, {}),
    (
        "not kept",
        (24, 28),
        Inpaint(GaussianNoise(20.0), keep_observed=False),
        SHORT,
        None,
        "any",
        {"saturation_level": 250.0},
    ),
    ("preset", (24, 28), Denoise(), SNAIL, None, None, {}),
    ("separate channels", (2, 24, 28), Denoise(), SHORT, None, None, {"axes": "CYX", "channels": "separate"}),
    ("colour", (24, 28, 3), Denoise(), SHORT, None, 1, {}),
    ("region of colour", (24, 28, 3), Denoise(), SHORT, (*PLANE, (0, 3)), 1, {}),
    (
        "stopped",
        (24, 28),
        Denoise(),
        replace(SHORT, ensemble_size=2, iterations=20),
        None,
        None,
        {"stopping_rule": MaxIterations(27)},
    ),
    (
        "time limit",
        (24, 28),
        Denoise(),
        replace(SHORT, time_limit=1e6, iterations=90, stopping="max-iterations"),
        None,
        None,
        {"stopping_rule": AsByTheClock(5)},
    ),
    ("finer", (24, 28), SuperResolve(factor=3, downsampling="area"), SHORT, None, 2, {}),
    ("finer region", (24, 28), SuperResolve(), SHORT, PLANE, None, {"guide": (48, 56)}),
    ("finer planes", (5, 24, 28), SuperResolve(along="lateral"), SHORT, None, None, {"axes": "ZYX"}),
    (
        "guided series",
        (3, 24, 28),
        SuperResolve(),
        replace(SHORT, input="guide"),
        ((1, 3), *PLANE),
        None,
        {"axes": "TYX", "guide": (48, 56), "series": "independent"},
    ),
    (
        "each guided",
        (3, 24, 28),
        Denoise(),
        SHORT,
        ((1, 3), *PLANE),
        None,
        {"axes": "TYX", "guide": (3, 24, 28), "series": "drift"},
    ),
    ("coarse and blurred", (24, 28), SuperResolve(psf=MoffatPSF(1.5)), SHORT, PLANE, None, {}),
    ("usual blur", (24, 28), Deconvolve(), SHORT, None, None, {}),
    ("blur", (24, 28), Deconvolve(PoissonNoise(2.0), MoffatPSF(1.5, beta=4.0)), SHORT, PLANE, 2, {}),
    ("measured", (24, 28), MEASURED, SHORT, None, None, {"psf": None}),
    ("resampled", (24, 28), MEASURED, RichardsonLucy(3), PLANE, None, {"psf": (0.5, 0.5)}),
    ("Wiener", (24, 28), Deconvolve(psf=AiryPSF(1.5)), Wiener(balance=0.25), None, None, {}),
]


def pixels(**sizes):
    return {axis: (size, "µm") for axis, size in sizes.items()}


def performed(case, random):
    """Return the pictures of a run (image, mask or labels, guide, PSF), its result and its recipe."""
    _, shape, task, method, roi, missing, options = case
    image = random.integers(0, 256, shape).astype(np.uint8)
    labels = random.integers(0, 4, (24, 28)).astype(np.uint8)
    at = tuple(slice(*ends) for ends in roi or [(0, n) for n in shape])
    plane = at[-2:] if shape[-1] != 3 else at[:2]
    pictures, beside, options = {"image": ImageFile(image, None, pixels(Y=0.2, X=0.2))}, {}, dict(options)
    origin = {"layer": "cells", "path": None, "roi": roi, "missing": None}
    if missing is not None:
        beside["missing"] = (labels > 0 if missing == "any" else labels == missing)[plane]
        pictures["missing"] = ImageFile(labels)
        origin["missing"] = {"layer": "holes", "label": None if missing == "any" else missing}
    if "guide" in options:
        guide = random.random(options.pop("guide"))
        times = guide.shape[-1] // 28
        finer = tuple(slice(ends.start * times, ends.stop * times) for ends in plane)
        beside["guide"] = guide[(*at[: guide.ndim - 2], *finer)]
        pictures["guide"] = ImageFile(guide)
        origin["guide"] = {"layer": "flash", "path": None}
    if "psf" in options:
        ratio, psf = options.pop("psf"), GaussianPSF(3.0).kernel(2).astype(np.float32)
        beside["psf"] = psf if ratio is None else resampled(psf, ratio)
        sizes = {} if ratio is None else pixels(Y=0.2 * ratio[0], X=0.2 * ratio[1])
        pictures["psf"] = ImageFile(psf, None, sizes)
        origin["psf"] = {"layer": "bead", "path": None, "ratio": ratio}
    result = restore(image[at], task, method, device="cpu", **beside, **options)
    record = json.loads(json.dumps({**result.provenance, "source": origin}))
    return pictures, result, Recipe.of(record)


def written(pictures, recipe, folder):
    """Write the pictures of a run to files, and return their paths."""
    paths = {name: folder / f"the {name}.tif" for name in pictures}
    for name, picture in pictures.items():
        axes = recipe.axes if name == "image" else "TYX"[-picture.data.ndim :]
        write(paths[name], picture.data, picture, axes=axes, provenance={}, keep_dtype=True)
    return paths


def executed(script, **names):
    """Run a script and return the image that it restores."""
    exec(compile(script, "script", "exec"), names)
    return names["restored"].image
