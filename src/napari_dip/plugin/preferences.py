"""The page of the plugin in napari's preferences, and the values of the last run."""

import contextlib
import json
from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import QSettings

from napari_dip.settings import from_dict, to_dict

PLUGIN = "napari-dip"


@dataclass(frozen=True)
class Preferences:
    """The page "napari-dip" of napari's Preferences.

    Parameters
    ----------
    device : {"auto", "cpu", "cuda", "mps"}
        The device that a new dock shows.
    time_limit : float or None
        The time limit that a new dock shows, in seconds for each image or frame.
    interval : float
        Seconds from one live update to the next, at least.
    """

    device: str = "auto"
    time_limit: float | None = 600.0
    interval: float = 0.5

    @classmethod
    def now(cls) -> "Preferences":
        """Read the preferences."""
        from napari.settings import get_plugin_settings

        page = get_plugin_settings(PLUGIN).restore
        return cls(page.device, 60 * page.time_limit or None, 1 / page.updates_per_second)


def remember_settings(settings: Any) -> None:
    """Keep settings for the next dock under the name of their class."""
    remember(type(settings).__name__, to_dict(settings))


def remembered_settings(cls: type) -> Any:
    """Return the settings of a class that were kept last, or None if there are none that can be used."""
    values = remembered(cls.__name__)
    with contextlib.suppress(ValueError, TypeError):  # another version may have kept them
        return None if values is None else from_dict(cls, values)
    return None


def remember(name: str, values: Any) -> None:
    """Keep plain JSON values for the next dock under a name."""
    _store().setValue(name, json.dumps(values))


def remembered(name: str) -> Any:
    """Return what was kept last under a name, or None."""
    try:
        return json.loads(_store().value(name) or "null")
    except (ValueError, TypeError):  # somebody has edited the file
        return None


def _store() -> QSettings:
    return QSettings(QSettings.Format.IniFormat, QSettings.Scope.UserScope, PLUGIN, "docks")
