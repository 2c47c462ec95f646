"""What a bug report needs: versions, settings, and where an error was raised."""

import platform
import traceback
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import qtpy

_PACKAGES = ("napari-dip", "napari", "torch", "numpy")


def bug_report(error: Exception | str, settings: Mapping[str, Any]) -> str:
    """Return the text of a bug report.

    Parameters
    ----------
    error : Exception or str
        What was raised, or its traceback.
    settings : mapping of str to object
        What was asked for, by name.
    """
    trace = error if isinstance(error, str) else "".join(traceback.format_exception(error))
    asked = "".join(f"{name}: {value}\n" for name, value in settings.items())
    return f"{versions()}\n\n{asked}\n{trace}"


def versions() -> str:
    """Return the versions of what took part, on two lines."""
    packages = [f"{name} {_version(name)}" for name in _PACKAGES]
    binding = f"{qtpy.API_NAME} {_version(qtpy.API_NAME)} (Qt {qtpy.QT_VERSION})"
    return f"{', '.join(packages)}\n{binding}, Python {platform.python_version()}, {platform.platform()}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(not installed as a package)"
