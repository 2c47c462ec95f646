"""How to repeat a run: as a Python script, and as a command."""

import ast
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, is_dataclass, replace
from textwrap import indent
from types import NoneType
from typing import Any, Literal

import numpy as np

from napari_dip.device import Device
from napari_dip.image.axes import Axes, Channels
from napari_dip.image.region import Region
from napari_dip.methods import FineTune, Method
from napari_dip.optim.iterate import STOPPED_EARLY, Outcome
from napari_dip.restoration.crop import factors, refined
from napari_dip.restoration.frame_report import FrameReport
from napari_dip.restoration.provenance import Provenance
from napari_dip.restoration.series import Following
from napari_dip.settings import plain_fields
from napari_dip.tasks import Task

_STOPPED = (Outcome.TIME_LIMIT, Outcome.STOPPED, Outcome.RULE)
OPTIONS = (
    "channels",
    "saturation_level",
    "series",
    "device",
    "seed",
    "threads",
    "stop_after",
    "uncertainty",
)
#: Facts about the file of the image that only the command line can repeat.
FILE_OPTIONS = ("hdu", "mosaic", "dq_bits", "no_data")
_WIDTH = 80  # of a line of a script, without its indent
#: What the expressions for arrays may need.
_IMPORTS = {
    "Path": "from pathlib import Path",
    "np": "import numpy as np",
    "read": "from napari_dip.io import read",
    "read_mask": "from napari_dip.io import read_mask",
    "read_noise_std": "from napari_dip.io import read_noise_std",
    "Axes": "from napari_dip.image.axes import Axes",
    "guide_part": "from napari_dip.restoration.crop import guide_part",
    "resampled": "from napari_dip.psf.arrays import resampled",
}


