"""Deep Image Prior on `house` (sigma = 25) and `cameraman` (half of the pixels missing).

    python benchmarks/first_light.py DATA [--output FILE.json]

DATA is a folder with ``denoise_sigma25/house_{clean,noisy}.png`` and
``inpaint_half/cameraman_{clean,masked,missing}.png``. Each row is printed and written as soon as it is
known; rows that the file has already are not measured again. The truth is used for the scores alone.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from napari_dip import DIP, PRESETS, Denoise, Inpaint, solve
from napari_dip.demo import psnr

# PSNR of the images that the authors of Deep Image Prior released, in dB.
CASES = {
    "house": ("denoise_sigma25/house", "noisy", 32.09),
    "cameraman": ("inpaint_half/cameraman", "masked", 29.80),
}
TIMED_UPDATES = 20


def load(path: Path) -> np.ndarray:
    """Return the grey levels of a file."""
    return np.asarray(Image.open(path)).astype(np.float32)


def problem(data: Path, case: str) -> tuple[np.ndarray, np.ndarray, dict]:
    """Return the damaged image, the truth, and what `solve` is told beside the image."""
    stem, kind, _ = CASES[case]
    options = {"task": Denoise()}
    if kind == "masked":
        options = {"task": Inpaint(), "missing": load(data / f"{stem}_missing.png")}
    return load(data / f"{stem}_{kind}.png"), load(data / f"{stem}_clean.png"), options


def quality(data: Path, case: str) -> dict:
    """Return PSNR of the answer and of the best moving average, and what they cost."""
    image, truth, options = problem(data, case)
    best, best_at, scoring, updates = -np.inf, 0, 0.0, 0
    began = time.perf_counter()
    for iterate in solve(image, method=DIP(), **options):
        paused = time.perf_counter()
        if iterate.index % 5 == 0 and iterate.outcome is None:
            at = psnr(iterate.x.numpy(), truth)
            if at > best:
                best, best_at = at, iterate.index
        updates = max(updates, iterate.index)
        scoring += time.perf_counter() - paused
    seconds = time.perf_counter() - began - scoring
    chosen = psnr(iterate.x.numpy(), truth)
    hidden = {}
    if "missing" in options:
        where = options["missing"] > 0
        authors = load(data / f"{CASES[case][0]}_authors_dip.png")
        hidden = {
            "missing_dB": round(psnr(iterate.x.numpy()[where], truth[where]), 2),
            "authors_missing_dB": round(psnr(authors[where], truth[where]), 2),
        }
    return {
        "chosen_dB": round(chosen, 2),
        "oracle_dB": round(max(best, chosen), 2),
        "gap_dB": round(max(best, chosen) - chosen, 2),
        "authors_dB": CASES[case][2],
        **hidden,
        "chosen_at": iterate.index,
        "oracle_at": best_at,
        "updates": updates,
        "seconds": round(seconds, 1),
        "outcome": iterate.outcome.name,
        "peak_GiB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
    }


def update(data: Path, preset: str) -> dict:
    """Return the median time of one update on `house`."""
    image, _, options = problem(data, "house")
    run = solve(image, method=replace(PRESETS[preset], iterations=1000), **options)
    for _ in islice(run, 3):
        pass
    times = []
    for _ in range(TIMED_UPDATES):
        began = time.perf_counter()
        next(run)
        times.append(time.perf_counter() - began)
    run.close()
    return {
        "update_ms": round(1000 * statistics.median(times), 1),
        "peak_GiB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
    }


ROWS = {
    "house": lambda data: quality(data, "house"),
    "cameraman": lambda data: quality(data, "cameraman"),
    "update": lambda data: update(data, "tapered"),
    "update classic fp32": lambda data: update(data, "classic"),
}


def one_core() -> None:
    """Keep this process and torch to a single core."""
    import torch

    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    torch.set_num_threads(1)


ROWS["update, one core"] = lambda data: (one_core(), update(data, "tapered"))[1]


def machine() -> str:
    """Return the processor's name and how many cores this process may use."""
    names = [
        line.split(":")[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if "model name" in line
    ]
    return f"{names[0] if names else platform.processor()}, {len(os.sched_getaffinity(0))} cores"


def main() -> None:
    """Measure the rows that are not known yet, each in a process of its own."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".json"))
    parser.add_argument("--row", choices=ROWS, help="measure this row only, and print it as JSON")
    arguments = parser.parse_args()
    if arguments.row:
        print(json.dumps(ROWS[arguments.row](arguments.data)))
        return
    known = (
        json.loads(arguments.output.read_text())
        if arguments.output.exists()
        else {"machine": machine(), "rows": {}}
    )
    for row in ROWS:
        if row not in known["rows"]:
            command = [sys.executable, __file__, str(arguments.data), "--row", row]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            known["rows"][row] = json.loads(done.stdout.splitlines()[-1])
            arguments.output.write_text(json.dumps(known, indent=2) + "\n")
        print(
            f"{row:22s}",
            "  ".join(f"{name} {value}" for name, value in known["rows"][row].items()),
            flush=True,
        )
    rows = known["rows"]
    ratio = rows["update classic fp32"]["update_ms"] / rows["update"]["update_ms"]
    print(f"an update of classic in fp32 takes {ratio:.1f} times as long ({known['machine']})")


if __name__ == "__main__":
    main()
