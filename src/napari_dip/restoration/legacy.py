"""Provenance of older versions, in the words of this one."""

from collections.abc import Mapping
from typing import Any

_TYPES = {
    "Unknown": "UnknownNoise",
    "Gaussian": "GaussianNoise",
    "Poisson": "PoissonNoise",
    "PoissonGaussian": "PoissonGaussianNoise",
    "Laplace": "LaplaceNoise",
}
_FIELDS = {
    "DIP": {
        "runs": "ensemble_size",
        "held_out": "validation_fraction",
        "first_guess": "initial_estimate",
        "last_filter": "postfilter",
        "resolution": "sieve_width",
        "second_moment": "beta2",
        "jitter": "input_noise_std",
        "averaging": "ema_decay",
    },
    "FineTune": {"flips": "self_ensemble"},
    "SuperResolve": {"kernel": "downsampling"},
}
#: What settings mean in files that a program wrote before there were such settings.
_BEFORE: dict[str, dict[str, Any]] = {
    "DIP": {"recover_sources": False},
    "PKN": {"recover_sources": False, "separate_colours": False},
    "FineTune": {"recover_sources": False},
}
_VALUES = {("DIP", "stopping"): {"budget": "max-iterations"}}
_OPTIONS = {"saturated": "saturation_level"}
_OPTION_VALUES = {
    "series": {"warm": "warm_start", "alone": "independent"},
    "channels": {"alone": "separate"},
}
_REPORT = {"updates": "iterations", "judge": "criterion"}
_REPORT_VALUES = {
    "outcome": {"ASKED": "STOPPED", "BUDGET": "MAX_ITERATIONS"},
    "criterion": {"COARSER": "CROSS_SCALE"},
}


def updated(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Return a provenance with the names of this version in place of those of 0.1.0.

    What this version wrote comes back as it is.

    Parameters
    ----------
    provenance : mapping
        Plain JSON values, of any version.
    """
    new = _renamed(provenance, _OPTIONS, _OPTION_VALUES)
    for name in ("task", "method"):
        if name in new:
            new[name] = _settings(new[name])
    method = new.get("method")
    if "napari-dip" in new and isinstance(method, Mapping):
        new["method"] = {**_BEFORE.get(str(method.get("type")), {}), **method}
    if isinstance(new.get("source"), Mapping):
        new["source"] = _renamed(new["source"], {"area": "roi"}, {})
    if isinstance(new.get("frames"), list | tuple):
        new["frames"] = [
            _renamed(frame, _REPORT, _REPORT_VALUES) if isinstance(frame, Mapping) else frame
            for frame in new["frames"]
        ]
    return new


def _settings(values: Any) -> Any:
    """Return the record of settings, and of those within them, with the names of this version."""
    if not isinstance(values, Mapping):
        return values
    kind = values.get("type")
    known = {field: new for (cls, field), new in _VALUES.items() if cls == kind}
    renamed = _renamed(values, _FIELDS.get(kind, {}) if isinstance(kind, str) else {}, known)
    inner = {name: _settings(value) for name, value in renamed.items()}
    if kind == "Deconvolve" and inner.get("floor", 0) is None:  # which meant that there was none
        inner.setdefault("positivity", False)
    return {**inner, **({"type": _TYPES.get(kind, kind)} if isinstance(kind, str) else {})}


def _renamed(
    values: Mapping[str, Any], names: Mapping[str, str], words: Mapping[str, Mapping[str, str]]
) -> dict[str, Any]:
    """Return a mapping with other names for its keys, and other words for some of its values."""
    new = {names.get(name, name): value for name, value in values.items()}
    for name, known in words.items():
        value = new.get(name)
        if isinstance(value, str):
            new[name] = known.get(value, value)
    return new
