"""Pretrained networks, and what data consistency and fine-tuning make of them.

    python benchmarks/finetuning.py DATA [ROW ...] [--output FILE.json]

DATA is a folder of test images with known truth (`benchmarks/README.md` names its files). Each row is
printed and written as soon as it is known; rows that the file has are not measured again. ROW is how the
names of the rows to measure begin; by default all are. PSNR is in dB, peak 255, of grey crops of 192 x 192
pixels without 4 at each border; the data are rounded to whole grey levels. All settings are the defaults:
strength of the noise, verdict, rate and end are found in the data. On a machine with an accelerator that is
what is measured.

- **network**: of what the network makes of the data. **back_projection**: after the step without an update:
  back-projection; of a denoiser, with the contrast that suits the noise.
- **plain_loss**: of 100 updates of the misfit alone, over the network. **gap**: to the best moment.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from common import centre, gray, load, main, psnr
from torch import Tensor

from napari_dip import Denoise, FineTune, GaussianNoise, GaussianPSF, SuperResolve, Task
from napari_dip.device import choose
from napari_dip.finetuning.consistency import Diagnosis
from napari_dip.finetuning.losses import consistency
from napari_dip.finetuning.session import Session
from napari_dip.finetuning.tuner import Tuning
from napari_dip.optim.fit import fit
from napari_dip.problem import Problem

SIDE, BORDER = 192, 4
PHOTOGRAPHS = ("butterfly", "bird", "zebra")
SCIENCE = ("andromeda", "cytoplasm", "fishembryo", "membrane", "mitochondria", "neurons")
#: Standard deviations of a blur that the network doesn't know, in pixels of the truth, and of the noise.
CASES = {"matched": (0, 0), "blur": (1.6, 0), "noise": (0, 5), "blur and noise": (1.6, 5)}
FWHM = 2.3548  # of a Gaussian, in standard deviations
EVERY = 10  # updates from one look at what the answer would be to the next
FEW = ("butterfly", "membrane", "neurons")  # for networks that take a minute an image
LOST = 1.0  # dB that a spoilt network loses
DEVICE = choose("auto")


@cache
def images(data: Path) -> dict[str, np.ndarray]:
    """Return the truths by name, each of shape ``(192, 192)``, whole grey levels."""
    found = {name: gray(load(data / "sr_x4" / f"{name}_high.png")) for name in PHOTOGRAPHS}
    found |= {name: load(data / "science_clean" / f"{name}.png") for name in SCIENCE}
    return {name: centre(image, SIDE).round().astype(np.float32) for name, image in found.items()}


def degraded(truth: np.ndarray, factor: int, blur: float, sigma: float) -> tuple[np.ndarray, Task]:
    """Return the data of an image, and the task that names how they came about, but for the noise."""
    if factor == 1:
        task: Task = Denoise()
        clean = torch.from_numpy(truth)[None, None]
    else:
        psf = GaussianPSF(FWHM * blur / factor) if blur else None
        task = SuperResolve(factor=factor, downsampling="bicubic", psf=psf)
        operator = task.operator((len(truth) // factor,) * 2)
        beyond = (operator.grid((len(truth) // factor,) * 2).shape[0] - len(truth)) // 2
        wide = torch.nn.functional.pad(torch.from_numpy(truth)[None, None], (beyond,) * 4, mode="reflect")
        clean = operator(wide)
    noise = sigma * np.random.default_rng(0).normal(size=clean.shape[2:])
    return (clean[0, 0].numpy() + noise).round().clip(0, 255).astype(np.float32), task


def score(x: Tensor, held: Session, truth: np.ndarray) -> float:
    """Return the PSNR of an image on the problem's grid."""
    inside = np.s_[BORDER:-BORDER, BORDER:-BORDER]
    return psnr(held.view.whole.on_data(x)[0, 0].cpu().numpy()[inside], truth[inside])


