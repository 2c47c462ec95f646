"""The checklists of QUAREP-LiMi for image analysis, filled in as far as the provenance of a result tells."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import PureWindowsPath
from textwrap import indent
from typing import Any

from napari_dip.image.region import written
from napari_dip.methods import DIP, PKN, FineTune, Method
from napari_dip.restoration.paper.citations import Bibliography
from napari_dip.restoration.paper.methods import BUNDLED
from napari_dip.restoration.paper.software import device, libraries, package, repository, system
from napari_dip.restoration.provenance import Provenance
from napari_dip.restoration.recipe import Recipe, expression
from napari_dip.restoration.text import file_name

_BLANK = "…"
#: How a script reads the arrays that belong to an image.
_ARRAYS = {
    "missing": "read_mask(Path({}))",
    "noise_std": "read_noise_std(Path({}))[0]",
    "guide": "read(Path({})).data",
    "psf": "read(Path({})).data",
}


@dataclass(frozen=True)
class Item:
    """One line of a checklist.

    Parameters
    ----------
    level : str
        How important it is: "Minimal", "Recommended" or "Ideal".
    name : str
        What is asked for.
    answer : str
        What is known about it, or a question to the author.
    done : bool
        The provenance answers it.
    """

    level: str
    name: str
    answer: str
    done: bool = True


def checklists(found: Provenance, values: Mapping[str, Any], cite: Bibliography) -> Iterator[str]:
    """Yield the checklists that apply to a result, as text.

    Parameters
    ----------
    found : Provenance
        The run.
    values : mapping
        The provenance as it was written.
    cite : Bibliography
        Takes what the checklists cite.
    """
    source = cite("schmied2024")
    yield _written(f"Checklist for image-analysis workflows {source}", _workflow(found, values, cite))
    if isinstance(found.method, DIP | PKN | FineTune):
        yield _written(f"Checklist for machine-learning workflows {source}", _learning(found))


def _written(title: str, items: Iterator[Item]) -> str:
    lines, level = [title], ""
    for item in items:
        if item.level != level:
            level = item.level
            lines.append(f"{level}:")
        lines.append(f"[{'x' if item.done else ' '}] {item.name}: {item.answer}")
    return "\n".join(lines)


def _workflow(found: Provenance, values: Mapping[str, Any], cite: Bibliography) -> Iterator[Item]:
    """Yield the lines for established workflows."""
    source = found.source
    machine = ", ".join(part for part in (*libraries(found, cite), system(found), device(found)) if part)
    yield Item("Minimal", "Workflow and platform", f"{package(found, cite)}, {machine}.")
    yield Item(
        "Minimal",
        "Key settings",
        f"{expression(found.task)}, {expression(_portable(found.method))}, seed {found.seed}.",
    )
    if not found.task.noise.known:
        noise = "it was not stated; say whether it was measured independently."
    else:
        noise = f"say how the parameters were obtained (calibration, data sheet, estimate): {_BLANK}"
    yield Item("Minimal", "Key settings of the noise", noise, done=False)
    yield Item("Minimal", "Example data", f"where the original and the restored images are: {_BLANK}", False)
    if source.region is not None:
        region = written(source.region)
        yield Item("Minimal", "Manual ROIs", f"region {region}; say how it was chosen: {_BLANK}", False)
    elif source.missing is not None:
        yield Item("Minimal", "Manual ROIs", f"say how the mask was drawn, and deposit it: {_BLANK}", False)
    else:
        yield Item("Minimal", "Manual ROIs", "none; the image was restored as a whole.")
    yield Item("Minimal", "Exact version", f"{package(found, cite)}.")
    yield Item("Recommended", "All settings", _all_settings(found, values))
    yield Item("Recommended", "Public example", f"accession number of the data: {_BLANK}", False)
    yield Item("Ideal", "Documented usage", f"tutorial or screen recording: {_BLANK}", False)
    yield Item("Ideal", "Cloud-hosted or container", _BLANK, False)


def _learning(found: Provenance) -> Iterator[Item]:
    """Yield the lines for workflows with machine learning."""
    yield Item("Minimal", "Original method", "cited in the text above.")
    model, training = _model(found)
    yield model
    yield Item("Minimal", "Example or validation data", f"where they are: {_BLANK}", False)
    yield training
    address = repository()
    code = f"the code of the software is public{'' if address is None else f' at {address}'}."
    yield Item("Recommended", "Code available", code)
    yield Item(
        "Recommended",
        "Limitations",
        f"those that follow from the run are stated above; say how the result was validated: {_BLANK}",
        False,
    )
    yield Item("Recommended", "Cloud-hosted or container", _BLANK, False)


def _model(found: Provenance) -> tuple[Item, Item]:
    """Return the lines on the network and on what it was trained with."""
    access, data = ("Minimal", "Access to the model"), ("Recommended", "Training and test data")
    method = found.method
    weights = getattr(method, "weights", None)
    if isinstance(method, DIP):
        return (
            Item(
                *access, f"there is none: the network starts from random weights with the seed {found.seed}."
            ),
            Item(*data, "there are none: the network is fitted to the image itself."),
        )
    if isinstance(method, PKN) and (method.predictor != "network" or found.source.maps is not None):
        return (
            Item(*access, "no network was used: the parameters of the filter follow from its settings."),
            Item(*data, "there are none."),
        )
    if weights is None or (isinstance(method, FineTune) and weights in BUNDLED):
        return (
            Item(*access, "the network comes with the software, in the format safetensors."),
            Item(*data, "synthetic images that the software makes from a seed."),
        )
    what = "the network that was given in Python"
    if not (isinstance(method, FineTune) and method.given):
        what = f"the file {file_name(weights)}"
    return (
        Item(*access, f"deposit {what}: {_BLANK}", False),
        Item(*data, f"describe the data with which {what} was trained, and deposit them: {_BLANK}", False),
    )


def _all_settings(found: Provenance, values: Mapping[str, Any]) -> str:
    """Return the script that repeats a run."""
    source, recipe = found.source, Recipe.of(values)
    recipe = replace(recipe, method=_portable(recipe.method))
    arrays = {
        name: function.format(_path(place.path, name))
        for name, function in _ARRAYS.items()
        if (place := getattr(source, name)) is not None
    }
    try:
        script = recipe.python(_ARRAYS["guide"].format(_path(source.path, "image")), **arrays)
    except ValueError:  # no script can say this
        return "stored with the image, in its metadata."
    notes = "".join(f" {caveat}" for caveat in recipe.caveats)
    return f"stored with the image; this script repeats the run.{notes}\n{indent(script.rstrip(), '    ')}"


def _portable(method: Method) -> Method:
    """Return the method with the name of its file in place of the path."""
    weights = getattr(method, "weights", None)
    if weights is None or (isinstance(method, FineTune) and method.given):
        return method
    settings: Any = method
    portable: Method = replace(settings, weights=PureWindowsPath(weights).name)
    return portable


def _path(path: str | None, name: str) -> str:
    """Return the path in the script: the name of the file, without its folders."""
    return expression(f"{name}.tif" if path is None else PureWindowsPath(path).name)
