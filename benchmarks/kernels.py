"""Procedural kernel networks beside the filters that they are made of, and those of the field.

    python benchmarks/kernels.py DATA [ROW ...] [--output FILE.json]

DATA is a folder of test images with known truth (`benchmarks/README.md` names its files). Each row is
printed and written as soon as it is known; rows that the file has are not measured again. ROW is how the
names of the rows to measure begin; by default all are. The truth is used for the scores, and to give every
other filter its best setting.
"""

import resource
import time
from collections.abc import Callable
from functools import cache, partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from common import centre, load, main, psnr
from scipy.ndimage import gaussian_filter
from skimage import restoration
from tasks import calibrated
from torch import Tensor, nn

from napari_dip import PKN, Deconvolve, Denoise, GaussianNoise, GaussianPSF, SuperResolve, restore
from napari_dip.optim.fit import fit
from napari_dip.pkn.degradations import Noisy
from napari_dip.pkn.filter import Filter
from napari_dip.pkn.kernels.base import ProceduralKernel
from napari_dip.pkn.kernels.registry import kernel_of
from napari_dip.pkn.objectives import supervised
from napari_dip.pkn.observation import Observation
from napari_dip.pkn.predictors import Constant, StructureTensor
from napari_dip.pkn.weights_file import bundled
from napari_dip.synthetic.collection import SyntheticImages

SIDE = 256  # of a crop, in pixels
PHOTOGRAPHS = ("f16", "house", "kodim03")
SCIENCE = ("andromeda", "cytoplasm", "fishembryo", "membrane", "mitochondria", "neurons")
DENOISERS = ("isotropic", "anisotropic", "bilateral", "nlm")
SIGMAS = (15, 25, 50)
BLURS, BLURRED_SIGMAS = (1.0, 1.5, 2.0), (2, 5, 10)
STEPS = 25  # that fit a single setting to the test images
PLAIN_ITERATIONS = 5000


@cache
def images(data: Path) -> np.ndarray:
    """Return the test images in grey, shape ``(10, 256, 256)``."""
    found = [
        load(data / "denoise_sigma25" / f"{name}_clean.png") @ [0.299, 0.587, 0.114] for name in PHOTOGRAPHS
    ]
    found.append(load(data / "inpaint_half" / "barbara_clean.png"))
    found += [load(data / "science_clean" / f"{name}.png") for name in SCIENCE]
    return np.stack([centre(image, SIDE) for image in found]).astype(np.float32)


def noisy(clean: np.ndarray, sigma: float) -> np.ndarray:
    """Return images with Gaussian noise, always the same."""
    return (clean + np.random.default_rng(int(10 * sigma)).normal(0, sigma, clean.shape)).astype(np.float32)


def scores(restored: np.ndarray, truth: np.ndarray) -> list[float]:
    """Return the PSNR of each image in dB."""
    return [round(psnr(one, other, clip=False), 2) for one, other in zip(restored, truth, strict=True)]


def mean(values: list[float]) -> float:
    """Return the mean with two decimals."""
    return round(float(np.mean(values)), 2)


def batch(arrays: np.ndarray) -> Tensor:
    """Return images as a batch."""
    return torch.from_numpy(np.asarray(arrays, np.float32))[:, None]


def best_single(kernel: ProceduralKernel, data: Observation, truth: Tensor) -> list[float]:
    """Return the PSNR of each image under the setting that is best for their mean, found with the truth."""
    tried = Filter(kernel, Constant(kernel, bundled(kernel).setting))

    def worse(restored: Tensor) -> Tensor:
        return (restored - truth).square().mean((1, 2, 3)).log().mean()

    for _ in fit(tried, (((data,), worse) for _ in range(STEPS)), learning_rate=0.2):
        pass
    with torch.no_grad():
        return scores(tried(data)[:, 0].numpy(), truth[:, 0].numpy())


def by_networks(kernel: ProceduralKernel, data: Observation, truth: Tensor) -> dict:
    """Return what the network, the best single setting and the structure tensor reach."""
    with torch.no_grad():
        local = scores(Filter(kernel, bundled(kernel).network)(data)[:, 0].numpy(), truth[:, 0].numpy())
        row = {"local": mean(local), "each": local}
        if kernel.parameters[0].name == "width" and kernel.purpose != "deblur":
            tensor = Filter(kernel, StructureTensor(kernel))(data)[:, 0].numpy()
            row["structure_tensor"] = mean(scores(tensor, truth[:, 0].numpy()))
    single = mean(best_single(kernel, data, truth))
    return row | {"single": single, "gain": round(row["local"] - single, 2)}


