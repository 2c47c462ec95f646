"""How to repeat a run on the command line."""

import shlex
from collections.abc import Mapping
from typing import Any

from napari_dip.image.region import written
from napari_dip.methods import DIP, PRESETS, Method
from napari_dip.noise.models import NOISE_MODELS
from napari_dip.presentation import words_of_method, words_of_task
from napari_dip.psf.models import PSFS
from napari_dip.restoration.recipe import OPTIONS, Recipe, changed
from napari_dip.settings import hints
from napari_dip.tasks import Task


def command_line(
    recipe: Recipe,
    image: str,
    output: str,
    missing: str | None = None,
    guide: str | None = None,
    psf: str | None = None,
) -> str:
    """Return a command that repeats a run with files.

    Parameters
    ----------
    recipe : Recipe
        Of the run.
    image, output : str
        Paths of the whole image, and of the file to write.
    missing : str, optional
        Path of the mask, or of the labels, of the whole image.
    guide : str, optional
        Path of the guide of the whole restored image.
    psf : str, optional
        Path of the point spread function as it was measured. It is resampled where this file and the
        image state their pixel sizes.

    Raises
    ------
    ValueError
        No flags say these settings.
    """
    common = {name: value for name, value in changed(recipe).items() if name in ("axes", *OPTIONS)}
    if recipe.roi is not None:
        common["roi"] = written(recipe.roi)
    if missing is not None:
        common |= {"missing": missing, "missing_label": recipe.missing_label}
    common["guide"] = guide
    words = ["napari-dip", words_of_task(type(recipe.task)).command, image, output]
    return shlex.join(
        [*words, *_flags({**common, **_task(recipe.task, psf), **_method(recipe.method, recipe.task)})]
    )


def _task(task: Task, psf: str | None) -> dict[str, Any]:
    """Return the flags of a task, and of its noise and blur."""
    if task.needs_psf and psf is None:
        raise ValueError("the point spread function is a measured one: save it as a file, and name that")
    values = changed(task)
    noise = values.pop("noise", None)
    if noise is not None:
        values |= {"noise": _name(NOISE_MODELS, noise), **changed(noise)}
    blur = getattr(task, "psf", None)
    if blur is not None:
        values.pop("psf", None)
        values |= {"psf": psf} if task.needs_psf else _formula(blur)
    return values


def _formula(psf: Any) -> dict[str, Any]:
    """Return the flags of a point spread function by formula; its width has no default."""
    name = _name(PSFS, psf)
    kind = {} if name == next(iter(PSFS)) else {"psf_kind": name}
    sizes = {"fwhm": psf.fwhm, **changed(psf)}
    return {**kind, **{f"psf_{name}": value for name, value in sizes.items()}}


def _method(method: Method, task: Task) -> dict[str, Any]:
    """Return the flags of a method."""
    if isinstance(method, DIP):
        return _preset(method)
    # What the task calls by the same name is another thing, and leaves the method no choice.
    own = {name: value for name, value in changed(method).items() if name not in hints(type(task))}
    return {"method": words_of_method(type(method)).command, **own}


def _name(kinds: Mapping[str, type], settings: Any) -> str:
    return next(name for name, kind in kinds.items() if type(settings) is kind)


def _preset(method: DIP) -> dict[str, Any]:
    """Return the preset that is nearest to a method, and the fields that differ from it."""
    found = {name: changed(method, preset) for name, preset in PRESETS.items()}
    found = {name: changes for name, changes in found.items() if "network" not in changes}
    if not found:
        raise ValueError(
            "the command line has no flags for this network, only presets with theirs: use the Python script"
        )
    name = min(found, key=lambda name: len(found[name]))
    usual = next(iter(PRESETS))
    return {**({} if name == usual else {"preset": name}), **found[name]}


def _flags(values: Mapping[str, Any]) -> list[str]:
    words = []
    for name, value in values.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        elif value is not None:
            words += [f"--{flag}", str(value)]
    return words
