"""How to repeat a run: as a Python script, and as a command."""

import ast
import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from textwrap import indent
from typing import Any

from napari_dip.area import Area, written
from napari_dip.axes import Axes, Channels
from napari_dip.device import Device
from napari_dip.methods import DIP, PRESETS
from napari_dip.noise import NOISE_MODELS
from napari_dip.settings import restored
from napari_dip.solver.iterate import Outcome
from napari_dip.tasks import Task

_STOPPED = (Outcome.TIME_LIMIT.name, Outcome.ASKED.name)
_OPTIONS = ("channels", "saturated", "device", "seed", "stop_after")
_WIDTH = 80  # of a line of a script, without its indent
#: What the expressions for arrays may need.
_IMPORTS = {
    "Path": "from pathlib import Path",
    "np": "import numpy as np",
    "read": "from napari_dip.io import read",
    "read_mask": "from napari_dip.io import read_mask",
    "Axes": "from napari_dip.axes import Axes",
}


@dataclass(frozen=True)
class Recipe:
    """All that a run needs, beside the arrays, to give the same pixels again on the same machine.

    Parameters
    ----------
    task : Task
        What is to be undone.
    method : DIP
        How.
    axes : str
        One letter per axis.
    channels : {"together", "alone"}
        Fit channels together, or each as an image of its own.
    saturated : float, optional
        Grey level from which on values are missing.
    device : {"auto", "cpu", "cuda", "mps"}
        Where to compute.
    seed : int
        Of all random numbers.
    stop_after : int, optional
        Updates after which each frame is stopped.
    area : tuple of (int, int), optional
        First pixel, and the one after the last, along each axis of the whole image.
    missing_label : int, optional
        Only the pixels of the mask with this value are missing.
    caveats : tuple of str
        Sentences that say where the repeated run will differ.
    """

    task: Task
    method: DIP
    axes: str
    channels: Channels = "together"
    saturated: float | None = None
    device: Device = "auto"
    seed: int = 0
    stop_after: int | None = None
    area: Area | None = None
    missing_label: int | None = None
    caveats: tuple[str, ...] = ()

    @classmethod
    def of(cls, provenance: Mapping[str, Any]) -> "Recipe":
        """Read the recipe of a restoration off its provenance.

        A run that the clock or the user stopped gave the best iterate until then. Stopped after the updates
        of that one, it gives it again.

        Raises
        ------
        ValueError
            Something is absent, or not known to this version.
        """
        if absent := {"task", "method", "axes"} - provenance.keys():
            raise ValueError(f"the provenance lacks {', '.join(sorted(absent))}")
        source = provenance.get("source") or {}
        area = source.get("area")
        recipe = cls(
            restored(Task, provenance["task"]),
            restored(DIP, provenance["method"]),
            provenance["axes"],
            area=None if area is None else tuple((start, stop) for start, stop in area),
            missing_label=(source.get("missing") or {}).get("label"),
            **{name: provenance[name] for name in _OPTIONS if name in provenance},
        )
        return recipe._ending_as(provenance.get("frames", ()), provenance.get("shape"))

    def _ending_as(self, frames: Sequence[Mapping[str, Any]], shape: Sequence[int] | None) -> "Recipe":
        """Return the recipe with what follows from how the frames ended, and from how many there are."""
        looped = Axes(self.axes, self.channels).looped
        total = len(frames) if shape is None else math.prod(shape[axis] for axis in looped)
        ends = {frame["updates"] if frame["outcome"] in _STOPPED else None for frame in frames}
        stop_after, caveats = self.stop_after, []
        if ends - {None}:
            if len(ends) == 1 and len(frames) == total:
                (stop_after,) = ends
            else:
                caveats.append(
                    "Frames were stopped before their end, and not all after the same number of updates: "
                    "repeated, they run on."
                )
        if len(frames) < total:
            caveats.append(f"Only {len(frames)} of {total} frames were reached: repeated, all are restored.")
        method = self.method if stop_after is None else replace(self.method, time_limit=None)
        return replace(self, method=method, stop_after=stop_after, caveats=tuple(caveats))

    def python(self, image: str, missing: str | None = None) -> str:
        """Return a Python script that ends with ``restored = restore(...)``.

        Parameters
        ----------
        image : str
            Expression for the whole image, such as ``read(Path("cells.tif")).data``.
        missing : str, optional
            Expression for the mask, or for the labels, of the whole image.
        """
        lines = [f"image = {image}"]
        index = "" if self.area is None else f"[{written(self.area).replace(',', ', ')}]"
        arguments = [f"image{index}", _expression(self.task), _expression(self.method)]
        names = ["restore", *_classes(self.task), *_classes(self.method)]
        needed = _names(image)
        if missing is not None:
            needed |= _names(missing)
            if self.missing_label is None:
                lines.append(f"missing = {missing}")
            else:
                lines += [f"labels = {missing}", f"missing = labels == {self.missing_label}"]
            if index and set(self.axes) != {"Y", "X"}:  # it may have fewer axes
                needed.add("Axes")
                lines.append(f'missing = Axes("{self.axes}").broadcast("missing", missing, image.shape)')
            arguments.append(f"missing=missing{index}")
        changed = _changed(self)
        stop_after = changed.pop("stop_after", None)
        plain = [name for name in ("axes", *_OPTIONS) if name in changed]
        arguments += [f"{name}={_expression(changed[name])}" for name in plain]
        if stop_after is not None:
            names.append("Budget")
            arguments.append(f"until=Budget({stop_after})")
        imports = [line for name, line in _IMPORTS.items() if name in needed]
        imports.append(f"from napari_dip import {', '.join(sorted(set(names)))}")
        imports.sort(key=lambda line: line.split()[1])
        return "\n".join([*imports, "", *lines, f"restored = {_call('restore', arguments)}", ""])

    def command(self, image: str, output: str, missing: str | None = None) -> str:
        """Return a command line that does the same with files.

        Parameters
        ----------
        image, output : str
            Paths of the whole image, and of the file to write.
        missing : str, optional
            Path of the mask, or of the labels, of the whole image.

        Raises
        ------
        ValueError
            No flags say these settings.
        """
        common = {name: value for name, value in _changed(self).items() if name in ("axes", *_OPTIONS)}
        if self.area is not None:
            common["area"] = written(self.area)
        if missing is not None:
            common |= {"missing": missing, "missing_label": self.missing_label}
        task = _changed(self.task)
        noise = task.pop("noise", None)
        if noise is not None:
            kinds = {cls: name for name, cls in NOISE_MODELS.items()}
            task |= {"noise": kinds[type(noise)], **_changed(noise)}
        words = ["napari-dip", type(self.task).__name__.lower(), image, output]
        return shlex.join([*words, *_flags({**common, **task, **_preset(self.method)})])


