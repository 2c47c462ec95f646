"""Which HDU of a FITS file holds the image, and which ones say something about its pixels."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from napari_dip.errors import FileError
from napari_dip.io.uncertainty import Scale

Role = Literal["image", "noise", "flags", "other"]

_SCALES: dict[str, Scale] = {
    **dict.fromkeys(("ERR", "ERROR", "UNCERT", "UNCERTAINTY", "SIGMA", "SIG", "NOISE"), "standard deviation"),
    **dict.fromkeys(("STD", "STDDEV", "STDEV", "RMS", "STDDEVUNCERTAINTY"), "standard deviation"),
    **dict.fromkeys(("VAR", "VARIANCE", "STAT", "VARIANCEUNCERTAINTY"), "variance"),
    **dict.fromkeys(("IVAR", "INVVAR", "IVM", "WHT", "WEIGHT", "WEIGHTS", "WGT"), "inverse variance"),
    "INVERSEVARIANCE": "inverse variance",
}
_FLAGS = {"DQ", "MASK", "BPM", "BADPIX", "FLAG", "FLAGS", "QUALITY", "QUAL", "DATAQUAL", "PIXELDQ", "GROUPDQ"}
_OTHER = {
    *(
        "CTX",
        "CON",
        "CONTEXT",
        "COVERAGE",
        "COV",
        "EXP",
        "EXPMAP",
        "EXPOSURE",
        "TIME",
        "SAMP",
        "NSAMP",
        "HITS",
    ),
    *("AREA", "WAVELENGTH", "SEG", "SEGMENTATION", "BKG", "BACKGROUND", "SKY", "PSF", "CHI2", "CHISQ"),
    *("D2IMARR", "WCSDVARR", "VAR_POISSON", "VAR_RNOISE", "VAR_FLAT"),
}
_CLASSES: dict[str, Role] = {"ERROR": "noise", "QUALITY": "flags", "DATAMASK": "flags", "EXPOSURE": "other"}


def role_of(hdu: Any) -> Role:
    """Return what an HDU is for, by its name (EXTNAME) or its class (HDUCLAS2)."""
    name = _name(hdu)
    if name in _SCALES or "UTYPE" in hdu.header:
        return "noise"
    if name in _FLAGS:
        return "flags"
    if name in _OTHER:
        return "other"
    return _CLASSES.get(str(hdu.header.get("HDUCLAS2", "")).strip().upper(), "image")


def scale_of(hdu: Any) -> Scale:
    """Return what the numbers of an uncertainty plane are; astropy's UTYPE is more precise than its name."""
    stated = str(hdu.header.get("UTYPE", "")).strip().upper()
    return _SCALES.get(stated) or _SCALES.get(_name(hdu)) or "standard deviation"


def chosen(hdus: Sequence[Any], wanted: str | None, role: Role = "image") -> int:
    """Return the position of the HDU to read.

    Parameters
    ----------
    hdus : sequence of HDU
        All HDUs of the file.
    wanted : str, optional
        Its name, its name and version such as ``SCI,2``, or its number. By default it is the first one of
        the role, or the first image; SCI comes before other images.
    role : {"image", "noise", "flags"}
        What the HDU is needed for.

    Raises
    ------
    FileError
        There is no such HDU, or it holds no image.
    """
    images = [at for at, hdu in enumerate(hdus) if is_image(hdu)]
    if not images:
        raise FileError("it contains no image with two or more axes")
    if wanted is not None:
        return _named(hdus, wanted, images)
    fitting = [at for at in images if role_of(hdus[at]) == role]
    usual = [at for at in images if role_of(hdus[at]) == "image"]
    candidates = fitting or usual or images
    return next((at for at in candidates if _name(hdus[at]) == "SCI"), candidates[0])


def companion(hdus: Sequence[Any], image: int, role: Role) -> int | None:
    """Return the HDU of another role that belongs to an image: the one of the same version and shape."""
    version = hdus[image].header.get("EXTVER", 1)
    found = [at for at in all_of(hdus, role) if _shape(hdus[at]) == _shape(hdus[image])]
    if len(found) > 1 or any("EXTVER" in hdus[at].header for at in found):
        found = [at for at in found if hdus[at].header.get("EXTVER", 1) == version]
    return found[0] if found else None


def all_of(hdus: Sequence[Any], role: Role) -> Iterator[int]:
    """Yield the positions of all images of a role."""
    return (at for at, hdu in enumerate(hdus) if is_image(hdu) and role_of(hdu) == role)


def label(hdus: Sequence[Any], at: int) -> str:
    """Return how an HDU is called in a message, such as ``2 (ERR)``."""
    name = _title(hdus, at)
    return f"{at} ({name})" if name else str(at)


def address(hdus: Sequence[Any], at: int) -> str:
    """Return the shortest text by which `chosen` finds an HDU."""
    name = _title(hdus, at)
    return name if name and _named(hdus, name, range(len(hdus))) == at else str(at)


def is_image(hdu: Any) -> bool:
    """Return whether an HDU holds an image with two or more axes, none of them empty."""
    return bool(hdu.is_image) and len(_shape(hdu)) >= 2 and 0 not in _shape(hdu)


def _shape(hdu: Any) -> tuple[int, ...]:
    return tuple(hdu.header[f"NAXIS{n}"] for n in range(hdu.header["NAXIS"], 0, -1))


def _named(hdus: Sequence[Any], wanted: str, images: Sequence[int]) -> int:
    name, _, version = (part.strip().upper() for part in wanted.partition(","))
    for at, hdu in enumerate(hdus):
        same = str(hdu.name).strip().upper() == name and (not version or str(hdu.ver) == version)
        if (same and name) or name == str(at):
            if at not in images:
                raise FileError(f"its HDU {label(hdus, at)} is not an image with two or more axes")
            return at
    there = ", ".join(label(hdus, at) for at in images)
    raise FileError(f"it has no HDU {wanted}; its images are {there}")


def _title(hdus: Sequence[Any], at: int) -> str:
    """Return the name of an HDU, with its version if others have the same name."""
    name = str(hdus[at].name).strip()
    same = [hdu for hdu in hdus if str(hdu.name).strip() == name]
    return f"{name},{hdus[at].ver}" if name and len(same) > 1 else name


def _name(hdu: Any) -> str:
    """Return the name of an HDU in capitals, without a number at its end."""
    name = str(hdu.header.get("EXTNAME", "")).strip().upper()
    known = name in _OTHER or name in _SCALES
    return name if known else re.sub(r"[_ ]?\d+$", "", name)
