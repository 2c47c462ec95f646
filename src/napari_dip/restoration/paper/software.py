"""What a result was computed with, in words for a paper."""

import re
from importlib.metadata import PackageNotFoundError, metadata

from napari_dip.restoration.paper.citations import Bibliography, Work
from napari_dip.restoration.provenance import Provenance

#: What a version and a system look like. Provenance may come from a stranger's file.
_VERSION = re.compile(r"[0-9][0-9A-Za-z.+-]{0,40}")
_SYSTEM = re.compile(r"[0-9A-Za-z][0-9A-Za-z_. -]{0,60}")
_DEVICES = {
    "cpu": "the CPU",
    "cuda": "a GPU (CUDA)",
    "mps": "a GPU (Metal)",
    "auto": "a device that was chosen automatically",
}


def bibliography(found: Provenance) -> Bibliography:
    """Return an empty bibliography, which knows the version of the package that made a result.

    Parameters
    ----------
    found : Provenance
        The run.
    """
    lines = [
        "author = {{The napari-dip developers}},",
        "title = {napari-dip: Restoration of Scientific Images},",
        f"version = {{{_version(found.version)}}},",
    ]
    if (address := repository()) is not None:
        lines.append(f"url = {{{address}}},")
    return Bibliography(Work("The napari-dip developers", "\n".join(lines), "software"))


def package(found: Provenance, cite: Bibliography) -> str:
    """Return the package with its version, and cite it."""
    return f"napari-dip {_version(found.version)} {cite('napari-dip')}"


def libraries(found: Provenance, cite: Bibliography) -> list[str]:
    """Return the libraries that computed a result, with their versions, and cite them."""
    names = [f"PyTorch {_version(found.torch)} {cite('paszke2019')}"]
    if found.numpy:
        names.append(f"NumPy {_version(found.numpy)} {cite('harris2020')}")
    if found.python:
        names.append(f"Python {_version(found.python)}")
    return names


def system(found: Provenance) -> str:
    """Return the operating system and the processor's architecture; empty if they are not known."""
    return found.platform if _SYSTEM.fullmatch(found.platform) else ""


def device(found: Provenance) -> str:
    """Return where a result was computed, and in how many threads."""
    threads = "" if found.threads is None else f" in {found.threads} thread{'s' * (found.threads > 1)}"
    return f"{_DEVICES[found.device]}{threads}"


def repository() -> str | None:
    """Return the address of the package's source, which its metadata hold; None if it is not installed."""
    try:
        addresses = metadata("napari-dip").get_all("Project-URL") or []
    except PackageNotFoundError:
        return None
    pairs = (line.partition(", ") for line in addresses)
    return next((address for label, _, address in pairs if label == "Source"), None)


def _version(text: str) -> str:
    return text if _VERSION.fullmatch(text) else "(version unknown)"
