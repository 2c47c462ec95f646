"""Is the measured resolution right? Known answers, empty fields, and NanoPyx beside it where it is installed.

    python benchmarks/resolution.py            # all parts; about ten minutes on one core
    python benchmarks/resolution.py empty      # one of empty, points, scenes, restored

NanoPyx is not needed. Where it can be imported, its Fourier ring correlation (FIRE) and decorrelation
analysis are measured on the same images.
"""

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter, median_filter, uniform_filter

from napari_dip import (
    DIP,
    PKN,
    Deconvolve,
    Denoise,
    FineTune,
    GaussianNoise,
    GaussianPSF,
    PoissonNoise,
    RichardsonLucy,
    decorrelation_analysis,
    fourier_ring_correlation,
    measure_resolution,
)

OUTPUT = Path(__file__).with_suffix(".json")
CRITERIA = ("1/7", "3-sigma")
SMOOTHING: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "white": lambda image: image,
    "Gaussian 1 px": lambda image: gaussian_filter(image, 1),
    "Gaussian 3 px": lambda image: gaussian_filter(image, 3),
    "Gaussian 10 px": lambda image: gaussian_filter(image, 10),
    "mean 5 x 5": lambda image: uniform_filter(image, 5),
    "median 5 x 5": lambda image: median_filter(image, 5),
}


