"""Whether a series smears what moves by itself: simulated frames, restored alone, warm, and with drift.

    python benchmarks/series.py

A disc of another photograph goes over a background that stays in place, by 5 pixels a frame, under Gaussian
noise of sigma = 25. PSNR in dB of the frames after the first: of the whole image, of what lies around the
disc, and of the place that it has left since the frame before, where it would linger. Printed as a table.
"""

import time

import numpy as np
from common import psnr
from skimage import data

from napari_dip import DIP, Denoise, restore

SIDE, FRAMES, RADIUS, STEP = 128, 5, 12, (3, 4)


def scene() -> tuple[np.ndarray, list[np.ndarray]]:
    """Return the frames without noise, and where the disc is in each."""
    background = data.coins()[100 : 100 + SIDE, 180 : 180 + SIDE].astype(np.float32)
    texture = data.astronaut()[80 : 80 + SIDE, 190 : 190 + SIDE, 0].astype(np.float32)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    frames, discs = [], []
    for n in range(FRAMES):
        shift = n * np.array(STEP)
        row, column = np.array([30, 30]) + shift
        disc = (rows - row) ** 2 + (columns - column) ** 2 <= RADIUS**2
        frames.append(np.where(disc, np.roll(texture, shift, (0, 1)), background))
        discs.append(disc)
    return np.stack(frames), discs


def main() -> None:
    """Restore the series in each way."""
    from scipy.ndimage import binary_dilation

    truth, discs = scene()
    noisy = truth + np.random.default_rng(0).normal(0, 25, truth.shape).astype(np.float32)
    places = {
        "everything": [np.ones((SIDE, SIDE), bool)] * FRAMES,
        "around the disc": [binary_dilation(disc, iterations=4) for disc in discs],
        "where it has been": [discs[max(n - 1, 0)] & ~discs[n] for n in range(FRAMES)],
    }
    print("| series |", " | ".join(places), "| seconds |")
    for following in ("independent", "warm_start", "drift"):
        began = time.process_time()
        restored = restore(noisy, Denoise(), DIP(), axes="TYX", series=following).image
        seconds = time.process_time() - began
        scores = [
            np.mean([psnr(restored[n][where[n]], truth[n][where[n]]) for n in range(1, FRAMES)])
            for where in places.values()
        ]
        print(f"| {following} |", " | ".join(f"{score:.2f}" for score in scores), f"| {seconds:.0f} |")


if __name__ == "__main__":
    main()