@dataclass(frozen=True)
class Recipe:
    """All that a run needs, besides the arrays, to give the same pixels again on the same machine.

    Parameters
    ----------
    task : Task
        What is to be undone.
    method : Method
        How.
    axes : str
        One letter for each axis.
    channels : {"together", "separate"}
        Whether channels are restored together, or each as an image of its own.
    saturation_level : float, optional
        Grey level at and above which pixels are missing.
    series : {"warm_start", "drift", "independent"}
        How a frame follows the one before.
    device : {"auto", "cpu", "cuda", "mps"}
        Where to compute.
    seed : int
        Seed of all random numbers.
    threads : int, optional
        Number of threads in which torch computes.
    stop_after : int, optional
        Iterations after which each frame is stopped.
    uncertainty : bool
        Whether the uncertainty of the pixels is measured.
    roi : tuple of (int, int), optional
        The region that was restored: its first pixel, and the one after its last, along each axis of the
        whole image.
    missing_label : int, optional
        The value in the mask that marks missing pixels; any other than 0 where it is None.
    psf_ratio : tuple of float, optional
        Pixel size of the measured point spread function divided by the image's, along each spatial axis.
    hdu, mosaic, dq_bits, no_data : optional
        How the file of the image was read: options of the command line.
    caveats : tuple of str
        Sentences that say where the repeated run will differ.
    """

    task: Task
    method: Method
    axes: str
    channels: Channels = "together"
    saturation_level: float | None = None
    series: Following = "warm_start"
    device: Device = "auto"
    seed: int = 0
    threads: int | None = None
    stop_after: int | None = None
    uncertainty: bool = False
    roi: Region | None = None
    missing_label: int | None = None
    psf_ratio: tuple[float, ...] | None = None
    hdu: str | None = None
    mosaic: Literal["ignore"] | None = None
    dq_bits: str | None = None
    no_data: float | None = None
    caveats: tuple[str, ...] = ()

    @classmethod
    def of(cls, provenance: Mapping[str, Any]) -> "Recipe":
        """Read the recipe of a restoration from its provenance.

        A run that ended by the time limit, by the user or by the user's own rule gave its best iterate so
        far. A run that is stopped after the same number of iterations gives the same image.

        Raises
        ------
        ValueError
            Something is absent, unknown to this version, or can't be used. Provenance may come from a
            stranger's file, so each field is checked first.
        """
        found = Provenance.of(provenance)
        source = found.source
        recipe = cls(
            found.task,
            found.method,
            found.axes,
            roi=source.region,
            missing_label=None if source.missing is None else source.missing.label,
            psf_ratio=None if source.psf is None else source.psf.ratio,
            **{name: getattr(found, name) for name in OPTIONS},
            **{name: getattr(source, name) for name in FILE_OPTIONS},
        )
        recipe = recipe._ending_as(found.frames, found.shape)
        if found.own_rules and recipe.stop_after is None:
            names = ", ".join(found.own_rules)
            caveat = f"Its stopping rule {names} is your own: give it again as stopping_rule."
            recipe = replace(recipe, caveats=(*recipe.caveats, caveat))
        if found.noise_std and source.noise_std is None:
            caveat = "The noise of each pixel was an array: give it again as noise_std."
            recipe = replace(recipe, caveats=(*recipe.caveats, caveat))
        if any(getattr(source, name) is not None for name in FILE_OPTIONS):
            caveat = (
                "Options of the command line chose the image in its file, or marked pixels as missing. A "
                "script has to do the same itself."
            )
            recipe = replace(recipe, caveats=(*recipe.caveats, caveat))
        return recipe

    def _ending_as(self, frames: Sequence[FrameReport], shape: Sequence[int] | None) -> "Recipe":
        """Return the recipe with what follows from how the frames ended, and from how many there are."""
        frame_axes = Axes(self.axes, self.channels).frame_axes
        total = len(frames) if shape is None else math.prod(shape[axis] for axis in frame_axes)
        done = [frame for frame in frames if frame.outcome is not Outcome.FAILED]
        ends = {frame.iterations if frame.outcome in _STOPPED else None for frame in done}
        stop_after, caveats = self.stop_after, []
        if isinstance(self.method, FineTune) and self.method.given:
            caveats.append(
                f"Its network, the {_module(self.method)}, is in no file: give it in Python, "
                "by FineTune.of(network)."
            )
        if ends - {None}:
            if any(frame.note.startswith(STOPPED_EARLY) for frame in done):
                caveats.append(
                    "It was stopped before the fit began: repeated, its first estimate may differ."
                )
            if len(ends) == 1 and len(frames) == total:
                (stop_after,) = ends
            else:
                caveats.append(
                    "Frames were stopped early, and not all after the same number of iterations: repeated, "
                    "they run on."
                )
        if len(frames) < total:
            caveats.append(f"Only {len(frames)} of {total} frames were reached: repeated, all are restored.")
        method: Any = self.method
        if stop_after is not None and method.time_limit is not None:
            method = replace(method, time_limit=None)
        return replace(self, method=method, stop_after=stop_after, caveats=tuple(caveats))

    def python(
        self,
        image: str,
        missing: str | None = None,
        guide: str | None = None,
        psf: str | None = None,
        noise_std: str | None = None,
    ) -> str:
        """Return a Python script that ends with ``restored = restore(...)``.

        Parameters
        ----------
        image : str
            Expression for the whole image, such as ``read(Path("cells.tif")).data``.
        missing : str, optional
            Expression for the mask, or for the labels, of the whole image.
        guide : str, optional
            Expression for the guide of the whole restored image.
        psf : str, optional
            Expression for the point spread function as it was measured.
        noise_std : str, optional
            Expression for the noise of each pixel of the whole image.

        Raises
        ------
        ValueError
            One of these is no expression, or a setting is no plain value.
        """
        lines = [f"image = {image}"]
        index = _index(self.roi)
        arguments = [f"image{index}", expression(self.task), expression(self.method)]
        names = ["restore", *_classes(self.task), *_classes(self.method)]
        arrays = (image, missing, guide, psf, noise_std)
        needed = {name for one in arrays if one is not None for name in _names(one)}
        if missing is not None and self.missing_label is not None:
            lines.append(f"labels = {missing}")
            missing = f"labels == {expression(self.missing_label)}"
        for name, array in (("missing", missing), ("noise_std", noise_std)):
            if array is None:
                continue
            lines.append(f"{name} = {array}")
            if index and set(self.axes) != {"Y", "X"}:  # it may have fewer axes
                needed.add("Axes")
                axes = f"Axes({expression(self.axes)})"
                lines.append(f'{name} = {axes}.broadcast("{name}", {name}, image.shape)')
            arguments.append(f"{name}={name}{index}")
        if guide is not None:
            lines.append(f"guide = {guide}")
            part = ""
            if self.roi is not None:
                finer = factors(self.task, Axes(self.axes))
                if set(self.axes) <= set("ZYX"):
                    part = _index(refined(self.roi, finer))
                else:  # it may have fewer axes
                    needed |= {"Axes", "guide_part"}
                    place = f"Axes({expression(self.axes)}), {finer}, {expression(self.roi)}"
                    lines.append(f"guide = guide_part(guide, image.shape, {place})")
            arguments.append(f"guide=guide{part}")
        if psf is not None:
            if self.psf_ratio is not None:
                needed.add("resampled")
                psf = f"resampled({psf}, {expression(self.psf_ratio)})"
            arguments.append(f"psf={psf}")
        settings = changed(self)
        stop_after = settings.pop("stop_after", None)
        plain = [name for name in ("axes", *OPTIONS) if name in settings]
        arguments += [f"{name}={expression(settings[name])}" for name in plain]
        if stop_after is not None:
            names.append("MaxIterations")
            arguments.append(f"stopping_rule=MaxIterations({expression(stop_after)})")
        imports = [line for name, line in _IMPORTS.items() if name in needed]
        imports.append(f"from napari_dip import {', '.join(sorted(set(names)))}")
        imports.sort(key=lambda line: line.split()[1])
        return "\n".join([*imports, "", *lines, f"restored = {_call('restore', arguments)}", ""])


