"""How often the verdict on a residual is right, for answers whose faults are known.

Nothing is fitted: the answers are made from the truth of simulated scenes. The truth itself has to pass, with
the noise told and with the noise measured in the data, and each fault has to be found. Run it from this
folder; it takes about two minutes on one core.

    python verdicts.py [--seeds N]
"""

import argparse
from collections import defaultdict

import numpy as np
import scenes
import torch
from scipy.ndimage import gaussian_filter

from napari_dip import GaussianNoise, UnknownNoise
from napari_dip.diagnostics.diagnosis import diagnosis
from napari_dip.operators import Identity
from napari_dip.optim.iterate import Iterate, Unseen
from napari_dip.problem import Problem

SCENES = {
    "sky": scenes.sky,
    "dense sky": scenes.dense,
    "galaxies": scenes.galaxies,
    "empty": scenes.empty,
    "puncta": scenes.puncta,
    "filaments": scenes.filaments,
    "cells": scenes.cells,
    "cells, 5 photons": lambda seed: scenes.cells(seed, photons=5.0),
}


def photograph(seed):
    """Return a photograph of scikit-image with noise of σ = 15."""
    from skimage import data

    names = ("camera", "moon", "coins", "brick", "grass", "gravel")
    truth = getattr(data, names[seed % len(names)])()[:256, :256].astype(float)
    noise = GaussianNoise(15.0)
    return scenes.Scene(truth, noise, truth + np.random.default_rng(seed).normal(0, 15, truth.shape))


def answers(scene, random):
    """Yield the name of each fault, the truth with it, and the same for pixels that were not seen."""
    truth, sigma = scene.truth, scenes.deviation(scene.noise, scene.truth)
    noise = scene.data - truth
    yield "none", truth, truth
    yield "half of the noise kept", truth + 0.5 * noise, truth + 0.5 * np.roll(noise, 1, 0)
    for name, answer in _wrong(scene, truth, sigma, random):
        yield name, answer, answer


def _wrong(scene, truth, sigma, random):
    """Yield faults that have nothing to do with the noise."""
    yield "blurred by σ = 1 px", gaussian_filter(truth, 1.0)
    yield "0.6 σ of smooth error", truth + 0.6 * sigma * smooth(random, truth.shape)
    if scene.sources is not None:
        faint = truth.copy()
        sources = scene.sources
        for place, flux in zip(sources.places[sources.snr > 8], sources.flux[sources.snr > 8], strict=True):
            scenes.add(faint, sources.shape, place, -0.9 * flux)
        yield "sources above 8 σ lost", faint
        dim = truth.copy()
        for place, flux in zip(sources.places, sources.flux, strict=True):
            scenes.add(dim, sources.shape, place, -0.1 * flux)
        yield "sources too weak by 10 %", dim


def smooth(random, shape):
    """Return noise that is smooth over 3 pixels, of variance 1."""
    field = gaussian_filter(random.normal(size=shape), 3.0)
    return field / field.std()


def main():
    """Print the share of cases in which something was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=6)
    torch.set_num_threads(1)
    seeds = parser.parse_args().seeds
    found, words = defaultdict(list), defaultdict(list)
    names = {**SCENES, "photograph": photograph}
    for name, make in names.items():
        for seed in range(seeds):
            scene = make(seed)
            for fault, *pair in answers(scene, np.random.default_rng(seed)):
                for told in (True, False):
                    one = diagnosis(*judged(scene, pair, told, seed))
                    found[fault, told].append(one.consistent is False)
                    found[fault, told, name].append(one.consistent is False)
                    if fault == "none" and one.consistent is False:
                        words[name, told].append(one.findings[0])
    faults = list(dict.fromkeys(key[0] for key in found))
    print("| fault | noise told | noise measured | least, noise told |")
    print("|---|---|---|---|")
    for fault in faults:
        rates = {name: np.mean(found[fault, True, name]) for name in names if (fault, True, name) in found}
        least = min(rates, key=rates.get)
        both = (f"{np.mean(found[fault, told]):.0%} of {len(found[fault, told])}" for told in (True, False))
        print(f"| {fault} | {' | '.join(both)} | {rates[least]:.0%} ({least}) |")
    for key, said in words.items():
        print(key, said)


def judged(scene, pair, told, seed):
    """Return a problem and an iterate, a twentieth of whose pixels has not been seen."""

    def tensor(image):
        return torch.as_tensor(np.asarray(image), dtype=torch.float32)[None, None]

    data = tensor(scene.data)
    problem = Problem(data, Identity(), scene.noise if told else UnknownNoise(), torch.ones_like(data))
    unseen = torch.rand(data.shape, generator=torch.Generator().manual_seed(seed)) < 0.05
    answer, blind = map(tensor, pair)
    return problem, Iterate(0, answer, torch.tensor(0.0), unseen=Unseen(unseen, blind))


if __name__ == "__main__":
    main()
