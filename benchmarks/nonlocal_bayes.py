"""Non-local Bayes beside kernel networks and the non-local means of scikit-image, in dB and seconds.

    python benchmarks/nonlocal_bayes.py DATA

DATA is a folder of test images with known truth (`benchmarks/README.md` names its files). The strength of the
noise is told to nobody: scikit-image estimates it for its non-local means. Fluorescence images are compared
after a gain and an offset.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from common import centre, load, matched, psnr
from skimage.restoration import denoise_nl_means, estimate_sigma

from napari_dip import PKN, Denoise, NonLocalBayes, restore

SIDE = 256  # of a crop, in pixels


def non_local_means(image: np.ndarray) -> np.ndarray:
    """Return what scikit-image makes of an image with the settings of its example."""
    colours = -1 if image.ndim == 3 else None
    sigma = float(np.mean(estimate_sigma(image, channel_axis=colours)))
    return denoise_nl_means(image, 5, 6, 0.8 * sigma, fast_mode=True, sigma=sigma, channel_axis=colours)


def ours(method: PKN | NonLocalBayes) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function that denoises an image by a method."""
    return lambda image: (
        restore(image, Denoise(), method, axes="YXC"[: image.ndim], device="cpu", threads=1).image
    )


METHODS = {
    "input": lambda image: image,
    "scikit-image NLM": non_local_means,
    "PKN": ours(PKN()),
    "non-local Bayes": ours(NonLocalBayes()),
}


def pairs(data: Path, folder: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return crops of the noisy and the clean images of a folder."""
    found = {}
    for path in sorted((data / folder).glob("*_noisy.*")):
        name = path.stem.removesuffix("_noisy")
        (clean,) = (one for one in path.parent.glob(f"{name}_*") if one.stem.split("_")[-1] in CLEAN)
        found[name] = centre(load(path), SIDE), centre(load(clean), SIDE)
    return found


CLEAN = ("clean", "mean50", "mean400")


def main() -> None:
    """Print a line for each image, and the means of each folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    data = parser.parse_args().data
    for folder in ("denoise_sigma25", "denoise_sigma50", "fluorescence_pairs", "fluorescence_kinds"):
        light = folder.startswith("fluorescence")
        rows = []
        for name, (noisy, truth) in pairs(data, folder).items():
            cells, scores = [], []
            for title, method in METHODS.items():
                start = time.perf_counter()
                image = np.asarray(method(noisy), np.float32)
                seconds = time.perf_counter() - start
                scores.append(psnr(matched(image, truth) if light else image, truth, clip=not light))
                cells.append(f"{title} {scores[-1]:.2f} ({seconds:.1f} s)")
            rows.append(scores)
            print(f"{folder} {name}: {', '.join(cells)}", flush=True)
        means = zip(METHODS, np.mean(rows, 0), strict=True)
        print(f"{folder}: {', '.join(f'{title} {mean:.2f}' for title, mean in means)}", flush=True)


if __name__ == "__main__":
    main()
