"""Deep Image Prior on every task, beside the yardsticks of the field on the same crops.

    python benchmarks/tasks.py DATA [ROW ...] [--output FILE.json] [--seed N]

DATA is a folder of test images with known truth (`benchmarks/README.md` names its files). Each row is printed
and written as soon as it is known; rows that the file has are not measured again. ROW is how the names
of the rows to measure begin; by default all are. The truth is used for the scores alone.
"""

import argparse
import json
import resource
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from common import centre, gray, load, matched, measure, psnr
from skimage import restoration

from napari_dip import (
    DIP,
    PRESETS,
    Deconvolve,
    Denoise,
    GaussianNoise,
    GaussianPSF,
    Inpaint,
    LaplaceNoise,
    Measurement,
    PoissonNoise,
    SuperResolve,
    estimate_noise,
    solve,
)

SIDE = 256  # of a crop, in pixels
SEED = 0


def follow(image: np.ndarray, score: Callable[[np.ndarray], float], **options: object) -> dict:
    """Restore an image; return the score of the answer and of the best on the way to it, and the cost.

    The gap is that of the fit, whose own answer is yielded, and repeated, before filters change it.
    """
    best, best_at, scoring, iterations = -np.inf, 0, 0.0, 0
    began = time.process_time()
    fitted = iterate = None
    known = {name: options.pop(name) for name in ("missing", "guide", "psf") if name in options}
    measurement = Measurement(image, **known)
    for following in solve(measurement, method=options.pop("method", DIP()), seed=SEED, **options):
        if following.preparing:
            continue
        if iterate is None or following.index != iterate.index:
            fitted = following
        iterate = following
        paused = time.process_time()
        if iterate is fitted and iterate.index % 5 == 0 and iterate.outcome is None:
            at = score(iterate.x.numpy())
            if at > best:
                best, best_at = at, iterate.index
        iterations = max(iterations, iterate.index)
        scoring += time.process_time() - paused
    seconds = time.process_time() - began - scoring
    follow.answer = iterate.x.numpy()
    fit = score(fitted.x.numpy())
    return {
        "ours": round(score(follow.answer), 2),
        "fit": round(fit, 2),
        "oracle": round(max(best, fit), 2),
        "gap": round(max(best, fit) - fit, 2),
        "chosen_at": iterate.index,
        "oracle_at": best_at,
        "iterations": iterations,
        "seconds": round(seconds, 1),
        "outcome": iterate.outcome.name,
        "criterion": None if iterate.criterion is None else iterate.criterion.name,
        "peak_GiB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
    }


def rounded(**scores: float) -> dict:
    """Return scores with two decimals."""
    return {name: round(float(score), 2) for name, score in scores.items()}


# One function for each kind of row; each is given the data's folder and the name of an image.


def denoise(data: Path, name: str, *, sigma: int = 25) -> dict:
    """Gaussian noise."""
    stem = data / f"denoise_sigma{sigma}" / name
    truth, noisy, nlm, bm3d, dip = (
        centre(load(f"{stem}_{kind}.png"), SIDE)
        for kind in ("clean", "noisy", "authors_nlm", "authors_bm3d", "authors_dip")
    )
    row = follow(noisy, lambda x: psnr(x, truth), task=Denoise())
    others = {"input": noisy, "nlm": nlm, "bm3d_knows_sigma": bm3d, "authors_dip": dip}
    return row | rounded(**{kind: psnr(image, truth) for kind, image in others.items()})


def half(data: Path, name: str) -> dict:
    """Half of the pixels missing; lines without any observed pixel are left out of all scores.

    The black border of `peppers` counts as missing as a whole: nothing tells that it is black.
    """
    stem = data / "inpaint_half" / name
    truth, image, mask, dip = (
        centre(load(f"{stem}_{kind}.png"), SIDE) for kind in ("clean", "masked", "missing", "authors_dip")
    )
    told = ~((mask > 0).all(0)[None, :] | (mask > 0).all(1)[:, None])
    hidden = (mask > 0) & told
    row = follow(image, lambda x: psnr(x[told], truth[told]), task=Inpaint(), missing=mask)
    return row | rounded(
        authors_dip=psnr(dip[told], truth[told]),
        ours_missing=psnr(follow.answer[hidden], truth[hidden]),
        authors_dip_missing=psnr(dip[hidden], truth[hidden]),
    )


