"""What the options of the command line choose: a noise model, a point spread function, a method."""

from collections.abc import Mapping
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from napari_dip.cli.known_pixels import bits
from napari_dip.cli.options import FORMULAS
from napari_dip.methods import DIP, PRESETS, FineTune, Method
from napari_dip.noise.models import NOISE_MODELS, NoiseModel
from napari_dip.presentation import METHOD_NAMES, words_of_method
from napari_dip.psf.models import PSF, GaussianPSF, MeasuredPSF
from napari_dip.settings import hints

if TYPE_CHECKING:
    from napari_dip.cli.options import Common


def given(options: Any, prefix: str = "") -> dict[str, Any]:
    """Return the options that the user gave; cyclopts passes None for a group of which none was given."""
    if options is None:
        return {}
    values = {field.name.removeprefix(prefix): getattr(options, field.name) for field in fields(options)}
    return {name: value for name, value in values.items() if value is not None}


def noise_model(name: str | None, options: Any) -> NoiseModel:
    """Return the noise model of this name, or else the first one that has the given parameters."""
    values = given(options)
    if name is None:
        fitting = [cls for cls in NOISE_MODELS.values() if values.keys() <= hints(cls).keys()]
        if not fitting:
            raise ValueError(f"no kind of noise takes {_listed(values)} together: choose one with --noise")
        return fitting[0](**values)
    return cast(NoiseModel, _class("noise", name, NOISE_MODELS, values)(**values))


def point_spread_function(
    path: Path | None, kind: str | None, options: Any, *, estimate: bool = False
) -> PSF:
    """Return the point spread function that the options describe.

    One that is measured later, on each image, is a Gaussian of the default width until then.
    """
    values = given(options, "psf_")
    if estimate:
        if path is not None or kind is not None or values:
            raise ValueError("--psf-estimate finds the blur in the image: leave out all other --psf options")
        return GaussianPSF()
    if path is not None:
        own = {name: value for name, value in values.items() if name in hints(MeasuredPSF)}
        if others := [*(values.keys() - own.keys()), *([] if kind is None else ["kind"])]:
            raise ValueError(f"--psf and {_listed(others, 'psf_')} exclude each other: leave one of them out")
        return MeasuredPSF(**own)
    if wrong := values.keys() & hints(MeasuredPSF).keys():
        raise ValueError(f"{_listed(wrong, 'psf_')} needs --psf FILE, a measured point spread function")
    if "fwhm" not in values:
        raise ValueError(
            "describe the blur by --psf-fwhm PIXELS, its full width at half maximum, by --psf FILE, an "
            "image of a single point, or by --psf-estimate"
        )
    return cast(PSF, _class("psf-kind", kind or next(iter(FORMULAS)), FORMULAS, values, "psf_")(**values))


def chosen_method(common: "Common", options: Any) -> Method:
    """Return the method that the options name, with the settings that they change."""
    values = given(options)
    cls = _class("method", common.method, METHOD_NAMES, values)
    if cls is DIP:
        # All settings of a preset hold, the number of iterations too, unless an option changes them.
        return replace(PRESETS[common.preset or next(iter(PRESETS))], **values)
    if common.preset is not None:
        raise ValueError(f"--preset holds settings of Deep Image Prior, not of --method {common.method}")
    return cast(Method, cls(**values))


def check_common(common: "Common", method: Method) -> None:
    """Refuse, before any image is read, values that no run takes and options that need another option.

    Raises
    ------
    ValueError
        Names the option, and what it needs.
    """
    from napari_dip.restoration.checks import checked_seed, checked_threads

    checked_seed(common.seed)
    checked_threads(common.threads)
    _ = common.stopping_rule  # refuses a negative number
    if common.overwrite and common.skip_existing:
        raise ValueError("--overwrite and --skip-existing exclude each other: leave one of them out")
    if common.dq_bits is not None:
        bits(common.dq_bits)
    if common.missing_label is not None and common.missing is None:
        raise ValueError("--missing-label selects pixels of the --missing file: give that file too")
    if common.resolution and (common.guide is not None or common.parameter_maps is not None):
        raise ValueError(
            "--resolution needs two results that share nothing but the scene: leave out --guide and "
            "--parameter-maps"
        )
    title = words_of_method(type(method)).title
    for option, path in (("--parameter-maps", common.parameter_maps), ("--save-maps", common.save_maps)):
        if path is not None and not method.takes_maps:
            raise ValueError(f"{option} needs --method pkn: {title} has no parameter maps")
    if common.save_weights is not None and not isinstance(method, FineTune):
        raise ValueError(f"--save-weights needs --method finetune: {title} has no pretrained network")


def _class(
    option: str, name: str, classes: Mapping[str, type], values: Mapping[str, Any], prefix: str = ""
) -> type:
    """Return the class of this name; refuse values that it does not take, and the lack of those it needs."""
    cls = classes[name]
    if unknown := sorted(values.keys() - hints(cls).keys()):
        takers = " or ".join(other for other, one in classes.items() if unknown[0] in hints(one))
        wrong = _listed(unknown[:1], prefix)
        raise ValueError(f"--{option} {name} takes no {wrong}, only --{option} {takers} does")
    if needed := {field.name for field in fields(cls) if field.default is MISSING} - values.keys():
        raise ValueError(f"--{option} {name} needs {_listed(needed)}")
    return cls


def _listed(names: Any, prefix: str = "") -> str:
    return ", ".join(f"--{(prefix + name).replace('_', '-')}" for name in sorted(names))
