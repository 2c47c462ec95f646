"""Reads dataclasses from plain JSON that anybody may have written."""

import sys
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from functools import cache
from types import NoneType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from napari_dip.methods import METHODS, Method
from napari_dip.settings import check_value, from_dict
from napari_dip.tasks import Task

#: Provenance is never nested as deeply, and holds no larger integer.
_DEEPEST, _LARGEST = 10, 2**63


def refuse_other_values(name: str, value: Any, depth: int = 0) -> None:
    """Refuse what JSON does not have, and what is too large or too deep for any provenance."""
    if depth > _DEEPEST:
        raise ValueError(f"{name} must be nested at most {_DEEPEST} levels deep")
    if isinstance(value, Mapping):
        for key, one in value.items():
            if not isinstance(key, str):
                raise ValueError(f"{name} must have text for keys, got {type(key).__name__}")
            refuse_other_values(_within(name, key), one, depth + 1)
    elif isinstance(value, list | tuple):
        for at, one in enumerate(value):
            refuse_other_values(f"{name}[{at}]", one, depth + 1)
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


def arguments_of(name: str, values: Any, cls: type) -> dict[str, Any]:
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
        return hint(**arguments_of(name, value, hint))
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