def text(data: Path, name: str) -> dict:
    """Text over a photograph, scored inside the text."""
    stem = data / "inpaint_hole" / name
    truth, mask = (centre(load(f"{stem}{kind}.png"), SIDE) for kind in ("", "_missing"))
    hidden = mask > 0
    image = np.where(hidden[..., None], 0, truth)
    biharmonic = 255 * restoration.inpaint_biharmonic(image / 255, hidden, channel_axis=-1)
    options = {"task": Inpaint(), "missing": mask, "method": PRESETS["fine"]}
    row = follow(image, lambda x: psnr(x[hidden], truth[hidden]), **options)
    return row | rounded(biharmonic=psnr(biharmonic[hidden], truth[hidden]))


def super_resolve(data: Path, name: str) -> dict:
    """Factor 4, scored in luma without four pixels at the border."""
    from PIL import Image

    stem = data / "sr_x4" / name
    low = load(f"{stem}_low.png")
    low = centre(low, SIDE // 4)
    high = centre(load(f"{stem}_high.png"), 4 * low.shape[0], 4 * low.shape[1])
    authors = centre(
        centre(load(f"{stem}_authors_dip.png")[..., :3], *load(f"{stem}_high.png").shape[:2]), *high.shape[:2]
    )

    def score(x: np.ndarray) -> float:
        return psnr(*(gray(one)[4:-4, 4:-4] for one in (x, high)))

    bicubic = Image.fromarray(low.astype(np.uint8)).resize(high.shape[1::-1], Image.Resampling.BICUBIC)
    row = follow(low, score, task=SuperResolve(factor=4))
    return row | rounded(bicubic=score(np.asarray(bicubic, float)), authors_dip=score(authors))


def deconvolve(data: Path, name: str) -> dict:
    """Blur of sigma = 2 pixels, photon noise with 100 photons at the peak."""
    from scipy.ndimage import gaussian_filter

    whole = load(data / "science_clean" / f"{name}.png")
    truth = 100 * centre(whole, SIDE) / 255
    # Blurred before it is cut out: what lies beyond the border shines in, as it does in an instrument.
    blurred = centre(gaussian_filter(100 * whole / 255, 2, truncate=6), SIDE)
    image = np.random.default_rng(1).poisson(blurred).astype(np.float32)
    psf = GaussianPSF(fwhm=2 * 2.35482)
    kernel = psf.kernel(2)

    def score(x: np.ndarray) -> float:
        return psnr(2.55 * x, 2.55 * truth)

    margin = 16
    padded = np.pad(image, margin, mode="reflect").astype(float)
    inside = (slice(margin, -margin),) * 2
    lucy = max(
        score(restoration.richardson_lucy(padded / 200, kernel, num_iter=n, clip=False)[inside] * 200)
        for n in (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
    )
    wiener = max(
        score(restoration.wiener(padded, kernel, balance, clip=False)[inside])
        for balance in 10.0 ** np.arange(-4, 2, 0.25)
    )
    task = Deconvolve(noise=PoissonNoise(), psf=psf, floor=0.0)
    row = follow(image, score, task=task)
    return row | rounded(input=score(image), richardson_lucy_best=lucy, wiener_best=wiener)


def calibrated(image: np.ndarray) -> dict[str, np.ndarray]:
    """Return scikit-image's denoisers on an image from 0 to 1, each tuned by its J-invariant calibration."""
    sigma = restoration.estimate_sigma(image)
    denoisers = {
        "nlm": (
            restoration.denoise_nl_means,
            {"h": sigma * np.arange(0.4, 1.6, 0.2), "sigma": [sigma], "patch_size": [5]},
        ),
        "tv": (restoration.denoise_tv_chambolle, {"weight": sigma * np.arange(0.2, 4, 0.3)}),
        "wavelet": (
            restoration.denoise_wavelet,
            {"sigma": sigma * np.arange(0.4, 2, 0.2), "wavelet": ["db1", "sym4"], "rescale_sigma": [True]},
        ),
    }
    return {
        name: restoration.calibrate_denoiser(image, function, parameters)(image)
        for name, (function, parameters) in denoisers.items()
    }


def fluorescence(data: Path, name: str) -> dict:
    """Real noise of a wide-field microscope; the mean of 400 exposures stands for the truth."""
    stem = data / "fluorescence_pairs" / name
    image, truth = (centre(load(f"{stem}_{kind}.tif"), SIDE) for kind in ("noisy", "mean400"))

    def score(x: np.ndarray) -> float:
        return psnr(matched(x, truth), truth, clip=False)

    others = calibrated(image.astype(float) / 255)
    row = follow(image, score, task=Denoise())
    return row | rounded(input=score(image), **{kind: score(255 * one) for kind, one in others.items()})


def globular_cluster(data: Path, name: str) -> dict:
    """Exposure 1 of M13 restored, scored against exposure 2: mean squared difference, less is better."""
    from astropy.io import fits
    from scipy.ndimage import gaussian_filter
    from stars import fluxes

    first, second = (
        centre(fits.getdata(data / "astronomy" / f"M13_blue_000{n}.fits").astype(np.float32), SIDE)
        for n in (1, 2)
    )
    second = second + np.median(first) - np.median(second)  # the sky is not as bright in both
    noise = estimate_noise(GaussianNoise(1.0), first).model  # the sky's, hardly stronger in the stars
    row = follow(first, lambda x: -float(np.mean((x - second) ** 2)), task=Denoise(noise))
    others = {"input": first, "gaussian_1px": gaussian_filter(first, 1)}
    row |= {f"mse_{kind}": round(float(np.mean((x - second) ** 2)), 1) for kind, x in others.items()}
    row |= {f"mse_{key}": -row.pop(key) for key in ("ours", "fit", "oracle")} | {"sigma": noise.sigma}
    return row | fluxes(first, second, follow.answer, np.full(first.shape, noise.sigma**2))


def hot_pixels(data: Path, name: str) -> dict:
    """5 % of the pixels of a micrograph hot, and weak Gaussian noise."""
    from scipy.ndimage import median_filter

    truth = centre(load(data / "science_clean" / f"{name}.png"), SIDE)
    draw = np.random.default_rng(2)
    image = truth + draw.normal(0, 5, truth.shape)
    hot = draw.random(truth.shape) < 0.05
    image[hot] += draw.uniform(80, 255, hot.sum())
    row = follow(image, lambda x: psnr(x, truth), task=Denoise(LaplaceNoise(sigma=10)))
    median = median_filter(image, 3)
    return row | rounded(input=psnr(image, truth), median_3x3=psnr(median, truth))


def guided(data: Path, name: str) -> dict:
    """A dim channel (8 photons at the peak) with and without a bright one of other contrast as its guide."""
    bright = centre(load(data / "science_clean" / f"{name}.png"), SIDE)
    truth = 8 * (
        0.15 + 0.85 * np.sqrt(1 - bright / 255)
    )  # structures in the same places, inverted and curved
    image = np.random.default_rng(3).poisson(truth).astype(np.float32)

    def score(x: np.ndarray) -> float:
        return psnr(255 * x / 8, 255 * truth / 8)

    task = Denoise(PoissonNoise())
    alone = follow(image, score, task=task)
    row = follow(image, score, task=task, guide=bright)
    return row | {"unguided": alone["ours"], "input": round(score(image), 2)}


KINDS = {
    "denoise": (denoise, ("f16", "house", "kodim03")),
    "strong": (partial(denoise, sigma=50), ("f16", "house", "kodim03")),
    "half": (half, ("barbara", "peppers", "cameraman")),
    "text": (text, ("kate",)),
    "super-resolve": (super_resolve, ("butterfly", "bird", "zebra")),
    "deconvolve": (
        deconvolve,
        ("andromeda", "cytoplasm", "fishembryo", "membrane", "mitochondria", "neurons"),
    ),
    "fluorescence": (fluorescence, ("w2s_001", "w2s_002", "w2s_003")),
    "m13": (globular_cluster, ("M13",)),
    "hot": (hot_pixels, ("neurons", "fishembryo")),
    "guided": (guided, ("mitochondria", "membrane")),
}
ROWS = {
    f"{kind}/{name}": partial(function, name=name)
    for kind, (function, names) in KINDS.items()
    for name in names
}


def main() -> None:
    """Measure the rows that are not known yet, each in a process of its own."""
    global SEED
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("rows", nargs="*")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".json"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--alone", action="store_true", help="measure one row here, and print it as JSON")
    arguments = parser.parse_args()
    SEED = arguments.seed
    if arguments.alone:
        print(json.dumps(ROWS[arguments.rows[0]](arguments.data)))
        return
    data = str(arguments.data)
    measure(
        ROWS,
        arguments.rows,
        arguments.output,
        lambda name: [__file__, data, name, "--alone", f"--seed={SEED}"],
    )


if __name__ == "__main__":
    main()
