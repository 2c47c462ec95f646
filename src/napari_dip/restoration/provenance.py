"""Reads provenance, which may come from a stranger's file: every field is checked before anything uses it."""

import sys
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from enum import Enum
from functools import cache
from types import NoneType
from typing import Annotated, Any, Self, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Interval, Len

from napari_dip.device import Device
from napari_dip.image.axes import Axes, Channels
from napari_dip.image.region import Region
from napari_dip.methods import METHODS, Method
from napari_dip.restoration.legacy import updated
from napari_dip.restoration.result import FrameReport
from napari_dip.restoration.series import Following
from napari_dip.restoration.text import one_line
from napari_dip.settings import check_value, from_dict
from napari_dip.tasks import Task

#: Provenance is never nested as deeply, and holds no larger integer.
_DEEPEST, _LARGEST = 10, 2**63
_LONGEST = 500  # characters of an error message

_Count = Annotated[int, Ge(0)]


@dataclass(frozen=True)
class Place:
    """Where the pixels of an array are from.

    Parameters
    ----------
    layer : str, optional
        Name of the layer, or of the file without its suffix.
    path : str, optional
        The file.
    multiscale : bool
        Whether the layer has several levels, of which the finest was used.
    same_grid : bool
        Whether the array has the pixels of the image that it goes with.
    label : int, optional
        The value in a mask that marks missing pixels.
    ratio : tuple of float, optional
        Pixel size of a point spread function divided by that of the image, along each spatial axis.
    """

    layer: str | None = None
    path: str | None = None
    multiscale: bool = False
    same_grid: bool = True
    label: int | None = None
    ratio: tuple[Annotated[float, Gt(0)], ...] | None = None


@dataclass(frozen=True)
class Source:
    """Where an image and the arrays that belong to it are from.

    Parameters
    ----------
    layer, path, multiscale
        As in `Place`.
    roi : tuple of (int, int), optional
        The region that was restored.
    missing, guide, psf : Place, optional
        The mask, the guide and the point spread function.
    maps : dict of str to str, optional
        The edited maps that were applied: their layers, or their file.
    """

    layer: str | None = None
    path: str | None = None
    multiscale: bool = False
    roi: tuple[Annotated[tuple[_Count, ...], Len(2, 2)], ...] | None = None
    missing: Place | None = None
    guide: Place | None = None
    psf: Place | None = None
    maps: dict[str, str] | None = None

    @property
    def region(self) -> Region | None:
        """The region that was restored, or None if it was the whole image."""
        return None if self.roi is None else tuple((start, stop) for start, stop in self.roi)


@dataclass(frozen=True)
class Provenance:
    """How an image was restored, as `restore` and the programs around it write it down.

    Parameters
    ----------
    task, method
        The settings.
    axes : str
        One letter for each axis.
    channels, saturation_level, series, device, seed
        Arguments of `restore`.
    stop_after : int, optional
        Iterations after which each frame was to stop.
    own_rules : tuple of str
        Names of the stopping rules that the user wrote.
    shape : tuple of int, optional
        Shape of the image.
    frames : tuple of FrameReport
        How the run of each frame ended.
    source : Source
        Where the image is from.
    tuned : float
        Share of what a network learnt that its weights have.
    maps : tuple of str
        Names of the maps that the file holds in place of an image.
    version, torch : str
        Versions of this package and of torch.
    """

    task: Task
    method: Method
    axes: str
    channels: Channels = "together"
    saturation_level: float | None = None
    series: Following = "warm_start"
    device: Device = "auto"
    seed: Annotated[int, Interval(ge=0, lt=_LARGEST)] = 0
    stop_after: _Count | None = None
    own_rules: tuple[str, ...] = ()
    shape: tuple[Annotated[int, Ge(1)], ...] | None = None
    frames: tuple[FrameReport, ...] = ()
    source: Source = Source()
    tuned: Annotated[float, Interval(ge=0, le=1)] = 1.0
    maps: tuple[str, ...] = ()
    version: str = field(default="", metadata={"key": "napari-dip"})
    torch: str = ""

    @classmethod
    def of(cls, values: Any) -> Self:
        """Read a provenance that this version or an older one wrote.

        Parameters
        ----------
        values : mapping
            Plain JSON values, from anywhere.

        Raises
        ------
        ValueError
            A field is absent or unknown, or its value can't be used. The message names the field, what was
            wanted and what came.
        """
        if not isinstance(values, Mapping):
            raise ValueError(f"the provenance must be a mapping, got {type(values).__name__}")
        if absent := [name for name in ("axes", "method", "task") if name not in values]:
            raise ValueError(f"the provenance lacks {', '.join(absent)}")
        try:
            _refuse_other_values("it", values)
            known = updated(values)
            if known.get("source") is None:
                known["source"] = {}
            return cls(**_fields("it", known, cls))
        except (TypeError, ValueError) as error:
            reason = one_line(str(error))
            reason = reason if len(reason) <= _LONGEST else f"{reason[:_LONGEST]}…"
            raise ValueError(f"the provenance can't be used: {reason}") from error

    def __post_init__(self) -> None:
        if not self.axes.isascii():
            raise ValueError(f"axes must be letters from A to Z, got {self.axes!r}")
        axes = Axes(self.axes, self.channels)
        object.__setattr__(self, "axes", axes.letters)
        region = self.source.region
        for name, part in (("shape", self.shape), ("source.roi", region)):
            if part is not None and len(part) != len(axes.letters):
                raise ValueError(
                    f"{name} must have one entry for each of the axes {axes.letters}, got {len(part)}"
                )
        if region is not None and not all(start < stop for start, stop in region):
            raise ValueError(f"source.roi must have ranges whose start lies before their end, got {region}")
        ratio = None if self.source.psf is None else self.source.psf.ratio
        if ratio is not None and len(ratio) != len(axes.spatial):
            raise ValueError(
                f"source.psf.ratio must have one entry for each of {len(axes.spatial)} spatial axes, "
                f"got {len(ratio)}"
            )
        if any(not name.isidentifier() for name in self.own_rules):
            raise ValueError(f"own_rules must be names of classes, got {self.own_rules!r}")


