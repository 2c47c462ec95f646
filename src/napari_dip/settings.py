"""Settings: frozen dataclasses from which limits, flags, forms and records are made."""

import contextlib
import sys
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from inspect import isabstract
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Interval, Le, Len, Lt

Subset = TypeVar("Subset")

_BOUNDS = {
    Ge: ("ge", ">=", lambda value, bound: value >= bound),
    Gt: ("gt", ">", lambda value, bound: value > bound),
    Le: ("le", "<=", lambda value, bound: value <= bound),
    Lt: ("lt", "<", lambda value, bound: value < bound),
}


def plain_fields(cls: type) -> tuple[Field[Any], ...]:
    """Return the fields of a settings class that are plain values; some can only be given in Python."""
    return tuple(field for field in fields(cls) if field.metadata.get("plain", True))


@cache
def hints(cls: type) -> Mapping[str, Any]:
    """Return the annotation of each plain field of a settings class, with its limits."""
    annotations = get_type_hints(cls, include_extras=True)
    return {field.name: annotations[field.name] for field in plain_fields(cls)}


@cache
def descriptions(cls: type) -> Mapping[str, str]:
    """Return the description of each field in the class's docstring, for tooltips and ``--help``."""
    from docstring_parser import parse

    described = parse(cls.__doc__ or "").params
    return {name: one.description or "" for one in described for name in one.arg_name.split(", ")}


def check(settings: Any) -> None:
    """Check that every field of a settings dataclass has the type and the limits of its annotation.

    Raises
    ------
    ValueError
        A value is out of its limits. The message names the field, what was wanted and what came.
    TypeError
        A value has another type.
    """
    cls: type = type(settings)
    for name in hints(cls):
        check_field(cls, name, getattr(settings, name))


def check_field(cls: type, name: str, value: Any) -> None:
    """Check one value for a field, as `check` does."""
    check_value(f"{cls.__name__}.{name}", value, hints(cls)[name])


def check_value(name: str, value: Any, hint: Any) -> None:
    """Check one value for an annotation, as `check` does, and call it by this name in the error."""
    if get_origin(hint) is Annotated:
        kind, *limits = get_args(hint)
        check_value(name, value, kind)
        if value is not None:
            for limit in limits:
                _check_limit(name, value, limit)
    elif get_origin(hint) is Literal:
        if value not in get_args(hint):
            raise ValueError(f"{name} must be one of {', '.join(map(str, get_args(hint)))}, got {value!r}")
    elif get_origin(hint) in (Union, UnionType):
        options = [option for option in get_args(hint) if option is not NoneType]
        if value is None and len(options) < len(get_args(hint)):
            return
        if len(options) == 1:
            check_value(name, value, options[0])
        elif not isinstance(value, tuple(options)):
            raise TypeError(f"{name} must be one of {', '.join(o.__name__ for o in options)}, got {value!r}")
    elif get_origin(hint) is tuple:
        if not isinstance(value, tuple):
            raise TypeError(f"{name} must be a tuple, got {value!r}")
        for item in value:
            check_value(name, item, get_args(hint)[0])
    elif hint is float:
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            raise TypeError(f"{name} must be a number, got {value!r}")
        if not abs(value) <= sys.float_info.max:  # not NaN, infinite, or an integer that no float holds
            shown = value if isinstance(value, float) else "an integer that is too large"
            raise ValueError(f"{name} must be finite, got {shown}")
    elif hint in (int, bool, str):
        if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
            raise TypeError(f"{name} must be of type {hint.__name__}, got {value!r}")
    elif isinstance(hint, type) and not isinstance(value, hint):
        raise TypeError(f"{name} must be a {hint.__name__}, got {value!r}")


def _check_limit(name: str, value: Any, limit: Any) -> None:
    if isinstance(limit, Len):
        if len(value) < limit.min_length:
            raise ValueError(f"{name} must have at least {limit.min_length} entries, got {len(value)}")
        if limit.max_length is not None and len(value) > limit.max_length:
            raise ValueError(f"{name} must have at most {limit.max_length} entries, got {len(value)}")
    for kind, (attribute, sign, holds) in _BOUNDS.items():
        bound = getattr(limit, attribute, None) if isinstance(limit, (kind, Interval)) else None
        if bound is not None and not holds(value, bound):
            raise ValueError(f"{name} must be {sign} {bound}, got {value}")


def to_dict(settings: Any) -> dict[str, Any]:
    """Return settings as plain JSON values, with the name of their class under ``"type"``."""
    if not is_dataclass(settings) or isinstance(settings, type):
        raise TypeError(f"settings must be a dataclass, got {settings!r}")
    values: dict[str, Any] = {"type": type(settings).__name__}
    for field in plain_fields(type(settings)):
        value = getattr(settings, field.name)
        values[field.name] = to_dict(value) if is_dataclass(value) else value
    return values


def from_dict(kinds: type | tuple[type, ...], values: Any) -> Any:
    """Return the settings that `to_dict` described, also after they were saved as JSON.

    Parameters
    ----------
    kinds : type or tuple of type
        Classes that the settings may have; an abstract class stands for its subclasses.
    values : mapping
        Plain JSON values. Absent fields take their defaults.

    Raises
    ------
    ValueError
        The type or a field is unknown, or a field without a default is absent.
    """
    families = kinds if isinstance(kinds, tuple) else (kinds,)
    known = {cls.__name__: cls for kind in families for cls in family(kind)}
    name = values.get("type") if isinstance(values, Mapping) else values
    if not isinstance(values, Mapping) or name not in list(known):
        raise ValueError(f"the type of settings must be one of {', '.join(known)}, got {name!r}")
    cls = known[name]
    given = {key: value for key, value in values.items() if key != "type"}
    if unknown := given.keys() - hints(cls).keys():
        raise ValueError(f"{name} has no field {', '.join(sorted(unknown))}")
    if absent := {field.name for field in fields(cls) if field.default is MISSING} - given.keys():
        raise ValueError(f"{name} needs {', '.join(sorted(absent))}")
    return cls(**{key: _restored(value, hints(cls)[key]) for key, value in given.items()})


def _restored(value: Any, hint: Any) -> Any:
    if get_origin(hint) is Annotated:
        return _restored(value, get_args(hint)[0])
    if get_origin(hint) is tuple and isinstance(value, list):
        return tuple(_restored(item, get_args(hint)[0]) for item in value)
    options = get_args(hint) or (hint,)
    if float in options and type(value) is int:  # JSON does not tell 2 from 2.0
        with contextlib.suppress(OverflowError):  # which the settings refuse
            return float(value)
    settings = tuple(kind for kind in options if isinstance(kind, type) and is_dataclass(kind))
    return from_dict(settings, value) if settings and value is not None else value


def subset(settings: Any, cls: type[Subset]) -> Subset:
    """Return the fields of some settings that another dataclass has too, as an instance of that one."""
    return cls(**{field.name: getattr(settings, field.name) for field in fields(cls)})  # type: ignore[arg-type]


def family(kind: type) -> list[type]:
    """Return a class and all its subclasses, without the abstract ones."""
    children: list[type] = kind.__subclasses__()
    return [*([] if isabstract(kind) else [kind]), *(cls for child in children for cls in family(child))]
