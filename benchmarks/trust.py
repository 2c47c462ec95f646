"""How far can a result be trusted? Every method on simulated skies and micrographs, judged by the truth.

    python benchmarks/trust.py [SCENE ...] [--methods DIP PKN ...] [--seeds 4] [--from 0] [--table]

SCENE is how the names of the scenes to measure begin; by default all are (`scenes.py` makes them). Each
scene, seed and method is measured in a process of its own, and written to `trust.json` at once; what the file
has is not measured again. `--table` prints the means over seeds.

All errors are in units of σ, the standard deviation of the noise in each pixel. Fluxes are measured at the
true places by a least-squares fit of the true shape and a constant, and compared with what the same fit
measures in the truth. A source is found if the image, filtered with the true shape, has a peak within 1.5
pixels above 5 times the noise of the filtered data.

Methods with ± measure the uncertainty as well. A second table gives the share of the truth that intervals of
95 % hold, the mean and the rms of the standard errors beside the rms error, all over all pixels, over the
steepest twentieth of them, and over those of sources: where the truth exceeds the background by half a σ.
Beside them is the mean of (y − x)² / (σ² + s²) on the pixels that no part of the run has seen.
"""

import argparse
import json
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from common import measure
from scenes import CLASSES, SCENES, Scene, Sources
from scipy.ndimage import gaussian_filter, maximum_filter
from scipy.signal import fftconvolve

from napari_dip import DIP, PKN, Denoise, FineTune, NonLocalBayes, restore, solve
from napari_dip.restoration.refits import divided
from napari_dip.restoration.series import Series

Method = Callable[[Scene], tuple[np.ndarray, dict]]

#: Half of the window in which a flux is measured, as a multiple of the source's standard deviation.
REACH = 4
#: Error of a flux in the truth from which a source counts as hidden by its neighbours, and is left out.
CLEAN = 0.3
#: Distance within which a peak belongs to a true source, and standard errors from which it counts.
NEAR, FOUND = 4, 5.0


def dip(scene: Scene, *, told: bool = False) -> tuple[np.ndarray, dict]:
    """Deep Image Prior, and how far its answer is from the best image in the course of its fit."""
    best, fitted, iterate = np.inf, None, None
    for following in solve(scene.data, _task(scene, told), DIP(), seed=0):
        if following.preparing:
            continue
        if iterate is None or following.index != iterate.index:
            fitted = following  # by the fit alone: while filters work, the index stays
        iterate = following
        if iterate is fitted and iterate.index % 5 == 0 and iterate.outcome is None:
            best = min(best, rms(scene, iterate.x.numpy()))
    fit = rms(scene, fitted.x.numpy())
    row = {"fit": fit, "gap_dB": 20 * np.log10(fit / min(best, fit)), "iterations": iterate.index}
    return iterate.x.numpy(), row | {"outcome": iterate.outcome.name}


def quick(
    method: PKN | FineTune | NonLocalBayes, scene: Scene, *, told: bool = False
) -> tuple[np.ndarray, dict]:
    """A method whose run has no images on the way that could be compared."""
    return restore(scene.data, _task(scene, told), method).image, {}


def nlm(scene: Scene) -> tuple[np.ndarray, dict]:
    """Non-local means that knows the median of the noise."""
    from skimage.restoration import denoise_nl_means

    sigma = float(np.median(scene.sigma))
    return denoise_nl_means(scene.data, 5, 9, h=0.7 * sigma, sigma=sigma, preserve_range=True), {}


def intervals(scene: Scene, method: PKN | DIP, *, told: bool = False) -> tuple[np.ndarray, dict]:
    """A method with the uncertainty of its pixels, and how well its intervals agree with the truth."""
    task = _task(scene, told)
    result = restore(scene.data, task, method, seed=0, uncertainty=True)
    found = result.uncertainty
    if found is None:
        return result.image, {"note": result.frames[0].note}
    error = (result.image - scene.truth) / scene.sigma
    low, high = found.interval(0.95)
    held, width = (low < scene.truth) & (scene.truth < high), found.standard_error / scene.sigma
    _, hidden, _ = divided(Series.of(scene.data, task, method).frame((), torch.device("cpu")).problem, 0)
    unseen = hidden.weights[0, 0].numpy() > 0
    score = np.square((scene.data - result.image) / np.hypot(found.noise_std, found.standard_error))
    row = {}
    for name, where in _places(scene).items():
        row[name] = {
            "held": float(held[where].mean()),
            "mean": float(width[where].mean()),
            "rms": float(np.sqrt(np.square(width[where]).mean())),
            "error": float(np.sqrt(np.square(error[where]).mean())),
            "unseen": float(score[where & unseen].mean()) if (where & unseen).any() else None,
        }
    return result.image, {"intervals": row}


