"""Make the pictures of the documentation, each from a real run on images that come with the program.

    python docs/make_pictures.py [NAME ...] [--iterations N] [--folder FOLDER]

By default all are made, with the default settings. A few iterations make a quick trial, not a picture to
keep.
"""

import argparse
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from radon import Radon
from scipy.ndimage import gaussian_filter, median_filter
from skimage import data
from skimage.color import hsv2rgb
from skimage.filters import threshold_local
from skimage.restoration import inpaint_biharmonic
from skimage.transform import iradon, radon, resize

import napari_dip.cli.demo
from napari_dip import (
    DIP,
    PKN,
    Deconvolve,
    Denoise,
    FineTune,
    GaussianNoise,
    GaussianPSF,
    Inpaint,
    LaplaceNoise,
    PoissonNoise,
    RichardsonLucy,
    SuperResolve,
    Task,
    restore,
    solve,
)
from napari_dip.cli.reporter import Reporter
from napari_dip.image.grid import Grid
from napari_dip.operators import Operator
from napari_dip.restoration.api import residual

SIDE, NARROW = 256, 216  # of a drawn panel, and of one among four, in pixels
GAP, LINE = 8, 18  # between panels, and from one line of words to the next
INK, ACCENT = (40, 40, 40), (20, 90, 170)
KEPT, LOST = (86, 180, 233), (240, 160, 0)
FONT = ImageFont.load_default(13)


# Pictures out of panels


def panel(image: np.ndarray, *words: str, low: float = 0, high: float = 255, side: int = SIDE) -> Image.Image:
    """Return grey levels as a square picture with words under it, one line each."""
    unit = (np.asarray(image, float) - low) / (high - low)
    levels = (255 * unit.clip(0, 1)).round().astype(np.uint8)
    square = Image.fromarray(levels).convert("RGB").resize((side, side), Image.Resampling.NEAREST)
    whole = Image.new("RGB", (side, side + LINE * len(words) + 4), "white")
    whole.paste(square)
    draw = ImageDraw.Draw(whole)
    for line, text in enumerate(words):
        draw.text((side / 2, side + 3 + LINE * line), text, INK, FONT, anchor="ma")
    return whole


def row(panels: Sequence[Image.Image]) -> Image.Image:
    """Return pictures side by side."""
    width = sum(one.width + GAP for one in panels) - GAP
    whole = Image.new("RGB", (width, max(one.height for one in panels)), "white")
    left = 0
    for one in panels:
        whole.paste(one, (left, 0))
        left += one.width + GAP
    return whole


def decibels(image: np.ndarray, truth: np.ndarray, peak: float = 255) -> str:
    """Return the peak signal-to-noise ratio in words."""
    error = np.mean((np.clip(image, 0, peak).astype(float) - truth) ** 2)
    return f"{10 * np.log10(peak**2 / error):.1f} dB"


@dataclass(frozen=True)
class Curve:
    """A line of a plot: its name, and its points."""

    name: str
    x: list[int]
    y: list[float]


