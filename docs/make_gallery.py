"""Make the gallery: each method on each task that it can do, on the sample images of the package.

    OMP_NUM_THREADS=1 python docs/make_gallery.py [NAME ...] [--page]

Every run has the default settings and seed 0. The pictures go to docs/gallery, what was measured to
docs/gallery/measured.json, and both into docs/gallery.md, between ``<!-- gallery: NAME -->`` and
``<!-- end -->``. Without names everything is made, which takes about half an hour of one CPU core; with
``--page`` nothing is run, and the page alone is brought up to what was measured.
"""

import argparse
import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter
from skimage.data import chelsea, hubble_deep_field

from napari_dip import (
    DIP,
    PKN,
    Deconvolve,
    Denoise,
    FineTune,
    GaussianPSF,
    Inpaint,
    RichardsonLucy,
    SuperResolve,
    Wiener,
    restore,
)
from napari_dip.plugin import samples

FOLDER = Path(__file__).with_name("gallery")
PAGE = FOLDER.with_suffix(".md")
MEASURED = FOLDER / "measured.json"
MARKED = re.compile(r"(<!-- gallery: (?P<name>[\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
SCALE = 2  # pixels of a picture for one of the image
RED = 200, 60, 50
SPACE = "\N{NO-BREAK SPACE}"

#: What the first and the last picture of an example are called; all others are results.
DATA, TRUTH = "data", "truth"
Results = Iterator[tuple[str, np.ndarray]]


# The examples. The page shows this code, so each one is complete.


def denoise_micrograph() -> Results:
    """A neuron with little light; the noise is the camera's own."""
    (image, *_), *_ = samples.micrograph()
    yield DATA, image
    yield "DIP()", restore(image, Denoise(), DIP()).image
    yield "PKN()", restore(image, Denoise(), PKN()).image
    yield "FineTune()", restore(image, Denoise(), FineTune()).image


def denoise_sky() -> Results:
    """Galaxies with photon noise, read noise, dead pixels (NaN) and cosmic rays (a mask)."""
    (image, *_), (rays, *_) = samples.sky()
    yield DATA, np.where(rays, np.nan, image)
    yield "DIP()", restore(image, Denoise(), DIP(), missing=rays).image
    yield "PKN()", restore(image, Denoise(), PKN(), missing=rays).image
    yield "FineTune()", restore(image, Denoise(), FineTune(), missing=rays).image
    yield TRUTH, 40 + 2 * hubble_deep_field()[300:556, 300:556].mean(axis=2)


def inpaint_photograph() -> Results:
    """A photograph with scratches and stains, and a mask that says where they are."""
    (image, *_), (damage, *_) = samples.photograph()
    yield DATA, image
    yield "DIP()", restore(image, Inpaint(), DIP(), missing=damage).image
    yield TRUTH, chelsea()[20:276, 110:366]


def super_resolve_photograph() -> Results:
    """The undamaged photograph in grey, shrunk to half of its size."""
    truth = Image.fromarray(chelsea()[20:276, 110:366]).convert("L")
    small = truth.resize((128, 128), Image.Resampling.LANCZOS)
    image = np.asarray(small)
    yield DATA, image
    yield "bicubic", np.asarray(small.resize((256, 256), Image.Resampling.BICUBIC))
    yield "DIP()", restore(image, SuperResolve(), DIP()).image
    yield "PKN()", restore(image, SuperResolve(), PKN()).image
    yield "FineTune()", restore(image, SuperResolve(), FineTune()).image
    yield TRUTH, np.asarray(truth)


def deconvolve_sky() -> Results:
    """Galaxies under a blur of 4 pixels, with photon noise."""
    truth = 40 + 2 * hubble_deep_field()[300:540, 300:540].mean(axis=2)
    psf = GaussianPSF(fwhm=4)
    blurred = gaussian_filter(truth, psf.fwhm / 2.355)
    # The border is cut off afterwards: light from beyond it shines into the image.
    inside = (slice(24, 216), slice(24, 216))
    image = np.random.default_rng(0).poisson(blurred)[inside]
    task = Deconvolve(psf=psf)
    yield DATA, image
    yield "RichardsonLucy()", restore(image, task, RichardsonLucy()).image
    yield "Wiener()", restore(image, task, Wiener()).image
    yield "DIP()", restore(image, task, DIP()).image
    yield "PKN()", restore(image, task, PKN()).image
    yield TRUTH, truth[inside]


def guided_photograph() -> Results:
    """A channel with no more than 8 photons in a pixel, and a bright one of the same scene as its guide."""
    _, green, blue = np.moveaxis(chelsea()[20:276, 110:366], 2, 0)
    truth = blue / 32  # photons
    image = np.random.default_rng(0).poisson(truth)
    yield DATA, image
    yield "DIP()", restore(image, Denoise(), DIP()).image
    yield "DIP(), guide", restore(image, Denoise(), DIP(), guide=green).image
    yield TRUTH, truth


def denoise_volume() -> Results:
    """A dividing cell in 3-D; the noise is the microscope's own."""
    (image, *_), *_ = samples.z_stack()
    yield DATA, image
    yield "DIP()", restore(image, Denoise(), DIP(), axes="ZYX").image
    yield "PKN()", restore(image, Denoise(), PKN(), axes="ZYX").image
    yield "FineTune()", restore(image, Denoise(), FineTune(), axes="ZYX").image


def denoise_series() -> Results:
    """Ten frames of nuclei that move into a wound; the noise is the camera's own."""
    (image, *_), *_ = samples.time_series()
    yield DATA, image
    yield "DIP()", restore(image, Denoise(), DIP(), axes="TYX").image
    yield "PKN()", restore(image, Denoise(), PKN(), axes="TYX").image
    yield "FineTune()", restore(image, Denoise(), FineTune(), axes="TYX").image


# What is shown of them.


def crop(row: int, column: int, side: int = 128) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function that cuts a square out of an image."""
    return lambda image: image[row : row + side, column : column + side]


def volume(image: np.ndarray) -> np.ndarray:
    """Return the middle plane of a volume, and below it a cut along z."""
    middle, gap = len(image) // 2, np.full((4, image.shape[2]), np.inf)
    return np.concatenate([image[middle], gap, image[:, image.shape[1] // 2]])


@dataclass(frozen=True)
class Example:
    """An example with its heading, what is shown of its images, and which grey levels are black and white."""

    title: str
    results: Callable[[], Results]
    shown: Callable[[np.ndarray], np.ndarray]
    low: float
    high: float


EXAMPLES = {
    "denoise-micrograph": Example("Denoise a micrograph", denoise_micrograph, crop(60, 60), 1250, 2900),
    "denoise-sky": Example("Denoise the sky", denoise_sky, crop(120, 80), 40, 320),
    "inpaint-photograph": Example("Inpaint a photograph", inpaint_photograph, crop(60, 60), 0, 255),
    "super-resolve-photograph": Example(
        "Super-resolve a photograph", super_resolve_photograph, crop(60, 60), 0, 255
    ),
    "deconvolve-sky": Example("Deconvolve the sky", deconvolve_sky, crop(40, 40), 40, 320),
    "guided-photograph": Example("Denoise with a guide", guided_photograph, crop(60, 60), 0, 8),
    "denoise-volume": Example("Denoise a volume", denoise_volume, volume, 40, 800),
    "denoise-series": Example("Denoise a series", denoise_series, lambda image: image[-1], 420, 1600),
}


def decibels(image: np.ndarray, truth: np.ndarray) -> float:
    """Return the PSNR over the pixels that are not missing; its peak is the range of the truth."""
    error = image.astype(float) - truth
    return float(20 * np.log10(np.ptp(truth)) - 10 * np.log10(np.nanmean(error**2)))


def picture(image: np.ndarray, example: Example) -> Image.Image:
    """Return what is shown of an image, with missing pixels in red."""
    part = example.shown(image).astype(float)
    levels = 255 * (part - example.low) / (example.high - example.low)
    missing = np.isnan(levels)
    levels = np.where(missing, 255, levels.clip(0, 255)).round().astype(np.uint8)
    if missing.any() and levels.ndim == 2:
        levels = np.stack([np.where(missing, value, levels) for value in RED], axis=-1)
    drawn = Image.fromarray(levels)
    return drawn.resize((SCALE * drawn.width, SCALE * drawn.height), Image.Resampling.NEAREST)


# The pictures, the numbers and the page.


def file_of(name: str, label: str) -> str:
    """Return the name of the file for a picture of an example."""
    return f"{name}-{re.sub('[^a-z]+', '-', label.lower()).strip('-')}.png"


def made(name: str) -> dict[str, dict[str, float | None]]:
    """Write the pictures of an example; return the seconds and decibels of each by its label."""
    example = EXAMPLES[name]
    images, seconds = {}, {}
    began = time.process_time()
    for label, image in example.results():
        images[label], seconds[label] = image, round(time.process_time() - began, 2)
        began = time.process_time()
    truth = images.get(TRUTH)
    rows = {}
    for label, image in images.items():
        finer = 1 if truth is None else len(truth) // len(image)
        picture(image.repeat(finer, 0).repeat(finer, 1) if finer > 1 else image, example).save(
            FOLDER / file_of(name, label), optimize=True
        )
        compared = truth is not None and finer == 1 and label != TRUTH
        rows[label] = {
            "decibels": round(decibels(image, truth), 2) if compared else None,
            "seconds": None if label in (DATA, TRUTH) else seconds[label],
        }
    return rows


def cost(row: dict[str, float | None]) -> str:
    """Return the numbers of a picture in words."""
    words = []
    if (value := row["decibels"]) is not None:
        words.append(f"{value:.1f} dB")
    if value := row["seconds"]:
        words.append(f"{value:.0f} s" if value >= 10 else f"{value:.2g} s")
    return ", ".join(words).replace(" dB", f"{SPACE}dB").replace(" s", f"{SPACE}s")


def code(label: str) -> str:
    """Return a label as it stands in a table: what is Python is set as code."""
    return re.sub(r"\w+\(\)", r"`\g<0>`", label)


def line(cells: list[str]) -> str:
    """Return a line of a table in Markdown."""
    return f"| {' | '.join(cells)} |\n"


def table(name: str, rows: dict[str, dict[str, float | None]]) -> str:
    """Return the pictures of an example, with what they are above and their numbers below."""
    text = ""
    labels = list(rows)
    columns = 3 if len(labels) > 5 else max(len(labels), 4)
    for first in range(0, len(labels), columns):
        part = labels[first : first + columns]
        empty = [""] * (columns - len(part))
        text += line([f"**{code(label)}**" for label in part] + empty)
        if first == 0:
            text += line(["---"] * columns)
        text += line([f"![{name}: {label}](gallery/{file_of(name, label)})" for label in part] + empty)
        text += line([cost(rows[label]) for label in part] + empty)
    return text


def summary(measured: dict[str, dict[str, dict[str, float | None]]]) -> str:
    """Return the numbers of all examples: a line for each, and a column for each method that does most."""
    methods = ["DIP()", "PKN()", "FineTune()"]
    text = line(["", DATA, *map(code, methods), "others"]) + line(["---"] * (len(methods) + 3))
    for name, example in EXAMPLES.items():
        rows = measured[name]
        anchor = example.title.lower().replace(" ", "-")
        others = [label for label in rows if label not in (DATA, TRUTH, *methods)]
        beside = "; ".join(f"{code(label)} {cost(rows[label])}" for label in others)
        cells = [cost(rows[label]) if label in rows else "" for label in (DATA, *methods)]
        text += line([f"[{example.title}](#{anchor})", *cells, beside])
    return text


def main() -> None:
    """Make the examples that are asked for, and bring the page up to them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(EXAMPLES)}")
    parser.add_argument("--page", action="store_true", help="run nothing")
    arguments = parser.parse_args()
    names = arguments.names
    if unknown := [name for name in names if name not in EXAMPLES]:
        parser.error(f"there is no example {', '.join(unknown)}: choose among {', '.join(EXAMPLES)}")
    torch.set_num_threads(1)
    FOLDER.mkdir(exist_ok=True)
    measured = json.loads(MEASURED.read_text()) if MEASURED.exists() else {}
    for name in () if arguments.page else names or EXAMPLES:
        measured[name] = made(name)
        MEASURED.write_text(json.dumps(measured, indent=1) + "\n")

    def replacement(found: re.Match[str]) -> str:
        name = found["name"]
        text = summary(measured) if name == "summary" else table(name, measured[name])
        return f"{found[1]}\n{text}\n{found[3]}"

    PAGE.write_text(MARKED.sub(replacement, PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