def _refuse_other_values(name: str, value: Any, depth: int = 0) -> None:
    """Refuse what JSON does not have, and what is too large or too deep for any provenance."""
    if depth > _DEEPEST:
        raise ValueError(f"{name} must be nested at most {_DEEPEST} levels deep")
    if isinstance(value, Mapping):
        for key, one in value.items():
            if not isinstance(key, str):
                raise ValueError(f"{name} must have text for keys, got {type(key).__name__}")
            _refuse_other_values(_within(name, key), one, depth + 1)
    elif isinstance(value, list | tuple):
        for at, one in enumerate(value):
            _refuse_other_values(f"{name}[{at}]", one, depth + 1)
    elif isinstance(value, int):
        if not -_LARGEST <= value < _LARGEST:
            raise ValueError(f"{name} must be an integer of at most 64 bits, got {value.bit_length()} bits")
    elif isinstance(value, float):
        if not abs(value) <= sys.float_info.max:
            raise ValueError(f"{name} must be finite, got {value}")
    elif not isinstance(value, str | NoneType):
        raise ValueError(f"{name} must be text, a number, a list or a mapping, got {type(value).__name__}")


def _within(name: str, key: str) -> str:
    return key if name == "it" else f"{name}.{key}"


@cache
def _hints(cls: type) -> Mapping[str, tuple[Field[Any], Any]]:
    """Return each field of a dataclass and its annotation, by the key that JSON has for it."""
    annotations = get_type_hints(cls, include_extras=True)
    return {one.metadata.get("key", one.name): (one, annotations[one.name]) for one in fields(cls)}


def _fields(name: str, values: Any, cls: type) -> dict[str, Any]:
    """Return the arguments of a dataclass."""
    if not isinstance(values, Mapping):
        raise ValueError(f"{name} must be a mapping, got {values!r}")
    known = _hints(cls)
    if unknown := [key for key in values if key not in known]:
        raise ValueError(f"{name} has {', '.join(unknown)}, which this version does not know")
    needed = [key for key, (one, _) in known.items() if one.default is MISSING]
    if absent := [key for key in needed if key not in values]:
        raise ValueError(f"{name} lacks {', '.join(absent)}")
    return {
        known[key][0].name: _read(_within(name, key), value, known[key][1]) for key, value in values.items()
    }


def _read(name: str, value: Any, hint: Any) -> Any:
    """Return what plain JSON stands for in a field, of the type and within the limits of its annotation."""
    found = _converted(name, value, hint)
    if hint is not Method:  # a protocol, whose settings have checked themselves
        check_value(name, found, hint)
    return found


def _converted(name: str, value: Any, hint: Any) -> Any:
    if get_origin(hint) is Annotated:
        return _converted(name, value, get_args(hint)[0])
    if NoneType in get_args(hint):
        (inner,) = (one for one in get_args(hint) if one is not NoneType)
        return None if value is None else _converted(name, value, inner)
    if hint in (Task, Method):
        return from_dict(Task if hint is Task else METHODS, value)
    if get_origin(hint) is tuple and isinstance(value, list | tuple):
        inner = get_args(hint)[0]
        return tuple(_converted(f"{name}[{at}]", one, inner) for at, one in enumerate(value))
    if get_origin(hint) is dict:
        return _texts(name, value)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _member(name, value, hint)
    if isinstance(hint, type) and is_dataclass(hint):
        return hint(**_fields(name, value, hint))
    return (
        float(value)
        if hint is float and type(value) is not bool and isinstance(value, int | float)
        else value
    )


def _texts(name: str, value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping) or not all(isinstance(one, str) for one in value.values()):
        raise ValueError(f"{name} must be a mapping from names to names, got {value!r}")
    return dict(value)


def _member(name: str, value: Any, kind: type[Enum]) -> Enum:
    if not isinstance(value, str) or value not in kind.__members__:
        raise ValueError(f"{name} must be one of {', '.join(kind.__members__)}, got {value!r}")
    return kind[value]