def _places(scene: Scene) -> dict[str, np.ndarray]:
    """Return where intervals are judged."""
    found = {"whole": np.ones(scene.truth.shape, bool)}
    if np.ptp(scene.truth) > 0:
        found["steep"] = steepest(scene)
        if "background" in scene.levels:
            found["sources"] = scene.truth - scene.levels["background"] > scene.sigma / 2
    return found


def _task(scene: Scene, told: bool) -> Denoise:
    return Denoise(scene.noise) if told else Denoise()


METHODS: dict[str, Method] = {
    "input": lambda scene: (scene.data, {}),
    "gaussian": lambda scene: (gaussian_filter(scene.data, 1.0), {}),
    "nlm": nlm,
    "DIP": dip,
    "DIP told": lambda scene: dip(scene, told=True),
    "PKN": partial(quick, PKN()),
    "PKN told": partial(quick, PKN(), told=True),
    "NLB": partial(quick, NonLocalBayes()),
    "NLB told": partial(quick, NonLocalBayes(), told=True),
    "FineTune": partial(quick, FineTune()),
    "FineTune told": partial(quick, FineTune(), told=True),
    "PKN ±": lambda scene: intervals(scene, PKN()),
    "PKN ± told": lambda scene: intervals(scene, PKN(), told=True),
    "DIP ±": lambda scene: intervals(scene, DIP()),
    "DIP ± told": lambda scene: intervals(scene, DIP(), told=True),
}


def rms(scene: Scene, image: np.ndarray, where: np.ndarray | slice = slice(None)) -> float:
    """Return the rms error in units of the noise."""
    return float(np.sqrt(np.mean(np.square((image - scene.truth) / scene.sigma)[where])))


def steepest(scene: Scene) -> np.ndarray:
    """Return the steepest twentieth of the pixels, by the gradient of the truth in units of the noise."""
    slope = np.hypot(*np.gradient(scene.truth / scene.sigma))
    return slope >= np.quantile(slope, 0.95)


def judged(scene: Scene, image: np.ndarray) -> dict:
    """Return what the truth says of an image."""
    image = np.asarray(image, float)
    row = {"rms": rms(scene, image), "mean": float(np.mean((image - scene.truth) / scene.sigma))}
    if np.ptp(scene.truth) > 0:
        row["steep"] = rms(scene, image, steepest(scene))
    return row if scene.sources is None else row | _sources(scene, scene.sources, image)


def _sources(scene: Scene, sources: Sources, image: np.ndarray) -> dict:
    half = len(sources.shape) // 2
    spread = np.sqrt((sources.shape * (np.arange(-half, half + 1) ** 2)[:, None]).sum())
    reach = min(half, int(np.ceil(REACH * min(spread, 4))))
    window = slice(half - reach, half + reach + 1)
    shape = sources.shape[window, window]
    above = (shape - shape.mean()) / ((shape - shape.mean()) * shape).sum()

    def fluxes(of: np.ndarray) -> np.ndarray:
        padded = np.pad(of, reach, mode="reflect")
        return np.array(
            [(above * padded[r : r + 2 * reach + 1, c : c + 2 * reach + 1]).sum() for r, c in sources.places]
        )

    def filtered(of: np.ndarray) -> np.ndarray:
        return fftconvolve(of - np.median(of), above[::-1, ::-1], "same")

    true, measured, of_data = fluxes(scene.truth), fluxes(image), fluxes(scene.data)
    noise = filtered(scene.data - scene.truth).std()
    answer = filtered(image)
    bright = maximum_filter(answer, 3) > FOUND * noise
    found = bright[tuple(sources.places.T)]
    peaks = (answer == maximum_filter(answer, 5)) & (answer > FOUND * noise)
    expected = maximum_filter(filtered(scene.truth), 2 * NEAR + 1) > FOUND * noise / 2
    clean = np.abs(true / sources.flux - 1) < CLEAN
    row: dict = {"false": int((peaks & ~expected).sum())}
    for low, high in CLASSES:
        chosen = clean & (sources.snr >= low) & (sources.snr < high)
        if chosen.any():
            row[f"{low}-{high}"] = {
                "flux": float(measured[chosen].sum() / true[chosen].sum() - 1),
                "over_data": float(measured[chosen].sum() / of_data[chosen].sum()),
                "found": int(found[chosen].sum()),
                "number": int(chosen.sum()),
            }
    if len(true) > 20:
        slope, intercept = np.polyfit(true, measured, 1)
        row |= {"slope": float(slope), "intercept": float(intercept / true.mean())}
    return row