def denoise(data: Path, name: str, sigma: int) -> dict:
    """Gaussian noise; one network for every strength of it."""
    truth = images(data)
    observed = Observation(batch(noisy(truth, sigma)), torch.full((len(truth), 1, 1, 1), float(sigma)))
    return by_networks(kernel_of(name), observed, batch(truth))


def others(data: Path, sigma: int) -> dict:
    """Return scikit-image's denoisers on the same images, each tuned on each by its own calibration."""
    truth = images(data)
    found = [calibrated(image.astype(float) / 255) for image in noisy(truth, sigma)]
    names = found[0]
    return {"input": mean(scores(noisy(truth, sigma), truth))} | {
        name: mean(scores(np.stack([255 * one[name] for one in found]), truth)) for name in names
    }


class Plain(nn.Module):
    """A residual network of as many weights that gives the image itself: what a filter's frame costs."""

    def __init__(self, width: int = 24, depth: int = 5) -> None:
        super().__init__()
        channels = [1, *[width] * (depth - 1), 1]
        self.layers = nn.ModuleList(
            nn.Conv2d(before, after, 3, padding=1) for before, after in pairwise(channels)
        )

    def forward(self, data: Observation) -> Tensor:
        """Return the denoised images."""
        x = data.image / data.sigma
        for layer in self.layers[:-1]:
            x = layer(x).relu()
        return data.image - data.sigma * self.layers[-1](x)


@cache
def plain() -> tuple[Plain, float]:
    """Return the residual network, trained on the same examples as the kernels' ones, and in which time."""
    training, validation = SyntheticImages(0, range(400), 256), SyntheticImages(0, range(400, 424), 256)
    objective = supervised(Noisy(), training, validation)
    torch.manual_seed(0)
    network, generator = Plain(), torch.Generator().manual_seed(0)
    samples = (objective.sample(generator) for _ in range(PLAIN_ITERATIONS))
    began = time.perf_counter()
    rate = [3e-3 * 0.5 * (1 + np.cos(np.pi * at / PLAIN_ITERATIONS)) for at in range(PLAIN_ITERATIONS)]
    for _ in fit(network, samples, learning_rate=lambda index: rate[index]):
        pass
    return network, time.perf_counter() - began


def plain_network(data: Path) -> dict:
    """A plain network of the same budget, at full resolution."""
    network, seconds = plain()
    truth = images(data)
    row: dict = {"weights": sum(p.numel() for p in network.parameters()), "training_s": round(seconds)}
    with torch.no_grad():
        for sigma in SIGMAS:
            observed = Observation(
                batch(noisy(truth, sigma)), torch.full((len(truth), 1, 1, 1), float(sigma))
            )
            row[f"sigma_{sigma}"] = mean(scores(network(observed)[:, 0].numpy(), truth))
    return row


def deconvolve(data: Path, blur: float, sigma: int) -> dict:
    """A round blur, and Gaussian noise; all others have the setting that is best for the images' mean."""
    truth = images(data)
    # Beyond the border the crops are mirrored, as all methods take them to be.
    blurred = np.stack([gaussian_filter(image, blur, mode="mirror", truncate=6) for image in truth])
    seen = noisy(blurred, sigma)
    task = Deconvolve(noise=GaussianNoise(float(sigma)), psf=GaussianPSF(fwhm=2.35482 * blur))
    row = {"input": mean(scores(seen, truth))}
    for name in ("reblur", "anisotropic-reblur"):
        row[name] = mean(
            scores(np.stack([restore(one, task, PKN(kernel=name)).image for one in seen]), truth)
        )
    kernel, margin = task.psf.kernel(2), 16
    wide = np.pad(seen, ((0, 0), (margin, margin), (margin, margin)), mode="reflect").astype(float)

    def best(function: Callable[[np.ndarray, float], np.ndarray], settings: np.ndarray) -> float:
        inside = np.s_[margin:-margin, margin:-margin]
        return max(
            mean(scores(np.stack([function(one, float(value))[inside] for one in wide]), truth))
            for value in settings
        )

    def lucy(image: np.ndarray, count: float) -> np.ndarray:
        low = min(image.min(), 0)
        return 255 * restoration.richardson_lucy((image - low) / 255, kernel, int(count), clip=False) + low

    row["richardson_lucy"] = best(lucy, np.array([1, 2, 3, 4, 6, 8, 12, 16, 24, 32]))
    row["wiener"] = best(
        lambda image, balance: restoration.wiener(image, kernel, balance, clip=False),
        10.0 ** np.arange(-4, 1.6, 0.25),
    )
    own = [
        restoration.unsupervised_wiener(one, kernel, clip=False, rng=0)[0][margin:-margin, margin:-margin]
        for one in wide
    ]
    row["unsupervised_wiener"] = mean(scores(np.stack(own), truth))
    return row


