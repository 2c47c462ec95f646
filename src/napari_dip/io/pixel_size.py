"""Pixel sizes as files state them: what no microscope or telescope can have is left out."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

Size = tuple[float, str]

#: Units of length of the OME model, and other spellings of the common ones.
_UNITS = {
    unit: unit
    for unit in (
        *(
            "Ym",
            "Zm",
            "Em",
            "Pm",
            "Tm",
            "Gm",
            "Mm",
            "km",
            "hm",
            "dam",
            "m",
            "dm",
            "cm",
            "mm",
            "µm",
            "nm",
            "pm",
        ),
        *("fm", "am", "zm", "ym", "Å", "thou", "li", "in", "ft", "yd", "mi", "ua", "ly", "pc", "pt", "pixel"),
    )
}
_UNITS |= {"reference frame": "reference frame", "inch": "in", "angstrom": "Å", "\u212b": "Å"}
_UNITS |= dict.fromkeys(("micron", "microns", "um", "\u03bcm", "micrometer", "micrometre", "\\u00B5m"), "µm")
_UNITS |= dict.fromkeys(("nanometer", "nanometre"), "nm") | dict.fromkeys(("millimeter", "millimetre"), "mm")
#: Beyond these numbers, in any of the units, a size is a mistake.
_LEAST, _MOST = 1e-9, 1e9


def unit_named(name: Any) -> str | None:
    """Return the unit that a file means by a word, or None if it is no unit of length."""
    word = str(name).strip()
    return _UNITS.get(word) or _UNITS.get(word.lower())


def plausible(stated: Mapping[str, tuple[Any, Any]]) -> tuple[dict[str, Size], tuple[str, ...]]:
    """Return the sizes that pixels can have, and a note on the others.

    Parameters
    ----------
    stated : mapping of str to (number or str, str)
        Size and unit as the file states them, along each axis.
    """
    sizes: dict[str, Size] = {}
    wrong = []
    for axis, (number, name) in stated.items():
        size, unit = number_in(number), unit_named(name)
        if size is not None and unit is not None and _LEAST <= size <= _MOST:
            sizes[axis] = (size, unit)
        else:
            wrong.append(f"{_short(number)} {_short(name)} along {axis}")
    if not wrong:
        return sizes, ()
    return sizes, (
        f"the pixel size that the file states is ignored, since no pixel can have it: {_listed(wrong)}",
    )


def number_in(text: Any) -> float | None:
    """Return a finite number, or None if a file's entry isn't one."""
    try:
        number = float(text)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _short(text: Any) -> str:
    words = " ".join(str(text).split())
    return words if len(words) <= 20 else f"{words[:20]}…"


def _listed(words: Iterable[str]) -> str:
    return ", ".join(words)
