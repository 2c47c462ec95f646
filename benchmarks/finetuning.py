"""How data consistency and fine-tuning improve the results of pretrained networks.

    python benchmarks/finetuning.py DATA [ROW ...] [--output FILE.json]

DATA is a folder of test images with known truth (`benchmarks/README.md` names its files). Each row is
printed and written as soon as it is measured. Rows that the file has are not measured again. ROW is the
beginning of the names of the rows to measure; by default all are measured. PSNR is in dB, peak 255, for grey
crops of 192 x 192 pixels without 4 pixels at each border. The data are rounded to whole grey levels. All
settings are the defaults: the noise, the diagnosis, the step size and the end are found in the data. If the
machine has an accelerator, it is used.

- **network**: the network's output. **back_projection**: the result without fine-tuning, that is, after
  back-projection, or for a denoiser with the contrast that suits the noise.
- **plain_loss**: the gain over the network from 100 iterations with the misfit alone. **gap**: what would be
  gained by stopping at the best moment.
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
from napari_dip.finetuning.losses import plain_loss
from napari_dip.finetuning.session import Session
from napari_dip.finetuning.tuner import Tuner
from napari_dip.optim.fit import fit
from napari_dip.problem import Problem
from napari_dip.steps import finished

SIDE, BORDER = 192, 4
PHOTOGRAPHS = ("butterfly", "bird", "zebra")
SCIENCE = ("andromeda", "cytoplasm", "fishembryo", "membrane", "mitochondria", "neurons")
#: Standard deviations of a blur that the network doesn't know, in pixels of the truth, and of the noise.
CASES = {"matched": (0, 0), "blur": (1.6, 0), "noise": (0, 5), "blur and noise": (1.6, 5)}
FWHM = 2.3548  # of a Gaussian, in standard deviations
EVERY = 10  # iterations from one PSNR of what the answer would be to the next
FEW = ("butterfly", "membrane", "neurons")  # for networks that take a minute an image
LOST = 1.0  # dB that a corrupted network loses
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


def score(x: Tensor, session: Session, truth: np.ndarray) -> float:
    """Return the PSNR of an image on the problem's grid."""
    inside = np.s_[BORDER:-BORDER, BORDER:-BORDER]
    return psnr(session.sampler.whole.on_data(x)[0, 0].cpu().numpy()[inside], truth[inside])


def problem_of(data: np.ndarray, task: Task) -> Problem:
    """Return what the restored image has to explain."""
    batch = torch.from_numpy(data)[None, None].to(DEVICE)
    return task.problem(batch, task.operator(data.shape).to(DEVICE), torch.ones_like(batch))


def restored(method: FineTune, truth: np.ndarray, data: np.ndarray, task: Task) -> dict:
    """Return the PSNR after each step of the method, and that of alternatives.

    Parameters
    ----------
    method : FineTune
        The settings, with a network.
    truth, data : ndarray
        The image, and the data.
    task : Task
        How the data were made from the image.
    """
    problem = problem_of(data, task)
    began = time.perf_counter()
    session = method.session(problem)
    row = {
        "network": score(session.network_output, session, truth),
        "diagnosis": session.report.diagnosis.value,
        "sigma": session.report.sigma,
        "back_projection": score(finished(session.first_correction()), session, truth),
        "check_s": time.perf_counter() - began,
    }
    row["plain"] = plain(method, problem, truth)
    if session.report.diagnosis is Diagnosis.CONSISTENT:
        return row | {"answer": row["network"], "gap": 0.0, "iterations": 0, "answer_s": row["check_s"]}
    tuner = Tuner(session.restorer, session.sampler, "sure" if session.noisy else "plain", generator())
    looks = {}
    spent = 0.0
    finished(tuner.prepare())
    for update in tuner.updates(method.iterations, finished(tuner.choose_rate())):
        paused = time.perf_counter()
        if update is not None and update.index % EVERY == 0:
            looks[update.index] = score(finished(session.final_image(ensemble=False)), session, truth)
        spent += time.perf_counter() - paused
    chosen, answer = (
        score(finished(session.final_image(ensemble=ensemble)), session, truth) for ensemble in (False, True)
    )
    row |= {"answer": answer, "iterations": tuner.best}
    row["gap"] = max(max(looks.values()) - chosen, 0.0)
    row["answer_s"] = time.perf_counter() - began - spent
    return row


def plain(method: FineTune, problem: Problem, truth: np.ndarray) -> float:
    """Return the PSNR after 100 iterations with the mean of (A f(y) - y)^2 alone, as in the paper."""
    session = method.session(problem)
    session.restorer.mapping = session.usual_mapping
    whole = session.sampler.whole
    samples = (plain_loss(session.sampler.patches(one), one) for one in iter(generator, None))
    for _ in fit(session.restorer, islice(samples, 100), learning_rate=1e-4):
        pass
    with torch.no_grad():
        return score(whole.x(session.restorer(whole.shown)), session, truth)


def generator() -> torch.Generator:
    """Return a generator with the default seed."""
    return torch.Generator().manual_seed(0)


def summarised(rows: dict[str, dict]) -> dict:
    """Return the means over the images, and the gain, the noise and the diagnosis of each."""

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
        "diagnoses": {
            one.value: sum(r["diagnosis"] == one.value for r in rows.values()) for one in Diagnosis
        },
        "each": {name: round(one["answer"] - one["network"], 2) for name, one in rows.items()},
        "sigma": {name: round(one["sigma"], 2) for name, one in rows.items()},
        "check_s": mean("check_s"),
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
    """Measure one network on data of one kind. The noise is measured, or it is given by the noise model."""
    method = FineTune(weights=str(data / "pretrained" / weights) if "." in weights else weights)
    rows = {}
    for name, truth in images(data).items():
        if not names or name in names:
            observed, task = degraded(truth, factor, blur, sigma)
            task = replace(task, noise=GaussianNoise(sigma)) if told else task
            rows[name] = restored(method, truth, observed, task)
    return summarised(rows)


def spoilt(data: Path) -> dict:
    """Measure the x4 network after noise in its last layer has cost it 1 dB on average."""
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
            sessions = [one.session(problem_of(observed, task)) for one in (FineTune(), method)]
            sound, spoilt = (score(one.network_output, one, truths[name]) for one in sessions)
            losses.append(sound - spoilt)
        return method, float(np.mean(losses))

    low, high = 0.0, 1.0
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (middle, high) if lost(middle)[1] < LOST else (low, middle)
    method, loss = lost(high)
    row = summarised({name: restored(method, truths[name], *one) for name, one in cases.items()})
    return row | {"lost": round(loss, 2), "recovered": round(row["gain"] / loss, 2)}


def cost(data: Path) -> dict:
    """Measure the seconds for 256 x 256 data with the bundled networks, in the second run of two."""
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