def _preset(method: DIP) -> dict[str, Any]:
    """Return the preset that is nearest to a method, and the fields that differ from it."""
    found = {name: _changed(method, preset) for name, preset in PRESETS.items()}
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


def _changed(settings: Any, usual: Any = None) -> dict[str, Any]:
    """Return the fields that differ from the usual settings, by default from the class's own defaults."""
    values = {field.name: getattr(settings, field.name) for field in fields(settings)}
    defaults = {field.name: getattr(usual, field.name, field.default) for field in fields(settings)}
    return {name: value for name, value in values.items() if value != defaults[name]}


def _classes(settings: Any) -> list[str]:
    """Return the names of the classes in the expression for some settings."""
    nested = [value for value in _changed(settings).values() if is_dataclass(value)]
    return [type(settings).__name__, *(name for value in nested for name in _classes(value))]


def _expression(value: Any) -> str:
    if not is_dataclass(value):
        return f'"{value}"' if isinstance(value, str) else repr(value)
    changes = _changed(value).items()
    return _call(type(value).__name__, [f"{name}={_expression(one)}" for name, one in changes])


def _call(name: str, arguments: Sequence[str]) -> str:
    """Return a call on one line where it fits, else with one argument on each."""
    line = f"{name}({', '.join(arguments)})"
    if len(line) <= _WIDTH and "\n" not in line:
        return line
    inside = indent(",\n".join(arguments), "    ")
    return f"{name}(\n{inside},\n)"


def _names(expression: str) -> set[str]:
    return {node.id for node in ast.walk(ast.parse(expression)) if isinstance(node, ast.Name)}