def problem_of(data: np.ndarray, task: Task) -> Problem:
    """Return what the restored image has to explain."""
    batch = torch.from_numpy(data)[None, None].to(DEVICE)
    return task.problem(batch, task.operator(data.shape).to(DEVICE), torch.ones_like(batch))


def restored(method: FineTune, truth: np.ndarray, data: np.ndarray, task: Task) -> dict:
    """Return the PSNR of each step of the method on an image, and of what else could have been done.

    Parameters
    ----------
    method : FineTune
        With its network.
    truth, data : ndarray
        The image, and what was measured of it.
    task : Task
        How that came about.
    """
    problem = problem_of(data, task)
    began = time.perf_counter()
    held = method.held(problem)
    row = {"network": score(held.first, held, truth), "finding": held.verdict.finding.value}
    row["sigma"] = held.verdict.sigma
    row["back_projection"] = score(held.begun(), held, truth)
    row["verdict_s"] = time.perf_counter() - began
    row["plain"] = plain(method, problem, truth)
    if held.verdict.finding is Diagnosis.CONSISTENT:
        return row | {"answer": row["network"], "gap": 0.0, "updates": 0, "answer_s": row["verdict_s"]}
    tuning = Tuning(held.restorer, held.view, "sure" if held.noisy else "plain", generator())
    looks = {}
    spent = 0.0
    *_, rate = tuning.trials()
    for step in tuning.steps(method.iterations, rate):
        paused = time.perf_counter()
        if step.outcome is None and step.index % EVERY == 0:
            looks[step.index] = score(held.last(self_ensemble=False), held, truth)
        spent += time.perf_counter() - paused
    chosen = score(held.last(self_ensemble=False), held, truth)
    row |= {"answer": score(held.last(self_ensemble=True), held, truth), "updates": step.index}
    row["gap"] = max(max(looks.values()) - chosen, 0.0)
    row["answer_s"] = time.perf_counter() - began - spent
    return row


def plain(method: FineTune, problem: Problem, truth: np.ndarray) -> float:
    """Return the PSNR after 100 updates of nothing but the mean of (A f(y) - y)^2, as in the paper."""
    held = method.held(problem)
    held.restorer.reading = held.usual
    part = held.view.whole
    samples = (consistency(held.view.parts(one), one) for one in iter(generator, None))
    for _ in fit(held.restorer, islice(samples, 100), learning_rate=1e-4):
        pass
    with torch.no_grad():
        return score(part.x(held.restorer(part.shown)), held, truth)


def generator() -> torch.Generator:
    """Return the generator that a run begins with."""
    return torch.Generator().manual_seed(0)


def summarised(rows: dict[str, dict]) -> dict:
    """Return the means over the images, the gains of each, and what the verdicts were."""

    def mean(key: str) -> float:
        return round(float(np.mean([one[key] for one in rows.values()])), 2)

    network, projected, answer = (mean(key) for key in ("network", "back_projection", "answer"))
    return {
        "network": network,
        "back_projection": projected,
        "answer": answer,
        "gain": round(answer - network, 2),
        "over_back_projection": round(answer - projected, 2),
        "worst_gain": round(min(one["answer"] - one["network"] for one in rows.values()), 2),
        "plain_loss": round(mean("plain") - network, 2),
        "gap": mean("gap"),
        "verdicts": {one.value: sum(r["finding"] == one.value for r in rows.values()) for one in Diagnosis},
        "each": {name: round(one["answer"] - one["network"], 2) for name, one in rows.items()},
        "sigma": {name: round(one["sigma"], 2) for name, one in rows.items()},
        "verdict_s": mean("verdict_s"),
        "answer_s": mean("answer_s"),
    }