def one(name: str) -> dict:
    """Measure one scene, seed and method."""
    scene_name, seed, method = name.split("/")
    scene = SCENES[scene_name](int(seed))
    began = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image, row = METHODS[method](scene)
    row["seconds"] = time.process_time() - began
    row = judged(scene, image) | row
    return json.loads(json.dumps(row), parse_float=lambda text: round(float(text), 4))


def table(known: dict[str, dict]) -> None:
    """Print the means over seeds, as a table for each scene."""
    kinds: dict[str, dict[str, list[dict]]] = {}
    for name, row in known.items():
        scene, _, method = name.split("/")
        kinds.setdefault(scene, {}).setdefault(method, []).append(row)
    for scene, methods in kinds.items():
        print(f"\n## {scene}\n")
        classes = [f"{low}-{high}" for low, high in CLASSES]
        classes = [one for one in classes if any(one in row for rows in methods.values() for row in rows)]
        print(
            "| method | seeds | rms | steep | gap dB |",
            *(f"{one}: flux, found |" for one in classes),
            "false | s |",
        )
        print("|---" * (7 + len(classes)) + "|")
        for method, rows in methods.items():
            cells = [method, str(len(rows))]
            for key in ("rms", "steep", "gap_dB"):
                values = [row[key] for row in rows if key in row]
                cells.append(f"{np.mean(values):.3f}" if values else "")
            for one in classes:
                parts = [row[one] for row in rows if one in row]
                flux = np.average(
                    [part["flux"] for part in parts], weights=[part["number"] for part in parts]
                )
                found = [sum(part[key] for part in parts) for key in ("found", "number")]
                cells.append(f"{100 * flux:+.0f} %, {found[0]} of {found[1]}")
            false = [row["false"] for row in rows if "false" in row]
            cells += [
                f"{np.mean(false):.2f}" if false else "",
                f"{np.mean([row['seconds'] for row in rows]):.1f}",
            ]
            print("|", " | ".join(cells), "|")
    _table_of_intervals(kinds)


def _table_of_intervals(kinds: dict[str, dict[str, list[dict]]]) -> None:
    """Print the means over seeds of what intervals hold, and how wide they are."""
    print("\n## Intervals of 95 %: share of the truth held; mean and rms of s, rms error; unseen pixels\n")
    print("| scene | method | seeds | whole | steepest 5 % | sources |")
    print("|---" * 6 + "|")
    for scene, methods in kinds.items():
        for method, rows in methods.items():
            found = [row["intervals"] for row in rows if "intervals" in row]
            if not found:
                continue
            cells = []
            for place in ("whole", "steep", "sources"):
                parts = [one[place] for one in found if place in one]
                means = [
                    np.mean([part[key] for part in parts if part[key] is not None] or [np.nan])
                    for key in ("held", "mean", "rms", "error", "unseen")
                ]
                cells.append(
                    f"{100 * means[0]:.1f} %; {means[1]:.2f}, {means[2]:.2f}, {means[3]:.2f}; {means[4]:.2f}"
                    if parts
                    else ""
                )
            print("|", " | ".join([scene, method, str(len(found)), *cells]), "|")


def main() -> None:
    """Measure the rows that the file lacks."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scenes", nargs="*")
    parser.add_argument("--methods", nargs="*", default=list(METHODS))
    parser.add_argument("--seeds", type=int, default=4, help="number of seeds")
    parser.add_argument("--from", type=int, default=0, dest="first", help="first seed")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".json"))
    parser.add_argument("--table", action="store_true", help="print what was measured")
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.alone:
        print(json.dumps(one(arguments.alone)))
        return
    rows = {
        f"{scene}/{seed}/{method}": None
        for seed in range(arguments.first, arguments.first + arguments.seeds)
        for scene in SCENES
        for method in arguments.methods
    }
    if not arguments.table:
        measure(rows, arguments.scenes, arguments.output, lambda name: [__file__, "--alone", name])
    table(json.loads(arguments.output.read_text()))


if __name__ == "__main__":
    sys.exit(main())
