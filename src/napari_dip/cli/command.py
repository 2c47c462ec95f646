"""Writes the command that repeats a run."""

import shlex
import unicodedata
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from napari_dip.image.region import written
from napari_dip.methods import DIP, PRESETS, Method
from napari_dip.noise.models import NOISE_MODELS
from napari_dip.presentation import words_of_method, words_of_task
from napari_dip.psf.models import PSFS
from napari_dip.restoration.recipe import FILE_OPTIONS, OPTIONS, Recipe, changed
from napari_dip.tasks import Task

#: Unicode's categories of control characters, of line and paragraph separators, and of halves of a character.
_UNTYPABLE = ("Cc", "Cs", "Zl", "Zp")


def command_line(
    recipe: Recipe,
    image: str,
    output: str,
    missing: str | None = None,
    guide: str | None = None,
    psf: str | None = None,
    noise_std: str | None = None,
) -> str:
    """Return a command that repeats a run with files.

    Parameters
    ----------
    recipe : Recipe
        The settings of the run.
    image, output : str
        Paths of the whole image and of the file to write.
    missing : str, optional
        Path of the mask, or of the labels, for the whole image.
    guide : str, optional
        Path of the guide for the whole restored image.
    psf : str, optional
        Path of the point spread function as it was measured. The command resamples it if this file and the
        image state their pixel sizes.
    noise_std : str, optional
        Path of the noise of each pixel of the whole image.

    Returns
    -------
    str
        The command on one line, quoted for a POSIX shell.

    Raises
    ------
    ValueError
        No options of the command line give these settings, or a name holds a line break.
    """
    common = {
        name: value for name, value in changed(recipe).items() if name in ("axes", *OPTIONS, *FILE_OPTIONS)
    }
    if common.pop("uncertainty", False):
        common["uncertainty"] = _path(_uncertainty_beside(output))
    if recipe.roi is not None:
        common["roi"] = written(recipe.roi)
    if missing is not None:
        common |= {"missing": _path(missing), "missing_label": recipe.missing_label}
    common["noise_std"] = None if noise_std is None else _path(noise_std)
    common["guide"] = None if guide is None else _path(guide)
    values = {**common, **_task_values(recipe.task, psf), **_method_values(recipe.method)}
    command = words_of_task(type(recipe.task)).command
    words = ["napari-dip", command, _path(image), _path(output), *_options(values)]
    for word in words:
        if any(unicodedata.category(one) in _UNTYPABLE for one in word):
            raise ValueError(
                f"a command can't hold {word!r}, which has a line break or another control character: "
                "use the Python script, or rename the file"
            )
    return shlex.join(words)


def _uncertainty_beside(output: str) -> str:
    """Return the file for the standard errors beside that of the image."""
    place = PurePath(output)
    return str(place.with_name(f"{place.stem} uncertainty.tif"))


def _path(text: str) -> str:
    """Return a path as the command line reads it: neither as an option, nor as a list."""
    return f"./{text}" if text.startswith(("-", "[")) else text


def _task_values(task: Task, psf: str | None) -> dict[str, Any]:
    """Return the options for a task, its noise and its blur."""
    if task.needs_psf and psf is None:
        raise ValueError("the measured point spread function is in no file: save it as a file first")
    values = changed(task)
    noise = values.pop("noise", None)
    if noise is not None:
        values |= {"noise": _name(NOISE_MODELS, noise), **changed(noise)}
    blur = getattr(task, "psf", None)
    if blur is not None:
        values.pop("psf", None)
        values |= _psf_values(blur, psf)
    return values


def _psf_values(psf: Any, path: str | None) -> dict[str, Any]:
    """Return the options for a point spread function; the width of a formula has no default."""
    options = {f"psf_{name}": value for name, value in changed(psf).items()}
    if psf.measured:
        return {"psf": _path(str(path)), **options}
    name = _name(PSFS, psf)
    kind = {} if name == next(iter(PSFS)) else {"psf_kind": name}
    return {**kind, "psf_fwhm": psf.fwhm, **options}


def _method_values(method: Method) -> dict[str, Any]:
    """Return the options for a method: of Deep Image Prior, the nearest preset and what differs from it."""
    if not isinstance(method, DIP):
        return {"method": words_of_method(type(method)).command, **changed(method)}
    changes = {name: changed(method, preset) for name, preset in PRESETS.items()}
    fitting = {name: values for name, values in changes.items() if "network" not in values}
    if not fitting:
        raise ValueError(
            "the command line has no options for this network, only presets with their own: use the Python "
            "script"
        )
    nearest = min(fitting, key=lambda name: len(fitting[name]))
    preset = {} if nearest == next(iter(PRESETS)) else {"preset": nearest}
    return {**preset, **fitting[nearest]}


def _name(classes: Mapping[str, type], settings: Any) -> str:
    return next(name for name, cls in classes.items() if type(settings) is cls)


def _options(values: Mapping[str, Any]) -> list[str]:
    """Return values as words of a command."""
    words = []
    for name, value in values.items():
        option = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{option}" if value else f"--no-{option}")
        elif value is not None and str(value).startswith("-"):  # it would be taken for the next option
            words.append(f"--{option}={value}")
        elif value is not None:
            words += [f"--{option}", str(value)]
    return words
