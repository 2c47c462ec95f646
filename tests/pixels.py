"""Restorations of small images, to tell whether a change of the code changes a pixel.

    python tests/pixels.py        record what this code gives, in tests/pixels.json

Every method, task and noise model, a mask, a guide, a volume and a series occur, in float32, with one thread
and fixed seeds. The record holds for one kind of machine: other processors round otherwise.
"""

import hashlib
import json
import os
import platform
from functools import cache
from importlib import import_module
from pathlib import Path

import numpy as np
import torch

from napari_dip import (
    DIP,
    PKN,
    Decoder,
    Deconvolve,
    Denoise,
    FineTune,
    GaussianNoise,
    GaussianPSF,
    Hourglass,
    Inpaint,
    LaplaceNoise,
    MeasuredPSF,
    NonLocalBayes,
    PoissonGaussianNoise,
    PoissonNoise,
    RichardsonLucy,
    SuperResolve,
    UnknownNoise,
    Wiener,
    restore,
)

RECORD = Path(__file__).with_suffix(".json")
#: Pixels of each result that are recorded one by one.
SAMPLES = 12
SIDE = 32

SMALL = DIP(
    iterations=12,
    input_channels=2,
    precision="float32",
    network=Hourglass(widths=(4, 4), skips=(2, 2)),
)
METHODS = {
    "dip": SMALL,
    "dip default": DIP(iterations=4, precision="float32"),
    "dip ensemble": DIP(ensemble_size=2, iterations=8, precision="float32", network=SMALL.network),
    "dip variance": DIP(iterations=60, stopping="variance", precision="float32", network=SMALL.network),
    "dip discrepancy": DIP(iterations=20, stopping="discrepancy", precision="float32", network=SMALL.network),
    "dip budget": DIP(iterations=12, stopping="max-iterations", precision="float32", network=SMALL.network),
    "dip coordinates": DIP(iterations=8, input="coordinates", precision="float32", network=SMALL.network),
    "dip decoder": DIP(iterations=8, precision="float32", network=Decoder()),
    "pkn": PKN(),
    "pkn structure": PKN(predictor="structure-tensor"),
    "pkn constant": PKN(predictor="constant", strength=0.7),
    "pkn nlm": PKN(kernel="nlm"),
    "pkn bilateral": PKN(kernel="bilateral"),
    "pkn isotropic": PKN(kernel="isotropic"),
    "finetune": FineTune(iterations=3, learning_rate=1e-4),
    "finetune search": FineTune(iterations=2),
    "finetune projection": FineTune(action="back-projection"),
    "finetune network": FineTune(action="network"),
    "finetune masked": FineTune(action="fine-tuning", loss="masked", iterations=2, learning_rate=1e-4),
    "nonlocal-bayes": NonLocalBayes(),
    "richardson-lucy": RichardsonLucy(10),
    "wiener": Wiener(),
}


