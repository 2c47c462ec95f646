"""What several benchmarks need."""

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np


def load(path: Path | str) -> np.ndarray:
    """Return the grey levels of an image file."""
    if str(path).endswith(".tif"):
        import tifffile

        return tifffile.imread(path).astype(np.float32)
    from PIL import Image

    return np.asarray(Image.open(path)).astype(np.float32)


def centre(image: np.ndarray, rows: int, columns: int | None = None) -> np.ndarray:
    """Return the middle of an image, at most so many pixels; all of a smaller one."""
    ends = []
    for n, wanted in zip(image.shape, (rows, columns or rows), strict=False):
        start = max(0, n - wanted) // 2
        ends.append(slice(start, start + min(n, wanted)))
    return image[tuple(ends)]


def gray(image: np.ndarray) -> np.ndarray:
    """Return the luma of ITU-R BT.601, as super-resolution is scored by, from grey levels 0 to 255."""
    return 16 + np.clip(image, 0, 255) @ np.array([65.481, 128.553, 24.966]) / 255


def psnr(image: np.ndarray, truth: np.ndarray, *, clip: bool = True) -> float:
    """Return the peak signal-to-noise ratio in dB, peak 255."""
    image = np.clip(image, 0, 255) if clip else image
    return float(10 * np.log10(255**2 / np.mean((image.astype(float) - truth) ** 2)))


def matched(image: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return an image after the gain and offset that bring it nearest to another."""
    gain, offset = np.polyfit(image.ravel().astype(float), truth.ravel().astype(float), 1)
    return gain * image + offset


def measure(
    rows: Mapping[str, object], wanted: Sequence[str], output: Path, command: Callable[[str], list[str]]
) -> None:
    """Measure the rows that a file lacks, each in a process of its own; print all, and write each at once.

    Parameters
    ----------
    rows : mapping of str
        By name.
    wanted : sequence of str
        How the names of those to measure begin; none for all.
    output : Path
        The file, in JSON.
    command : callable
        Returns the arguments of the script that measures one row and prints it as its last line.
    """
    known = json.loads(output.read_text()) if output.exists() else {}
    for name in rows:
        if wanted and not name.startswith(tuple(wanted)):
            continue
        if name not in known:
            done = subprocess.run(
                [sys.executable, *command(name)], stdout=subprocess.PIPE, text=True, check=True
            )
            known[name] = json.loads(done.stdout.splitlines()[-1]) | {"machine": machine()}
            output.write_text(json.dumps(known, indent=2) + "\n")
        print(f"{name:24s}", "  ".join(f"{key} {value}" for key, value in known[name].items()), flush=True)


def main(description: str | None, script: str, rows: Mapping[str, Callable[[Path], dict]]) -> None:
    """Measure the rows of a script that its file lacks, as the command line asks for.

    Parameters
    ----------
    description : str
        What the script says of itself.
    script : str
        Its path; the rows go to a file beside it.
    rows : mapping of str to callable
        Each is given the folder of the images, and returns what was measured.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("rows", nargs="*")
    parser.add_argument("--output", type=Path, default=Path(script).with_suffix(".json"))
    parser.add_argument("--alone", action="store_true", help="measure one row here, and print it as JSON")
    arguments = parser.parse_args()
    if arguments.alone:
        print(json.dumps(rows[arguments.rows[0]](arguments.data)))
        return
    data = str(arguments.data)
    measure(rows, arguments.rows, arguments.output, lambda name: [script, data, name, "--alone"])


def machine() -> str:
    """Return the accelerator's name, or the processor's and how many cores this process may use."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":")[1].strip() for line in lines if "model name" in line]
    cores = len(os.sched_getaffinity(0))
    return f"{names[0] if names else platform.processor()}, {cores} core{'s' if cores > 1 else ''}"