def filaments(size: int = 256, sigma: float = 1.5, seed: int = 5) -> np.ndarray:
    """Return smooth curves under a Gaussian point spread function, of mean 1."""
    random = np.random.default_rng(seed)
    image = np.zeros((size, size))
    for _ in range(size // 8):
        angle = random.uniform(0, 2 * np.pi) + random.normal(0, 0.05, 2 * size).cumsum()
        steps = 0.5 * np.stack([np.sin(angle), np.cos(angle)])
        place = (random.uniform(0, size, (2, 1)) + steps.cumsum(1)).round().astype(int) % size
        np.add.at(image, tuple(place), 1.0)
    image = gaussian_filter(image, sigma, mode="wrap")
    return image / image.mean()


def empty() -> Iterator[dict]:
    """How often do two images of nothing show a resolution? 1000 pairs for data, fewer for results."""
    random = np.random.default_rng(0)
    for size in (64, 128, 256):
        for name, smooth in SMOOTHING.items():
            shown, pairs = dict.fromkeys(CRITERIA, 0), 1000 if size < 256 else 200
            for _ in range(pairs):
                first, second = (
                    smooth(random.normal(100, 5, (size, size))).astype(np.float32) for _ in range(2)
                )
                curve = fourier_ring_correlation(first, second, halves=True)
                for criterion in CRITERIA:
                    shown[criterion] += curve.resolution(criterion) is not None
            yield {"what": name, "size": size, "pairs": pairs, **shown}
    methods = {"PKN": (PKN(), 40), "FineTune": (FineTune(iterations=20), 4), "DIP": (DIP(), 3)}
    for name, (method, fields) in methods.items():
        for noise in (GaussianNoise(5.0), PoissonNoise()):
            shown = dict.fromkeys(CRITERIA, 0)
            for seed in range(fields):
                image = random.normal(50, 5, (96, 96))
                if isinstance(noise, PoissonNoise):
                    image = random.poisson(10.0, (96, 96))
                found = measure_resolution(image, Denoise(noise), method, seed=seed)
                for criterion in CRITERIA:
                    shown[criterion] += found.value(criterion) is not None
            yield {"what": f"{name}, {type(noise).__name__}", "size": 96, "pairs": fields, **shown}


def points() -> Iterator[dict]:
    """Points under a Gaussian: F = 1/7 where Σ a² exp(−4π²σ²f²) is a sixth of the noise's power."""
    from napari_dip.diagnostics.windows import window

    random = np.random.default_rng(0)
    for sigma in (1.0, 2.0, 3.0):
        for noise in (1.0, 4.0):
            ratios = []
            for _ in range(10):
                image = np.zeros((256, 256))
                image[tuple(random.integers(70, 186, (2, 60)))] = 400.0
                image = gaussian_filter(image, sigma)
                pair = (image + random.normal(0, noise, image.shape) for _ in range(2))
                power = noise**2 * (window(image.shape) ** 2).sum()
                expected = np.sqrt(np.log(6 * 60 * 400.0**2 / power) / (4 * np.pi**2 * sigma**2))
                ratios.append(fourier_ring_correlation(*pair).resolution() * min(expected, 0.5))
            yield {"sigma": sigma, "noise": noise, "ratio": _mean(ratios), "spread": _spread(ratios)}


def scenes() -> Iterator[dict]:
    """Filaments: two exposures, two halves by thinning, two by added noise; and NanoPyx."""
    oracle, random = _nanopyx(), np.random.default_rng(0)
    for photons in (5, 20, 100):
        for sigma in (1.0, 2.0):
            scene = photons * (0.2 + filaments(sigma=sigma))
            found: dict[str, list[float]] = {}
            for _ in range(4):
                exposures = random.poisson(scene, (2, *scene.shape)).astype(np.float32)
                thinned = random.binomial(exposures[0].astype(int), 0.5)
                added = np.sqrt(exposures[0]) * random.standard_normal(scene.shape)
                pairs = {
                    "exposures": (*exposures, False),
                    "thinned": (thinned, exposures[0] - thinned, True),
                    "added noise": (exposures[0] + added, exposures[0] - added, True),
                }
                for name, (first, second, halves) in pairs.items():
                    value = fourier_ring_correlation(first, second, halves=halves).resolution()
                    found.setdefault(name, []).append(value or np.nan)
                alone = decorrelation_analysis(exposures[0]).resolution
                found.setdefault("decorrelation", []).append(alone or np.nan)
                if oracle is not None:
                    for name, value in oracle(*exposures).items():
                        found.setdefault(name, []).append(value)
            yield {"photons": photons, "sigma": sigma} | {name: _mean(one) for name, one in found.items()}


def restored() -> Iterator[dict]:
    """What do restored filaments resolve, beside the data?"""
    random = np.random.default_rng(0)
    tasks = {
        "denoised": (Denoise(PoissonNoise()), {"PKN": PKN(), "DIP": DIP()}),
        "deconvolved": (
            Deconvolve(PoissonNoise(), GaussianPSF(2.3548 * 1.5)),
            {"Richardson-Lucy": RichardsonLucy(20), "DIP": DIP()},
        ),
    }
    for photons in (5, 50):
        image = random.poisson(photons * (0.2 + filaments(128)))
        for done, (task, methods) in tasks.items():
            for name, method in methods.items():
                found = measure_resolution(image, task, method)
                yield {
                    "what": f"{done}, {name}",
                    "photons": photons,
                    "data": _rounded(found.data.resolution()),
                    **{criterion: _rounded(found.value(criterion)) for criterion in CRITERIA},
                }


def _nanopyx() -> Callable[[np.ndarray, np.ndarray], dict[str, float]] | None:
    try:
        from nanopyx.core.analysis.decorr import DecorrAnalysis
        from nanopyx.core.analysis.frc import FIRECalculator
    except ImportError:
        return None

    def measured(first: np.ndarray, second: np.ndarray) -> dict[str, float]:
        analysis = DecorrAnalysis(pixel_size=1, units="px")
        analysis.run_analysis(first)
        fire = FIRECalculator(1.0, "px").calculate_fire_number(first, second)
        return {"NanoPyx exposures": float(fire), "NanoPyx decorrelation": float(analysis.resolution)}

    return measured


def _mean(values: list[float]) -> float:
    return round(float(np.nanmean(values)), 2)


def _spread(values: list[float]) -> float:
    return round(float(np.nanstd(values)), 2)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


PARTS = {part.__name__: part for part in (empty, points, scenes, restored)}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=[])
    wanted = parser.parse_args().parts or list(PARTS)
    results = json.loads(OUTPUT.read_text()) if OUTPUT.exists() else {}
    for name in wanted:
        results[name] = []
        for row in PARTS[name]():
            print(name, row, flush=True)
            results[name].append(row)
            OUTPUT.write_text(json.dumps(results, indent=1) + "\n")