def _index(roi: Region | None) -> str:
    """Return the index of a region, as an expression."""
    if roi is None:
        return ""
    return f"[{', '.join(f'{expression(start)}:{expression(stop)}' for start, stop in roi)}]"


def _module(method: FineTune) -> str:
    """Return what to call a network that was given in Python."""
    *_, name = (method.weights or "").split(" ", 1)
    return f"module {name}" if name.isidentifier() else "module"


def changed(settings: Any, usual: Any = None) -> dict[str, Any]:
    """Return the fields that differ from the usual settings, by default from the class's own defaults."""
    values = {field.name: getattr(settings, field.name) for field in plain_fields(type(settings))}
    defaults = {
        field.name: getattr(usual, field.name, field.default) for field in plain_fields(type(settings))
    }
    return {name: value for name, value in values.items() if value != defaults[name]}


def _classes(settings: Any) -> list[str]:
    """Return the names of the classes in the expression for some settings."""
    nested = [value for value in changed(settings).values() if is_dataclass(value)]
    return [type(settings).__name__, *(name for value in nested for name in _classes(value))]


def expression(value: Any) -> str:
    """Return a value as Python writes it. Nothing but literals and the classes of settings can be written.

    Parameters
    ----------
    value : any
        A plain value or settings, of which those fields are written that differ from their defaults.

    Raises
    ------
    ValueError
        It is no plain value.
    """
    if is_dataclass(value) and not isinstance(value, type):
        changes = changed(value).items()
        return _call(type(value).__name__, [f"{name}={expression(one)}" for name, one in changes])
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, tuple):
        return f"({', '.join(map(expression, value))}{',' * (len(value) == 1)})"
    plain = value.item() if isinstance(value, np.generic) else value
    if not isinstance(plain, bool | int | float | NoneType) or (
        isinstance(plain, float) and not math.isfinite(plain)
    ):
        raise ValueError(f"a script can hold finite numbers and text only, got {value!r}")
    return repr(plain)


def _quoted(text: str) -> str:
    """Return text as Python writes it: in double quotes, unless it holds something that has to be escaped."""
    return f'"{text}"' if repr(text) == f"'{text}'" and '"' not in text else repr(text)


def _call(name: str, arguments: Sequence[str]) -> str:
    """Return a call on one line where it fits, else with one argument on each."""
    line = f"{name}({', '.join(arguments)})"
    if len(line) <= _WIDTH and "\n" not in line:
        return line
    inside = indent(",\n".join(arguments), "    ")
    return f"{name}(\n{inside},\n)"


def _names(expression: str) -> set[str]:
    """Return the names in an expression, which has to be a single one also where it becomes an argument."""
    try:
        tree = ast.parse(expression, mode="eval")
        ast.parse(f"({expression})", mode="eval")  # not so if it ends in a comment
    except (SyntaxError, ValueError) as error:
        raise ValueError(f"an array must be given as a Python expression, got {expression!r}") from error
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
