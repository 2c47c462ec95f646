"""Time and memory of Deep Image Prior: seconds to the answer, and how an iteration grows with the image.

    python benchmarks/cost.py DATA [--output FILE.json]

DATA is a folder with ``denoise_sigma25/house_{clean,noisy}.png``. Each row is measured in a process of its
own, printed and written as soon as it is known; rows that the file has already are not measured again. On a
machine with an accelerator that is what is measured, and its name is recorded.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
from common import load, machine, psnr

from napari_dip import DIP, PRESETS, Denoise, Iterate, solve

TIMED = 20  # iterations
#: What a recorded run of the published network in float32 reached on house, and after how many iterations.
CLASSIC_DB, CLASSIC_ITERATIONS = 32.03, 1325
SIZES = (128, 256, 512, 1024)


def house(data: Path) -> dict:
    """Return the seconds to the answer, and to what the published network reaches."""
    noisy, truth = (load(data / "denoise_sigma25" / f"house_{kind}.png") for kind in ("noisy", "clean"))
    scoring, reached = 0.0, None
    began = time.perf_counter()
    for iterate in solve(noisy, Denoise(), DIP()):
        paused = time.perf_counter()
        counts = iterate.index % 5 == 0 and not iterate.preparing
        if reached is None and counts and psnr(iterate.x.cpu().numpy(), truth) >= CLASSIC_DB:
            reached = {"iterations": iterate.index, "seconds": round(paused - began - scoring, 1)}
        scoring += time.perf_counter() - paused
    seconds = time.perf_counter() - began - scoring
    return {
        "dB": round(psnr(iterate.x.cpu().numpy(), truth), 2),
        "seconds": round(seconds, 1),
        "chosen_at": iterate.index,
        f"to_{CLASSIC_DB}_dB": reached,
    }


def fitted(image: np.ndarray, method: DIP) -> Iterator[Iterate]:
    """Yield the iterates of a fit."""
    for iterate in solve(image, Denoise(), method):
        if not iterate.preparing:
            yield iterate


def iteration(data: Path, preset: str, size: int) -> dict:
    """Return the median time of an iteration, and the memory above what the program itself takes."""
    import torch

    image = np.random.default_rng(0).normal(128, 30, (size, size, 3)).astype(np.float32)
    method = replace(PRESETS[preset], stopping="max-iterations", initial_estimate=False)
    for _ in islice(fitted(image[:32, :32], method), 3):  # loads libraries
        pass
    before = _memory(torch)
    run = fitted(image, method)
    for _ in islice(run, 3):
        pass
    times = []
    for _ in range(TIMED):
        began = time.perf_counter()
        next(run)
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
    run.close()
    mebibytes = (_memory(torch) - before) / 2**20
    return {
        "iteration_ms": round(1000 * statistics.median(times), 1),
        "MiB": round(mebibytes),
        "GiB_per_megapixel": round(mebibytes / 1024 / (size**2 / 1e6), 2),
        "microseconds_per_pixel": round(1e6 * statistics.median(times) / size**2, 3),
    }


def _memory(torch) -> int:
    """Return the most bytes that were taken until now, on the accelerator where there is one."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_reserved()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


ROWS = {
    "house": house,
    "classic fp32 256": partial(iteration, preset="classic", size=256),
    **{f"tapered {size}": partial(iteration, preset="tapered", size=size) for size in SIZES},
}


def main() -> None:
    """Measure the rows that are not known yet."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".json"))
    parser.add_argument("--row", choices=ROWS, help="measure this row here, and print it as JSON")
    arguments = parser.parse_args()
    if arguments.row:
        print(json.dumps(ROWS[arguments.row](arguments.data)))
        return
    known = json.loads(arguments.output.read_text()) if arguments.output.exists() else {}
    for row in ROWS:
        if row not in known:
            command = [sys.executable, __file__, str(arguments.data), "--row", row]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            known[row] = json.loads(done.stdout.splitlines()[-1]) | {"machine": machine()}
            arguments.output.write_text(json.dumps(known, indent=2) + "\n")
        print(f"{row:18s}", "  ".join(f"{name} {value}" for name, value in known[row].items()), flush=True)
    reached = known["house"][f"to_{CLASSIC_DB}_dB"]
    if reached:
        classic = CLASSIC_ITERATIONS * known["classic fp32 256"]["iteration_ms"] / 1000
        print(
            f"to {CLASSIC_DB} dB: {reached['seconds']} s, the published network {classic:.0f} s "
            f"({classic / reached['seconds']:.0f} times as long)"
        )


if __name__ == "__main__":
    main()