def upsample(data: Path, factor: int, sigma: int) -> dict:
    """Shrunk by Pillow's Lanczos filter, and noise; the same filter brings the image back beside ours."""
    from PIL import Image

    truth = images(data)[:, : SIDE - SIDE % factor, : SIDE - SIDE % factor]
    size = truth.shape[1]

    def resized(image: np.ndarray, side: int) -> np.ndarray:
        return np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.LANCZOS))

    seen = noisy(np.stack([resized(image, size // factor) for image in truth]), sigma)
    lanczos = np.stack([resized(image, size) for image in seen])
    task = SuperResolve(noise=GaussianNoise(float(sigma)), factor=factor)
    ours = np.stack([restore(one, task, PKN()).image for one in seen])
    tensor = np.stack([restore(one, task, PKN(predictor="structure-tensor")).image for one in seen])
    found = {"lanczos": lanczos, "local": ours, "structure_tensor": tensor}
    return {name: mean(scores(image, truth)) for name, image in found.items()}


def speed(data: Path, name: str) -> dict:
    """Megapixels per second from array to array, all cores, noise known; the best of three."""
    clean = np.tile(images(data)[0], (12, 16))  # 12.6 megapixels
    image = noisy(clean, 25)
    task, method = Denoise(GaussianNoise(25.0)), PKN(kernel=name)
    times = []
    for _ in range(3):
        began = time.perf_counter()
        restored = restore(image, task, method).image
        times.append(time.perf_counter() - began)
    row = {"megapixels": image.size / 1e6, "mp_per_s": round(image.size / 1e6 / min(times), 2)}
    row["psnr"] = round(psnr(restored, clean, clip=False), 2)
    if name == "nlm":  # scikit-image's on a part, at the settings that its calibration finds for such noise
        part = (np.s_[:1024, :1024],)
        tried = {}
        for h in (0.4, 0.6, 0.8, 1.0):
            began = time.perf_counter()
            one = restoration.denoise_nl_means(
                image[part[0]] / 255,
                patch_size=5,
                patch_distance=9,
                h=h * 25 / 255,
                sigma=25 / 255,
                fast_mode=True,
            )
            seconds = time.perf_counter() - began
            tried[h] = psnr(255 * one, clean[part[0]], clip=False), 1024**2 / 1e6 / seconds
        best = max(tried.values())
        row |= {"skimage_psnr": round(best[0], 2), "skimage_mp_per_s": round(best[1], 2)}
    return row


def memory(data: Path, name: str) -> dict:
    """Memory above that of process, image and result: 12.6 megapixels, noise known, no maps kept."""
    image = noisy(np.tile(images(data)[0], (12, 16)), 25)
    restore(
        image[:64, :64], Denoise(GaussianNoise(25.0)), PKN(kernel=name)
    )  # what loads on first use is loaded
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = restore(image, Denoise(GaussianNoise(25.0)), PKN(kernel=name)).image
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "above_MiB": round((after - before) / 1024 - result.nbytes / 2**20),
        "image_MiB": image.nbytes // 2**20,
    }


def networks(data: Path) -> dict:
    """How large the networks are."""
    found = [kernel_of(name) for name in (*DENOISERS, "reblur", "anisotropic-reblur", "upsample")]
    return {kernel.name: sum(p.numel() for p in bundled(kernel).network.parameters()) for kernel in found}


ROWS: dict[str, Callable[[Path], dict]] = {
    **{
        f"denoise/{name}/{sigma}": partial(denoise, name=name, sigma=sigma)
        for name in DENOISERS
        for sigma in SIGMAS
    },
    **{f"others/{sigma}": partial(others, sigma=sigma) for sigma in SIGMAS},
    **{
        f"deconvolve/{blur}/{sigma}": partial(deconvolve, blur=blur, sigma=sigma)
        for blur in BLURS
        for sigma in BLURRED_SIGMAS
    },
    **{
        f"upsample/{factor}/{sigma}": partial(upsample, factor=factor, sigma=sigma)
        for factor in (2, 3, 4)
        for sigma in (5, 15)
    },
    **{f"speed/{name}": partial(speed, name=name) for name in DENOISERS},
    **{f"memory/{name}": partial(memory, name=name) for name in DENOISERS},
    "networks": networks,
    "plain": plain_network,
}


if __name__ == "__main__":
    main(__doc__, __file__, ROWS)