def case(
    data: Path,
    weights: str,
    factor: int,
    blur: float = 0,
    sigma: float = 0,
    names: tuple[str, ...] = (),
    *,
    told: bool = False,
) -> dict:
    """One network on data of one kind; how strong the noise is has to be found, or is told."""
    method = FineTune(weights=str(data / "pretrained" / weights) if "." in weights else weights)
    rows = {}
    for name, truth in images(data).items():
        if not names or name in names:
            observed, task = degraded(truth, factor, blur, sigma)
            task = replace(task, noise=GaussianNoise(sigma)) if told else task
            rows[name] = restored(method, truth, observed, task)
    return summarised(rows)


def spoilt(data: Path) -> dict:
    """The x4 network with noise in the weights of its last layer, as much as costs it 1 dB in the mean."""
    truths = images(data)
    cases = {name: degraded(truth, 4, 0, 0) for name, truth in truths.items()}
    own = FineTune().pretrained(problem_of(*next(iter(cases.values()))))
    last = [value for value in own.network.parameters() if value.ndim == 4][-1]
    noise = torch.randn(last.shape, generator=generator()) * last.std()

    def lost(strength: float) -> tuple[FineTune, float]:
        before = last.detach().clone()
        last.data += strength * noise
        method = FineTune.of(own.network, factor=4)
        last.data.copy_(before)
        losses = []
        for name, (observed, task) in cases.items():
            held, sound = (one.held(problem_of(observed, task)) for one in (method, FineTune()))
            losses.append(score(sound.first, sound, truths[name]) - score(held.first, held, truths[name]))
        return method, float(np.mean(losses))

    low, high = 0.0, 1.0
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (middle, high) if lost(middle)[1] < LOST else (low, middle)
    method, loss = lost(high)
    row = summarised({name: restored(method, truths[name], *one) for name, one in cases.items()})
    return row | {"lost": round(loss, 2), "recovered": round(row["gain"] / loss, 2)}


def cost(data: Path) -> dict:
    """Seconds for 256 x 256 data, with the networks that come with the package; the second run of two."""
    found = {}
    truth = load(data / "science_clean" / "cytoplasm.png").round().astype(np.float32)
    truth = np.pad(truth, [(0, max(0, 1024 - n)) for n in truth.shape], mode="reflect")
    for factor in (2, 4):
        observed, task = degraded(truth[: 256 * factor, : 256 * factor], factor, 1.6, 0)
        problem = problem_of(observed, task)
        for action in ("back-projection", "auto"):
            for _ in range(2):  # the first one loads libraries
                began = time.perf_counter()
                *_, answer = FineTune(action=action).solve(problem)
                answer.x.cpu()
                found[f"x{factor} {action}_s"] = round(time.perf_counter() - began, 2)
    return found


ROWS: dict[str, Callable[[Path], dict]] = {
    f"{weights} x{factor}: {name}": partial(case, weights=weights, factor=factor, blur=blur, sigma=sigma)
    for weights, factor in (("compact", 2), ("compact", 4), ("vdsr", 4))
    for name, (blur, sigma) in CASES.items()
}
ROWS |= {
    f"compact x4: {name}, told": partial(case, weights="compact", factor=4, blur=blur, sigma=sigma, told=True)
    for name, (blur, sigma) in CASES.items()
    if sigma
}
ROWS |= {
    "vdsr x3: changed scale": partial(case, weights="vdsr", factor=3, names=FEW),
    "compact x4: spoilt": spoilt,
}
ROWS |= {
    f"{weights}: sigma {sigma}": partial(case, weights=weights, factor=1, sigma=sigma, names=FEW)
    for weights in ("dncnn", "dncnn_sigma25_gray.pth")
    for sigma in (15, 40)
}
ROWS |= {
    f"dctlsa_x4.pt x4: {name}": partial(
        case,
        weights="dctlsa_x4.pt",
        factor=4,
        blur=blur,
        sigma=sigma,
        names=FEW,
    )
    for name, (blur, sigma) in CASES.items()
}
ROWS["cost"] = cost


if __name__ == "__main__":
    main(__doc__, __file__, ROWS)
