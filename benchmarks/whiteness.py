"""Is correlated noise recognised, and is white noise called white?

    python benchmarks/whiteness.py                  # the images that the test was tuned on
    python benchmarks/whiteness.py --judge          # other images and other seeds
    python benchmarks/whiteness.py --seeds 4 blur   # more seeds, only kinds whose names begin with "blur"

The noise has a standard deviation of 15 grey levels before it is blurred, resampled or compressed, and every
image has 256 x 256 pixels, or as many as the sample has.
"""

import argparse
import io
import time
from collections import defaultdict
from collections.abc import Callable

import numpy as np
import skimage.data
import torch
from PIL import Image
from scipy.ndimage import convolve, gaussian_filter, rotate, shift
from scipy.special import expit

from napari_dip.noise.whiteness import Whiteness, whiteness
from napari_dip.synthetic.images import synthetic_image

Random = np.random.Generator
SIDE, SIGMA = 256, 15.0
#: Side of a scene: room for rotations.
ROOM = 320


def sample(name: str, at: tuple[float, float] = (0.5, 0.5)) -> np.ndarray:
    """Return a part of a sample image of scikit-image, in grey levels from 0 to 255."""
    image = getattr(skimage.data, name)().astype(float)
    image = image[..., :3] @ [0.299, 0.587, 0.114] if image.ndim == 3 else image
    ends = [(max(0, int(where * (n - ROOM))), min(n, ROOM)) for n, where in zip(image.shape, at, strict=True)]
    return image[tuple(slice(start, start + n) for start, n in ends)]


def sky(seed: int) -> np.ndarray:
    """Return Moffat stars of all brightnesses, and some galaxies, on a sky of 60 grey levels."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:ROOM, :ROOM]
    image = np.full((ROOM, ROOM), 60.0)
    for flux in SIGMA * 10 ** random.uniform(0.5, 3, 120):
        y, x = random.uniform(0, ROOM, 2)
        image += flux / 8 * (1 + ((rows - y) ** 2 + (columns - x) ** 2) / 3) ** -2.5
    for flux in SIGMA * 10 ** random.uniform(0, 1, 8):
        y, x = random.uniform(0, ROOM, 2)
        image += flux * np.exp(-(((rows - y) ** 2 + 2 * (columns - x) ** 2) ** 0.5) / random.uniform(3, 12))
    return image


def cells(seed: int) -> np.ndarray:
    """Return bright cells with nuclei, filaments and puncta on a dark ground."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:ROOM, :ROOM]
    image = np.full((ROOM, ROOM), 30.0)
    for _ in range(25):
        y, x = random.uniform(0, ROOM, 2)
        wide, long = random.uniform(12, 30, 2)
        far = ((rows - y) / wide) ** 2 + ((columns - x) / long) ** 2
        image += random.uniform(20, 60) * expit(8 * (1 - far))
        image += random.uniform(20, 60) * expit(12 * (1 - 6 * far))
    for _ in range(15):
        y, x = random.uniform(0, ROOM, 2)
        turns = np.cumsum(random.normal(0, 0.06, 300)) + random.uniform(0, 2 * np.pi)
        path = np.stack([y + np.cumsum(np.sin(turns)), x + np.cumsum(np.cos(turns))]).astype(int)
        inside = ((path >= 0) & (path < ROOM)).all(0)
        image[tuple(path[:, inside])] += 60
    for _ in range(80):
        image[tuple(random.integers(0, ROOM, 2))] += 300
    return gaussian_filter(image, 0.9)


def ramp(seed: int) -> np.ndarray:
    """Return a slope."""
    rows, columns = np.mgrid[:ROOM, :ROOM] / ROOM
    angle = np.random.default_rng(seed).uniform(0, np.pi / 2)
    return 40 + 120 * (np.cos(angle) * rows + np.sin(angle) * columns)


def checkerboard(seed: int) -> np.ndarray:
    """Return squares of 12 to 31 pixels."""
    side = np.random.default_rng(seed).integers(12, 32)
    rows, columns = np.mgrid[:ROOM, :ROOM] // side
    return 60 + 120.0 * ((rows + columns) % 2)