@cache
def scene(side=SIDE):
    """Return smooth and sharp structure between grey levels 20 and 220."""
    rows, columns = np.mgrid[:side, :side] / side
    image = 120 + 60 * np.sin(7 * rows + 3 * columns)
    image[(rows - 0.4) ** 2 + (columns - 0.6) ** 2 < 0.04] = 220
    image[side * 5 // 8 : side * 7 // 8, side // 8 : side * 3 // 8] = 20
    return image


def noisy(clean, sigma=10.0, seed=0):
    return (clean + np.random.default_rng(seed).normal(0, sigma, np.shape(clean))).astype(np.float32)


def photons(gain=2.0, offset=0.0, read_noise=0.0):
    random = np.random.default_rng(1)
    counts = random.poisson(scene() / gain) * gain + offset + random.normal(0, read_noise, scene().shape)
    return counts.astype(np.float32)


def colour():
    return noisy(np.stack([scene(), 0.7 * scene() + 40, scene()[::-1]], -1))


def series(shift=1):
    return np.stack([noisy(np.roll(scene(), shift * n, 0), seed=n) for n in range(3)])


def volume(side=20):
    return noisy(np.stack([scene(side) * (1 - 0.05 * n) for n in range(10)]))


def scratch():
    mask = np.zeros((SIDE, SIDE), bool)
    mask[10:12] = mask[:, 5] = True
    return mask


def blurred(sigma=1.5):
    from scipy.ndimage import gaussian_filter

    return noisy(gaussian_filter(scene(), sigma), 2.0)


def measured_psf():
    rows, columns = np.mgrid[-3:4, -3:4]
    return np.exp(-(rows**2 + 0.7 * columns**2) / 4)


def cases():
    """Return a function without arguments for each case, by its name."""
    blur = Deconvolve(psf=GaussianPSF(fwhm=3.0))
    found = {}

    def case(name, image, task, method, **options):
        found[name] = lambda: restore(image, task, METHODS[method], seed=3, device="cpu", **options)

    for name in METHODS:
        if name.startswith(("dip", "pkn", "finetune", "nonlocal")) and name != "finetune masked":
            case(f"denoise, {name}", noisy(scene()), Denoise(), name)
    noises = {
        "gaussian": (noisy(scene()), GaussianNoise(10.0)),
        "poisson": (photons(), PoissonNoise(2.0)),
        "poisson-gaussian": (
            photons(offset=100.0, read_noise=3.0),
            PoissonGaussianNoise(gain=2.0, offset=100.0, read_noise=3.0),
        ),
        "laplace": (noisy(scene()), LaplaceNoise(8.0)),
        "unknown": (noisy(scene(), 25.0), UnknownNoise()),
    }
    for noise, (image, model) in noises.items():
        for name in ("dip", "pkn", "finetune", "nonlocal-bayes"):
            if noise != "laplace" or name == "dip":
                case(f"denoise {noise}, {name}", image, Denoise(model), name)
    for name in ("dip", "dip coordinates", "dip default"):
        case(f"inpaint, {name}", noisy(scene()), Inpaint(), name, missing=scratch())
    case("inpaint all, dip", noisy(scene()), Inpaint(keep_observed=False), "dip", missing=scratch())
    for name in ("dip", "pkn"):
        case(f"denoise with a mask, {name}", noisy(scene()), Denoise(), name, missing=scratch())
    small = noisy(scene(), 3.0)
    for factor in (2, 3, 4):
        for name in ("dip", "pkn", "finetune"):
            case(f"super-resolve {factor}, {name}", small, SuperResolve(factor=factor), name)
    clean = scene().astype(np.float32)
    for name in ("finetune masked", "finetune projection", "finetune network", "finetune search"):
        case(f"super-resolve clean, {name}", clean, SuperResolve(factor=2), name)
    case("super-resolve after a blur, dip", small, SuperResolve(psf=GaussianPSF(fwhm=2.0)), "dip")
    for name in ("dip", "pkn", "nonlocal-bayes", "richardson-lucy", "wiener"):
        case(f"deconvolve, {name}", blurred(), blur, name)
    for name in ("dip", "richardson-lucy", "wiener"):
        case(
            f"deconvolve measured, {name}", blurred(), Deconvolve(psf=MeasuredPSF()), name, psf=measured_psf()
        )
    guide = noisy(scene(), 2.0, seed=5)
    case("guided, dip", noisy(scene(), 20.0), Denoise(), "dip", guide=guide)
    case("guided, pkn nlm", noisy(scene(), 20.0), Denoise(), "pkn nlm", guide=guide)
    case("guided, pkn bilateral", noisy(scene(), 20.0), Denoise(), "pkn bilateral", guide=guide)
    for name in ("dip", "pkn", "finetune"):
        case(f"colour, {name}", colour(), Denoise(), name)
        case(f"channels apart, {name}", colour(), Denoise(), name, channels="separate")
        case(f"series, {name}", series(), Denoise(), name)
        case(
            f"volume, {name}",
            volume() if name != "finetune" else noisy(np.stack([scene()] * 2)),
            Denoise(),
            name,
            axes="ZYX",
        )
    case("series alone, dip", series(), Denoise(), "dip", series="independent")
    case("series drift, dip", series(3), Denoise(), "dip", series="drift")
    narrow = Deconvolve(psf=GaussianPSF(fwhm=2.0))
    case("volume deconvolved, dip", volume(), narrow, "dip", axes="ZYX")
    case("saturated, dip", noisy(scene()), Denoise(), "dip", saturation_level=215.0)
    return found


def machine():
    """Return what the bits depend on: the processor, the kernels written for it, and the libraries."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else [f"model name: {platform.processor()}"]
    told = dict(line.split(":", 1) for line in reversed(lines) if ":" in line)
    kinds = ("model name", "cpu family", "model", "stepping")
    processor = [value.strip() for name, value in told.items() if name.strip() in kinds]
    kernels = [torch.backends.cpu.get_cpu_capability(), os.environ.get("OPENBLAS_CORETYPE", "")]
    versions = [
        f"{name} {import_module(name).__version__}" for name in ("torch", "numpy", "scipy", "skimage")
    ]
    return ", ".join([*sorted(processor), *kernels, *versions])


def restored():
    """Return the pixels of each case, restored by one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return {name: np.asarray(run()) for name, run in cases().items()}
    finally:
        torch.set_num_threads(threads)


def summary(image):
    """Return a digest of all bits, and a few pixels with which another machine's may be compared."""
    places = np.linspace(0, image.size - 1, SAMPLES).astype(int)
    digest = hashlib.sha256(np.ascontiguousarray(image, "<f4").tobytes()).hexdigest()[:16]
    return {
        "shape": list(image.shape),
        "digest": digest,
        "pixels": np.round(image.flat[places].astype(float), 2).tolist(),
    }


def record():
    """Write down what this code gives on this machine."""
    found = {name: summary(image) for name, image in restored().items()}
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in found.items())
    RECORD.write_text(f'{{"machine": {json.dumps(machine())}, "cases": {{\n{lines}\n}}}}\n')


if __name__ == "__main__":
    record()
