"""How well `estimate_noise` measures noise, and whether its standard errors hold.

Noise is drawn on the green channel of images that come with scikit-image, at two gains, as cameras have
it: with an offset of 100, read noise, and grey levels rounded to whole numbers. Photographs have noise of
their own, which counts against the estimate. The images marked * were kept for judging.

    python benchmarks/noise.py [KIND ...] [--seeds N]

prints a line for each image and parameter: the truth, the estimate and its standard error, by how many of
them it is off, or why it was refused. Then it prints for each kind the share of the cases within 20 %, within
two standard errors or refused, refused, and warned of.
"""

import argparse
import warnings
import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import skimage.data
from scipy.ndimage import gaussian_filter
from skimage.io import imread

from napari_dip import GaussianNoise, PoissonGaussianNoise, PoissonNoise, estimate_noise
from napari_dip.noise.models import NoiseModel

TUNED = ("camera.png", "coins.png", "astronaut.png", "ihc.png", "brick.png", "chelsea.png", "grass.png")
JUDGED = (
    "coffee.png",
    "moon.png",
    "rocket.jpg",
    "cell.png",
    "hubble_deep_field.jpg",
    "retina.jpg",
    "motorcycle_left.png",
    "gravel.png",
)
OFFSET = 100.0


@cache
def scene(name: str, largest: int = 512) -> np.ndarray:
    """Return the middle of a sample's green channel."""
    image = imread(Path(skimage.data.__file__).parent / name).astype(float)
    image = image[..., 1] if image.ndim == 3 else image
    top, left = (max(0, n - largest) // 2 for n in image.shape)
    return image[top : top + largest, left : left + largest]


def camera(clean: np.ndarray, gain: float, read: float, random: np.random.Generator) -> np.ndarray:
    """Return what a camera measures of a scene in grey levels."""
    light = gain * random.poisson(clean / gain) + random.normal(0, read, clean.shape)
    return np.rint(OFFSET + light)


Case = tuple[str, NoiseModel, np.ndarray, dict[str, float] | None]


def cases(kind: str, name: str, random: np.random.Generator) -> Iterator[Case]:
    """Yield for an image: a label, the model to fit, the data, and the true parameters; None if to refuse."""
    clean = scene(name)
    gains = ((0.5, 2.0), (4.0, 8.0))
    match kind:
        case "gain":  # photon noise and read noise, the offset known
            for gain, read in gains:
                data = camera(clean, gain, read, random)
                truth = {"gain": gain, "read_noise": read}
                yield f"gain {gain:g}", PoissonGaussianNoise(offset=OFFSET), data, truth
        case "offset":  # photon noise, the offset unknown
            for gain, _ in gains:
                data = camera(clean, gain, 0, random)
                yield f"gain {gain:g}", PoissonNoise(), data, {"gain": gain, "offset": OFFSET}
        case "gaussian":
            for sigma in (3.0, 10.0, 30.0):
                data = np.rint(OFFSET + clean + random.normal(0, sigma, clean.shape))
                yield f"sigma {sigma:g}", GaussianNoise(1.0), data, {"sigma": sigma}
        case "clipped":  # the lower half, or the upper one, is cut off
            for sigma, end in ((20.0, "dark"), (20.0, "bright")):
                middle = np.median(clean)
                data = clean - middle + random.normal(0, sigma, clean.shape)
                data = np.maximum(data, 0) if end == "dark" else np.minimum(data, 0) + 255
                yield f"{end} half", GaussianNoise(1.0), np.rint(data), {"sigma": sigma}
            data = np.maximum(clean / 20 + random.normal(0, 20, clean.shape), 0)
            yield "all dark", GaussianNoise(1.0), np.rint(data), {"sigma": 20.0}
        case "correlated":
            for blur in (0.5, 1.0, 2.0):
                noise = gaussian_filter(random.normal(0, 1, clean.shape), blur)
                data = OFFSET + clean + 15 * noise / noise.std()
                yield f"blur {blur:g}", GaussianNoise(1.0), data, {"sigma": 15.0}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*", default=["gain", "offset", "gaussian", "clipped", "correlated"])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--quiet", action="store_true", help="print the shares alone")
    arguments = parser.parse_args()
    warnings.simplefilter("always")
    for kind in arguments.kinds:
        shares: dict[tuple[str, str], list[tuple[bool, bool, bool, bool]]] = {}
        for name in TUNED + JUDGED:
            for seed in range(arguments.seeds):
                random = np.random.default_rng(zlib.crc32(f"{name} {seed}".encode()))
                for label, model, data, truth in cases(kind, name, random):
                    mark = "*" if name in JUDGED else " "
                    title = f"{kind:10s} {name.split('.')[0]:18s}{mark} {label:11s}"
                    for parameter, line, marks in measured(model, data, truth):
                        if not arguments.quiet and seed == 0:
                            print(title, f"{parameter:10s}", line)
                        for group in (mark, "all"):
                            shares.setdefault((group, parameter), []).append(marks)
        print(f"\n{kind}: share within 20 %, within two standard errors or refused, refused, warned")
        for (group, parameter), marks in sorted(shares.items()):
            who = {" ": "tuned", "*": "judged"}.get(group, group)
            print(f"  {who:7s}{parameter:11s}", "  ".join(f"{share:6.1%}" for share in np.mean(marks, 0)))
        print(flush=True)


def measured(
    model: NoiseModel, data: np.ndarray, truth: dict[str, float]
) -> Iterator[tuple[str, str, tuple[bool, bool, bool, bool]]]:
    """Yield for each parameter a line, and whether it is near, within its error, refused, warned of."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            found = estimate_noise(model, data)
        except ValueError as error:
            found, reason = None, str(error)
    for parameter, value in truth.items():
        if found is None:
            yield parameter, f"{value:8.3g} refused: {reason[:60]}", (False, True, True, False)
            continue
        estimate, error = getattr(found.model, parameter), found.standard_errors[parameter]
        off = (estimate - value) / error
        near = abs(estimate - value) <= 0.2 * value
        warned = f"warned: {said[0].message}"[:50] if said else ""
        line = f"{value:8.3g} {estimate:8.4g} ± {error:<8.2g} {off:+6.1f} {'' if near else 'far'} {warned}"
        yield parameter, line, (near, abs(off) <= 2, False, bool(said))


if __name__ == "__main__":
    main()