def plot(curve: Curve, mark: int, *, width: int = 640, height: int = 190) -> Image.Image:
    """Return a curve over iterations, with a vertical line at the answer."""
    fine = 3  # drawn larger, then shrunk: smooth lines
    left, right, top, bottom = 58, 12, 24, 24
    x, y = np.array(curve.x, float), np.array(curve.y)
    # The first iterations are far off, and would flatten all others.
    seen = y[len(y) // 10 :]
    low, high = seen.min(), seen.max()
    margin = 0.06 * (high - low) or 1.0
    low, high = low - margin, high + margin

    def place(at: float, value: float) -> tuple[float, float]:
        across = left + (width - left - right) * at / x.max()
        return across, top + (height - top - bottom) * (high - value) / (high - low)

    drawn = Image.new("RGB", (fine * width, fine * height), "white")
    lines = ImageDraw.Draw(drawn)
    frame = [fine * n for n in (left, top, width - right, height - bottom)]
    points = [tuple(fine * n for n in place(*point)) for point in zip(x, y, strict=True)]
    lines.line(points, ACCENT, 2 * fine, joint="curve")
    across = fine * place(mark, 0)[0]
    lines.line([(across, frame[1]), (across, frame[3])], (200, 90, 30), fine)
    for box in ((0, 0, drawn.width, frame[1]), (0, frame[3], drawn.width, drawn.height)):
        lines.rectangle(box, "white")  # what lies outside the range
    lines.rectangle(frame, outline=(170, 170, 170), width=fine)
    whole = drawn.resize((width, height), Image.Resampling.LANCZOS)
    words = ImageDraw.Draw(whole)
    words.text((left, 4), curve.name, INK, FONT)
    for value in np.linspace(low + margin, high - margin, 3):
        words.text((left - 6, place(0, value)[1]), f"{value:.2f}", INK, FONT, anchor="rm")
    for at in np.linspace(0, x.max(), 4):
        words.text((place(at, 0)[0], height - bottom + 5), f"{at:.0f}", INK, FONT, anchor="ma")
    return whole


# One function for each picture; each is given the settings of the method.


def demo(method: DIP) -> Image.Image:
    """Return the README's picture, from the demonstration: before, after and residual."""
    settings = napari_dip.cli.demo.SETTINGS
    if method.iterations != DIP().iterations:
        napari_dip.cli.demo.SETTINGS = replace(settings, iterations=method.iterations)
    with tempfile.TemporaryDirectory() as folder, Reporter() as reporter:
        reporter.say(napari_dip.cli.demo.run(Path(folder), reporter))
        names = ("before", "after", "residual")
        return row([Image.open(Path(folder) / f"{name}.png").convert("RGB") for name in names])


def denoising(method: DIP) -> Image.Image:
    """Return a micrograph with hot pixels, before and after."""
    truth = _tissue(SIDE)
    random = np.random.default_rng(0)
    image = truth + random.normal(0, 10, truth.shape)
    hot = random.random(truth.shape) < 0.04
    image[hot] += random.uniform(80, 255, hot.sum())
    median = median_filter(image, 3)
    ours = restore(image, Denoise(LaplaceNoise(sigma=15)), method).image
    return row(
        [
            panel(image, "noise and 4 % hot pixels", decibels(image, truth)),
            panel(median, "median of 3 x 3 pixels", decibels(median, truth)),
            panel(ours, "Denoise(Laplace(15)), DIP()", decibels(ours, truth)),
        ]
    )


def inpainting(method: DIP) -> Image.Image:
    """Return a photograph under a printed page, filled in."""
    truth = data.coffee()[60:251, 180:436].astype(float)
    page = data.page()[:, :256]
    missing = page < threshold_local(page, 35, offset=15)
    truth, missing = truth[:, 32:223], missing[:, 32:223]
    image = np.where(missing[..., None], 255, truth)
    smooth = 255 * inpaint_biharmonic(image / 255, missing, channel_axis=-1)
    ours = restore(image, Inpaint(), method, missing=missing).image

    def inside(x: np.ndarray) -> str:
        return decibels(x[missing], truth[missing])

    return row(
        [
            panel(image, f"{100 * missing.mean():.0f} % of the pixels missing"),
            panel(smooth, "biharmonic", f"{inside(smooth)} on these pixels"),
            panel(ours, "Inpaint(), DIP()", f"{inside(ours)} on these pixels"),
        ]
    )


def super_resolution(method: DIP) -> Image.Image:
    """Return a small photograph, and finer pixels in three ways."""
    truth = data.astronaut()[:256, 100:356]
    picture = Image.fromarray(truth)
    low = picture.resize((64, 64), Image.Resampling.LANCZOS)
    bicubic = np.asarray(low.resize(picture.size, Image.Resampling.BICUBIC))
    ours = restore(np.asarray(low), SuperResolve(factor=4), method).image
    return row(
        [
            panel(np.asarray(low), "64 x 64 pixels"),
            panel(bicubic, "bicubic", decibels(bicubic, truth)),
            panel(ours, "SuperResolve(factor=4), DIP()", decibels(ours, truth)),
            panel(truth, "truth"),
        ]
    )


def deconvolution(method: DIP) -> Image.Image:
    """Return a blurred micrograph with few photons, and what two methods make of it."""
    peak = 100  # photons
    whole = peak / 255 * data.immunohistochemistry().mean(axis=2)
    part = (slice(128, 320), slice(128, 320))
    truth = whole[part]
    # Blurred before it is cut out: what lies beyond the border shines in, as it does in a microscope.
    blurred = gaussian_filter(whole, 2, truncate=6)[part]
    image = np.random.default_rng(0).poisson(blurred).astype(np.float32)
    task = Deconvolve(PoissonNoise(), GaussianPSF(fwhm=4.7), floor=0.0)
    lucy = restore(image, task, RichardsonLucy()).image
    ours = restore(image, task, method).image
    drawn = partial(panel, low=truth.min(), high=truth.max())
    return row(
        [
            drawn(image, "blur of 4.7 px, 100 photons", decibels(image, truth, peak)),
            drawn(lucy, "RichardsonLucy()", decibels(lucy, truth, peak)),
            drawn(ours, "DIP()", decibels(ours, truth, peak)),
            drawn(truth, "truth"),
        ]
    )


def guided(method: DIP) -> Image.Image:
    """Return a dim channel restored alone, and with a bright one as its guide."""
    peak = 8  # photons
    bright = _tissue(192)
    truth = peak * (0.15 + 0.85 * np.sqrt(1 - bright / 255))  # the same structures, inverted and curved
    image = np.random.default_rng(0).poisson(truth).astype(np.float32)
    task = Denoise(PoissonNoise())
    alone = restore(image, task, method).image
    ours = restore(image, task, method, guide=bright).image
    drawn = partial(panel, low=0, high=truth.max())
    return row(
        [
            drawn(image, "dim channel, 8 photons", decibels(image, truth, peak)),
            panel(bright, "guide: a bright channel"),
            drawn(alone, "alone", decibels(alone, truth, peak)),
            drawn(ours, "guided", decibels(ours, truth, peak)),
        ]
    )


def series(method: DIP) -> Image.Image:
    """Return the last frame of a series that drifts, and what three ways from frame to frame make of it."""
    size, frames = 128, 4
    whole = data.immunohistochemistry().mean(axis=2)
    places = [(200 + 3 * frame, 180 - 2 * frame) for frame in range(frames)]
    truth = np.stack([whole[y : y + size, x : x + size] for y, x in places])
    images = truth + np.random.default_rng(0).normal(0, 25, truth.shape)
    panels = [panel(images[-1], "drift of 3.6 pixels a frame", decibels(images, truth))]
    for way in ("independent", "warm_start", "drift"):
        result = restore(images, Denoise(), method, axes="TYX", series=way)
        seconds = sum(frame.seconds for frame in result.frames)
        words = f"{decibels(result.image, truth)}, {seconds:.0f} s for {frames} frames"
        panels.append(panel(result.image[-1], f'series="{way}"', words))
    return row(panels)


@dataclass(frozen=True)
class Tomography(Task):
    """Reconstruct a slice from its projections: see adding-an-operator.md."""

    angles: tuple[float, ...] = ()

    def operator(self, shape: tuple[int, ...], psf: np.ndarray | None = None) -> Operator:
        """Return the sums along rays."""
        return Radon(self.angles)

    def grid(self, shape: tuple[int, ...]) -> Grid:
        """Return the grid of the slice."""
        return Grid.of_data((shape[0], shape[0]))


def tomography(method: DIP) -> Image.Image:
    """Return a sinogram of 30 angles, its filtered back-projection, and the slice that `restore` gives."""
    truth = resize(data.shepp_logan_phantom(), (128, 128), anti_aliasing=True)
    angles = np.arange(0, 180, 6)
    sinogram = radon(truth, angles)
    sinogram += np.random.default_rng(0).normal(0, 0.4, sinogram.shape)
    back = iradon(sinogram, angles)
    ours = restore(sinogram, Tomography(angles=tuple(angles.tolist())), method).image
    drawn = partial(panel, low=0, high=0.6)
    return row(
        [
            panel(sinogram, f"sinogram of {len(angles)} angles", low=0, high=sinogram.max()),
            drawn(back, "filtered back-projection", decibels(back, truth, 1)),
            drawn(ours, "Tomography(angles), DIP()", decibels(ours, truth, 1)),
            drawn(truth, "truth"),
        ]
    )


def stopping(method: DIP) -> Image.Image:
    """Return how error on held-out pixels and true error go on, long after the answer."""
    truth = data.astronaut()[:192, 128:320].astype(float)
    image = truth + np.random.default_rng(0).normal(0, 25, truth.shape)
    at, held_out, true = [], [], []
    longer = replace(method, iterations=min(method.iterations, 1500), patience=method.iterations)
    for iterate in solve(image, Denoise(), longer):
        if iterate.outcome is None and iterate.score is not None and iterate.index % 5 == 0:
            at.append(iterate.index)
            held_out.append(iterate.score)
            error = np.mean((iterate.x.numpy().astype(float) - truth) ** 2)
            true.append(float(10 * np.log10(255**2 / error)))
    curves = (
        Curve("error on held-out pixels, in nats per pixel: lower is better", at, held_out),
        Curve("PSNR against the truth, in dB: higher is better", at, true),
    )
    plots = [plot(curve, iterate.index) for curve in curves]
    whole = Image.new("RGB", (plots[0].width, sum(one.height for one in plots) + LINE), "white")
    for number, one in enumerate(plots):
        whole.paste(one, (0, number * one.height))
    words = f"iterations; the vertical line is the answer, after {iterate.index}"
    ImageDraw.Draw(whole).text((whole.width / 2, whole.height - LINE), words, INK, FONT, anchor="ma")
    return whole


def kernel_networks(method: DIP) -> Image.Image:
    """Return noisy data, what a filter made of them in a second, and the maps of its parameters."""
    truth = _tissue(SIDE)
    noisy = truth + np.random.default_rng(0).normal(0, 20, truth.shape)
    single = restore(noisy, Denoise(), PKN(predictor="constant")).image
    found = restore(noisy, Denoise(), PKN(), return_maps=True)
    width, a, b = (found.parameter_maps[name].values for name in ("width", "a", "b"))
    stretch = np.hypot(a, b)
    # a and b turn twice while an edge turns once: so does the hue.
    hue = (np.arctan2(b, a) / (2 * np.pi)) % 1
    coloured = hsv2rgb(np.stack([hue, np.ones_like(hue), (stretch / 1.5).clip(0, 1)], -1))
    shown = np.log(width / 0.4) / np.log(4 / 0.4)
    return row(
        [
            panel(noisy, "data", decibels(noisy, truth)),
            panel(single, "one setting for all pixels", decibels(single, truth)),
            panel(found.image, "a setting for each pixel", decibels(found.image, truth)),
            panel(255 * shown, "width of the filter", "from 0.4 pixels (black) to 4"),
            panel(255 * coloured, "its stretch", "hue: direction, brightness: how much"),
        ]
    )


def fine_tuning(method: DIP) -> Image.Image:
    """Return data that are softer than a network expects, what it makes of them, and what was corrected."""
    truth = _tissue(SIDE)
    task = SuperResolve(factor=2, downsampling="bicubic", psf=GaussianPSF(fwhm=1.9))
    operator = task.operator((SIDE // 2,) * 2)
    beyond = (operator.grid((SIDE // 2,) * 2).shape[0] - SIDE) // 2
    wide = torch.from_numpy(np.pad(truth, beyond, mode="reflect")).float()[None, None]
    data = operator(wide)[0, 0].numpy().round()
    found = restore(data, task, FineTune())
    before, after = (residual(data, x, task) for x in (found.network_output, found.image))
    limits = {"low": -12, "high": 12}
    return row(
        [
            panel(data, "data", "coarse, and blurred before"),
            panel(found.network_output, "output of the network", decibels(found.network_output, truth)),
            panel(before, "what it contradicts of the data", f"rms {before.std():.1f} grey levels", **limits),
            panel(found.image, "back-projected and fine-tuned", decibels(found.image, truth)),
            panel(after, "what is left", f"rms {after.std():.1f} grey levels", **limits),
        ]
    )


def faint_stars(method: DIP) -> Image.Image:
    """Return stars that are brighter from column to column, what is left of them, and its standard error."""
    size, sigma, background, columns = NARROW // 2, 10.0, 100.0, (3, 4, 5, 6, 8, 12)
    random = np.random.default_rng(0)
    apart = size / len(columns)
    rows, across = np.mgrid[:size, :size]
    truth = np.full((size, size), background)
    stars = []
    for column, ratio in enumerate(columns):
        for line in range(len(columns)):
            y, x = apart * (np.array([line, column]) + 0.5) + random.uniform(-3, 3, 2)
            star = np.exp(-((rows - y) ** 2 + (across - x) ** 2) / (2 * 1.4**2))
            star *= ratio * sigma / np.linalg.norm(star)  # a matched filter finds it with this ratio
            truth += star
            stars.append((y, x, star))
    image = truth + random.normal(0, sigma, truth.shape)
    found = restore(image, Denoise(GaussianNoise(sigma)), PKN(), uncertainty=True)
    assert found.uncertainty is not None
    drawn = partial(panel, low=background - 1.5 * sigma, high=background + 4.5 * sigma, side=NARROW)
    error = found.uncertainty.standard_error
    panels = [
        drawn(truth, "truth"),
        drawn(image, "data"),
        drawn(found.image, "restored by PKN()"),
        panel(error, "standard error (white: 3 x noise)", low=0, high=3 * sigma, side=NARROW),
    ]
    for y, x, star in stars:
        flux = np.vdot(found.image - background, star) / np.vdot(star, star)
        _mark(panels[0], x, y, lost=flux < 0.5)
    draw = ImageDraw.Draw(whole := _headed(row(panels)))
    for number in range(len(panels)):
        for column, ratio in enumerate(columns):
            at = number * (NARROW + GAP) + 2 * apart * (column + 0.5)
            draw.text((at, 1), str(ratio), INK, FONT, anchor="ma")
    return whole


def _mark(drawn: Image.Image, x: float, y: float, *, lost: bool) -> None:
    """Draw a ring around a star that a restored image shows, and a square around one that it has lost."""
    x, y = 2 * x + 1, 2 * y + 1
    box = (x - 10, y - 10, x + 10, y + 10)
    draw = ImageDraw.Draw(drawn)
    if lost:
        draw.rectangle(box, outline=LOST, width=2)
    else:
        draw.ellipse(box, outline=KEPT, width=2)


def _headed(drawn: Image.Image) -> Image.Image:
    """Return a picture with room for a line of words above it."""
    whole = Image.new("RGB", (drawn.width, drawn.height + LINE), "white")
    whole.paste(drawn, (0, LINE))
    return whole


def lost_texture(method: DIP) -> Image.Image:
    """Return a cell whose grain is weaker than the noise, and what is left of it."""
    size, sigma = NARROW // 2, 10.0
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[:size, :size]

    def disc(y: float, x: float, radius: float) -> np.ndarray:
        return 1 / (1 + np.exp(np.hypot(rows - y, columns - x) - radius))

    grain = gaussian_filter(random.normal(size=(size, size)), 0.8)
    body, nucleus = disc(54, 54, 42), disc(46, 62, 15)
    truth = 60 + 80 * body + 50 * nucleus + 0.6 * sigma * grain / grain.std() * body * (1 - nucleus)
    image = truth + random.normal(0, sigma, truth.shape)
    ours = restore(image, Denoise(GaussianNoise(sigma)), method)
    drawn = partial(panel, low=truth.min() - sigma, high=truth.max() + sigma, side=NARROW)
    limits = {"low": -3 * sigma, "high": 3 * sigma, "side": NARROW}
    return row(
        [
            drawn(truth, "truth"),
            drawn(image, "data"),
            drawn(ours.image, "restored by DIP()"),
            panel(image - ours.image, "residual", **limits),
        ]
    )


def _tissue(size: int) -> np.ndarray:
    """Return a stained tissue section in grey."""
    return data.immunohistochemistry()[128 : 128 + size, 128 : 128 + size].mean(axis=2)


PICTURES: dict[str, Callable[[DIP], Image.Image]] = {
    "demo": demo,
    "denoising": denoising,
    "inpainting": inpainting,
    "super-resolution": super_resolution,
    "deconvolution": deconvolution,
    "guided": guided,
    "series": series,
    "tomography": tomography,
    "stopping": stopping,
    "kernel-networks": kernel_networks,
    "fine-tuning": fine_tuning,
    "faint-stars": faint_stars,
    "lost-texture": lost_texture,
}


def main() -> None:
    """Make the pictures that are asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(PICTURES)}")
    parser.add_argument("--iterations", type=int, help="maximum number of iterations of each network")
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent / "images")
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.names if name not in PICTURES]:
        parser.error(f"there is no picture {', '.join(unknown)}: choose among {', '.join(PICTURES)}")
    method = DIP() if arguments.iterations is None else DIP(iterations=arguments.iterations)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for name in arguments.names or PICTURES:
        PICTURES[name](method).save(arguments.folder / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