def grid(seed: int) -> np.ndarray:
    """Return thin lines along the axes, from border to border."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:ROOM, :ROOM]
    step, width = random.integers(10, 25), random.integers(1, 3)
    return 60 + 100.0 * ((rows % step < width) | (columns % step < width))


#: Images, each from a seed: which part of the sample, or which scene.
SCENES: dict[str, Callable[[int], np.ndarray]] = {
    name: (lambda seed, name=name: sample(name, tuple(np.random.default_rng(seed).uniform(size=2))))
    for name in ("camera", "moon", "coins", "astronaut", "coffee")
} | {"cells": cells, "sky": sky, "ramp": ramp}
HARD: dict[str, Callable[[int], np.ndarray]] = {
    name: (lambda seed, name=name: sample(name, tuple(np.random.default_rng(seed).uniform(size=2))))
    for name in ("gravel", "grass")
} | {"checkerboard": checkerboard, "grid": grid}
#: Images that were never used for tuning.
UNSEEN: dict[str, Callable[[int], np.ndarray]] = {
    name: (lambda seed, name=name: sample(name, tuple(np.random.default_rng(seed).uniform(size=2))))
    for name in (
        "brick",
        "text",
        "page",
        "clock",
        "retina",
        "chelsea",
        "rocket",
        "immunohistochemistry",
        "hubble_deep_field",
        "cell",
        "colorwheel",
    )
} | {"synthetic": lambda seed: synthetic_image(77, seed, ROOM)}


def white(image: np.ndarray, random: Random, sigma: float = SIGMA) -> np.ndarray:
    """Return an image with independent noise."""
    return image + random.normal(0, sigma, image.shape)


def levels8(image: np.ndarray) -> np.ndarray:
    """Return an image in 8 bits."""
    return image.round().clip(0, 255)


def blurred_noise(image: np.ndarray, random: Random, width: float) -> np.ndarray:
    """Return an image with blurred noise of the whole standard deviation."""
    noise = gaussian_filter(random.normal(size=image.shape), width)
    return image + SIGMA * noise / noise.std()


def drizzled(image: np.ndarray, random: Random, factor: int) -> np.ndarray:
    """Return four exposures with shifts of half a pixel, dropped onto a finer or the same grid."""
    # Each exposure shows means over factor x factor fine pixels, after a shift of half a coarse one.
    fine = image.repeat(2, 0).repeat(2, 1) if factor == 1 else image
    fine = fine[: fine.shape[0] // 2 * 2, : fine.shape[1] // 2 * 2]
    total, counts = np.zeros(fine.shape), np.zeros(fine.shape)
    for down, right in ((0, 0), (0, 1), (1, 0), (1, 1)):
        part = fine[down : fine.shape[0] - down, right : fine.shape[1] - right]
        part = part[: part.shape[0] // 2 * 2, : part.shape[1] // 2 * 2]
        exposure = part.reshape(part.shape[0] // 2, 2, part.shape[1] // 2, 2).mean((1, 3))
        exposure = exposure + random.normal(0, SIGMA, exposure.shape)
        at = slice(down, down + part.shape[0]), slice(right, right + part.shape[1])
        total[at] += exposure.repeat(2, 0).repeat(2, 1)
        counts[at] += 1
    fine = total / np.maximum(counts, 1)
    if factor == 2:
        return fine
    return fine.reshape(fine.shape[0] // 2, 2, fine.shape[1] // 2, 2).mean((1, 3))


def demosaicked(image: np.ndarray, random: Random) -> np.ndarray:
    """Return green after bilinear demosaicking."""
    mosaic = white(image, random) * (np.indices(image.shape).sum(0) % 2)
    return convolve(mosaic, np.array([[0, 1, 0], [1, 4, 1], [0, 1, 0]]) / 4)


def compressed(image: np.ndarray, random: Random, quality: int) -> np.ndarray:
    """Return an image after JPEG, cut after it."""
    picture = Image.fromarray(levels8(white(image, random)).astype(np.uint8))
    picture.save(file := io.BytesIO(), "JPEG", quality=quality)
    return np.asarray(Image.open(file)).astype(float)


def enlarged(image: np.ndarray, random: Random) -> np.ndarray:
    """Return an image enlarged twice by linear interpolation."""
    small = white(image, random)[:160, :160].astype(np.float32)
    size = (2 * small.shape[1], 2 * small.shape[0])
    return np.asarray(Image.fromarray(small).resize(size, Image.Resampling.BILINEAR)).astype(float)


def columns(image: np.ndarray, random: Random, share: float) -> np.ndarray:
    """Return an image of a sCMOS camera, whose columns have their own offsets and gains."""
    offsets, gains = random.normal(0, share * SIGMA, image.shape[1]), random.normal(1, 0.01, image.shape[1])
    return white(image * gains + offsets, random)


def pink(count: int, random: Random) -> np.ndarray:
    """Return a sequence of 1/f noise with variance 1."""
    spectrum = np.fft.rfft(random.normal(size=count))
    spectrum[1:] /= np.arange(1, len(spectrum)) ** 0.5
    spectrum[0] = 0
    sequence = np.fft.irfft(spectrum, count)
    return sequence / sequence.std()


def pink_readout(image: np.ndarray, random: Random) -> np.ndarray:
    """Return an image with 1/f noise of the amplifier that reads pixel after pixel, row after row."""
    return white(image + 0.5 * SIGMA * pink(image.size, random).reshape(image.shape), random)


def pink_rows(image: np.ndarray, random: Random) -> np.ndarray:
    """Return an image whose rows have offsets that are 1/f noise."""
    return white(image + 0.5 * SIGMA * pink(image.shape[0], random)[:, None], random)


Made = Callable[[np.ndarray, Random], np.ndarray]
CORRELATED: dict[str, Made] = {
    **{
        f"blur {width}": lambda x, random, width=width: gaussian_filter(white(x, random), width)
        for width in (0.5, 0.7, 1.0, 2.0)
    },
    **{
        f"blurred noise {width}": lambda x, random, width=width: blurred_noise(x, random, width)
        for width in (0.5, 1.0, 2.0)
    },
    "shift linear": lambda x, random: shift(white(x, random), 0.5, order=1, mode="nearest"),
    "shift linear, one axis": lambda x, random: shift(white(x, random), (0.5, 0), order=1, mode="nearest"),
    "shift spline": lambda x, random: shift(white(x, random), 0.5, order=3, mode="nearest"),
    "rotation linear": lambda x, random: rotate(white(x, random), 7, reshape=False, order=1, mode="reflect"),
    "rotation spline": lambda x, random: rotate(white(x, random), 7, reshape=False, order=3, mode="reflect"),
    "drizzle same grid": lambda x, random: drizzled(x, random, 1),
    "drizzle finer grid": lambda x, random: drizzled(x, random, 2),
    "demosaicked": demosaicked,
    "jpeg 90": lambda x, random: compressed(x, random, 90),
    "jpeg 60": lambda x, random: compressed(x, random, 60),
    "enlarged": enlarged,
    "columns 0.3": lambda x, random: columns(x, random, 0.3),
    "columns 0.8": lambda x, random: columns(x, random, 0.8),
    "rows 0.3": lambda x, random: columns(x.T, random, 0.3).T,
    "1/f readout": pink_readout,
    "1/f rows": pink_rows,
}
WHITE: dict[str, Made] = {
    **{f"white {sigma}": lambda x, random, s=sigma: white(x, random, s) for sigma in (5, 15, 40)},
    **{f"clipped {sigma}": lambda x, random, s=sigma: levels8(white(x, random, s)) for sigma in (5, 15, 40)},
    **{
        f"photons {sigma}": lambda x, random, s=sigma: (
            random.poisson(x.clip(0) * 128 / s**2) * s**2 / 128  # σ at grey level 128
        )
        for sigma in (5, 15, 40)
    },
    "binned": lambda x, random: _binned(white(x, random, 2 * SIGMA)),
}


def _binned(image: np.ndarray) -> np.ndarray:
    image = image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2]
    return image.reshape(image.shape[0] // 2, 2, image.shape[1] // 2, 2).mean((1, 3))


def middle(image: np.ndarray) -> np.ndarray:
    """Return the middle of an image, cut at no multiple of 8."""
    starts = [max(0, n - SIDE) // 2 for n in image.shape]
    return image[tuple(slice(start, start + SIDE) for start in starts)]


def cases(images, kinds, seeds, base):
    """Yield name of the image, kind and the noisy image."""
    for number, (kind, make) in enumerate(kinds.items()):
        for name, scene in images.items():
            for seed in range(base, base + seeds):
                random = np.random.default_rng([seed, number])
                yield name, kind, middle(make(scene(seed), random))


def found_in(image: np.ndarray) -> Whiteness:
    """Return what was found in an image."""
    data = torch.tensor(image, dtype=torch.float32)[None, None]
    return whiteness(data, torch.ones_like(data))


def main() -> None:
    """Print how often correlated noise was found, for each kind of noise."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kinds", nargs="*")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--judge", action="store_true", help="take images and seeds that were not tuned on")
    parser.add_argument("--wrong", action="store_true", help="print every case that is wrong")
    arguments = parser.parse_args()
    base = 1000 if arguments.judge else 0
    wanted = tuple(arguments.kinds) or ("",)
    for title, kinds, images, expected in (
        ("correlated", CORRELATED, UNSEEN if arguments.judge else SCENES, True),
        ("white", WHITE, UNSEEN | HARD if arguments.judge else SCENES | HARD, False),
    ):
        right, said, took = defaultdict(list), defaultdict(list), []
        for name, kind, image in cases(
            images, {k: v for k, v in kinds.items() if k.startswith(wanted)}, arguments.seeds, base
        ):
            begin = time.perf_counter()
            found = found_in(image)
            took.append(time.perf_counter() - begin)
            right[kind].append(found.white != expected)
            if found.white == expected:
                said[kind].append(name)
                if arguments.wrong:
                    print(f"   {kind}, {name}: {found.in_words}, decline {found.decline:.2f}")
        every = [one for many in right.values() for one in many]
        if not every:
            continue
        print(f"{title}: {np.mean(every):.1%} of {len(every)} right, {1e3 * np.median(took):.0f} ms each")
        for kind, many in right.items():
            print(f"  {kind:24s} {sum(many):3d} of {len(many):3d}  {' '.join(said[kind])}")


if __name__ == "__main__":
    main()
