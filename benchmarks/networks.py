"""The trained networks that come with the package, beside bicubic interpolation and networks of others.

    python benchmarks/networks.py DATA [ROW ...] [--output FILE.json]

DATA is a folder of test images with known truth (`benchmarks/README.md` names its files). Each row is
printed and written as soon as it is known; rows that the file has are not measured again. ROW is how the
names of the rows to measure begin; by default all are. None of the networks that come with the package has
seen one of the images. PSNR is in dB, peak 255; for super-resolution it is of the luma (BT.601, 16 to 235),
without as many pixels at the border as the factor, of images that `Resample` shrank with a bicubic kernel.
"""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from common import gray, load, main, psnr
from kernels import images, mean, noisy, scores
from torch import Tensor

from napari_dip.operators import Resample
from napari_dip.pretrained import files
from napari_dip.pretrained.bundled import bundled
from napari_dip.pretrained.degradation import pre_upsampled
from napari_dip.pretrained.model import Pretrained

NAMES = ("butterfly", "bird", "zebra")
SIGMAS = (15, 25, 50)


def run(network: Pretrained, data: Tensor) -> tuple[Tensor, float]:
    """Return what a network makes of images from 0 to 255, and in how many seconds."""
    began = time.perf_counter()
    with torch.no_grad():
        seen = pre_upsampled(data, network.factor) if network.pre_upsampled else data
        result = 255 * network.network(seen / 255)
    return result, time.perf_counter() - began


def weights(network: Pretrained) -> int:
    """Return how many there are."""
    return sum(p.numel() for p in network.network.parameters())


def colours(data: Path, name: str, factor: int) -> Tensor:
    """Return an image of which each axis is a multiple of the factor, shape ``(1, 3, H, W)``."""
    image = load(data / "sr_x4" / f"{name}_high.png")
    height, width = (n - n % factor for n in image.shape[:2])
    return torch.from_numpy(image[:height, :width]).movedim(-1, 0)[None]


def luma(image: Tensor) -> np.ndarray:
    """Return the luma of an image of shape ``(1, 3, H, W)``."""
    return gray(image[0].movedim(0, -1).numpy())


def inside(image: np.ndarray, truth: np.ndarray, border: int) -> float:
    """Return the PSNR without a border."""
    part = np.s_[border:-border, border:-border]
    return round(psnr(image[part], truth[part]), 2)


def super_resolve(data: Path, factor: int, *, foreign: bool = False) -> dict:
    """Each of the images, enlarged again by bicubic interpolation and by networks."""
    found = {
        "compact": bundled("super-resolve", factor),
        "vdsr": bundled("super-resolve", factor, pre_upsampled=True),
    }
    row: dict = {}
    for name in NAMES:
        clean = colours(data, name, factor)
        truth = luma(clean)
        shrink = Resample((factor, factor), "bicubic")
        small = shrink(torch.from_numpy(truth).float()[None, None])
        results = {"bicubic": pre_upsampled(small, factor)[0, 0].numpy()}
        if foreign:  # they want colours
            other = files.load(data / "pretrained" / "dctlsa_x4.pt")
            results = {"dctlsa": luma(run(other, shrink(clean))[0].clamp(0, 255))}
            row["weights"] = weights(other)
        else:
            results |= {
                key: run(one, small)[0][0, 0].numpy() for key, one in found.items() if one is not None
            }
        for key, result in results.items():
            row.setdefault(key, []).append(inside(result, truth, factor))
    return row | {f"mean_{key}": mean(value) for key, value in row.items() if key != "weights"}


def denoise(data: Path, sigma: int) -> dict:
    """Gaussian noise on crops of ten images, removed by networks for a sigma of 25."""
    truth = images(data)
    observed = noisy(truth, sigma)
    ours = bundled("denoise")
    other = files.load(data / "pretrained" / "dncnn_sigma25_gray.pth")
    row = {"input": mean(scores(observed, truth))}
    for key, network in (("dncnn", ours), ("dncnn_of_others", other)):
        result, _ = run(network, torch.from_numpy(observed)[:, None])
        row[key] = mean(scores(result[:, 0].numpy(), truth))
    return row


def sizes(_: Path) -> dict:
    """Weights of each network that comes with the package, and megapixels of result per second."""
    row = {}
    wanted = [("super-resolve", factor, False) for factor in (2, 3, 4)]
    for purpose, factor, upsampled in [*wanted, ("super-resolve", 4, True), ("denoise", 1, False)]:
        network = bundled(purpose, factor, pre_upsampled=upsampled)
        side = 960
        image = torch.rand(1, 1, side // factor, side // factor) * 255
        seconds = min(run(network, image)[1] for _ in range(3))
        speed = round(side**2 / 1e6 / seconds, 2)
        row[network.source.split()[1]] = {"weights": weights(network), "mp_per_s": speed}
    return row


ROWS: dict[str, Callable[[Path], dict]] = {
    **{f"super-resolve/{factor}": partial(super_resolve, factor=factor) for factor in (2, 3, 4)},
    "super-resolve/4/others": partial(super_resolve, factor=4, foreign=True),
    **{f"denoise/{sigma}": partial(denoise, sigma=sigma) for sigma in SIGMAS},
    "sizes": sizes,
}


if __name__ == "__main__":
    main(__doc__, __file__, ROWS)
