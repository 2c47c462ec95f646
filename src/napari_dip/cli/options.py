"""Flags of the command line: made of the settings classes, their help of the docstrings."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass, make_dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, cast, get_args, get_type_hints

from cyclopts import Group, Parameter, Token

from napari_dip.device import Device
from napari_dip.methods import DIP, METHODS, PRESETS, Method
from napari_dip.noise.models import NOISE_MODELS, NoiseModel
from napari_dip.optim.stopping import MaxIterations
from napari_dip.pkn.settings import Training
from napari_dip.presentation import METHOD_NAMES, words_of_method
from napari_dip.psf.models import PSF, PSFS, GaussianPSF, MeasuredPSF
from napari_dip.restoration.series import Following
from napari_dip.settings import descriptions, hints, plain_fields
from napari_dip.tasks import Deconvolve, Inpaint, SuperResolve

_FORMULAS = {name: cls for name, cls in PSFS.items() if not cls.measured}
_USUAL_METHOD, _USUAL_PRESET, _USUAL_PSF = (next(iter(names)) for names in (METHOD_NAMES, PRESETS, _FORMULAS))

_TITLES = ("Task", "Noise", "Common", *(words_of_method(cls).title for cls in METHODS))
_TASK, _NOISE, _COMMON, *_METHODS = (Group(title, sort_key=at) for at, title in enumerate(_TITLES))


def _whole(_: Any, tokens: Sequence[Token]) -> int:
    """Return an integer; cyclopts itself would round 2.5."""
    try:
        return int(tokens[0].value)
    except ValueError:
        raise ValueError(f'unable to convert "{tokens[0].value}" into a whole number') from None


_Whole = Annotated[int, Parameter(converter=_whole)]


def _flags(
    name: str,
    groups: Mapping[type, Group],
    *,
    prefix: str = "",
    needed: tuple[str, ...] = (),
    without: Collection[str] = (),
) -> type:
    """Return a dataclass with the plain fields of settings classes, each optional, to serve as flags.

    A field that several classes have is one flag, in the group of the first; its help says what it means to
    classes of other groups. Those that are needed have no default to tell of.
    """
    found: dict[str, tuple[Any, Group, str]] = {}
    for cls, group in groups.items():
        types = get_type_hints(cls)  # without limits: the settings check those, in their own words
        for field in plain_fields(cls):
            hint = types[field.name]
            if any(is_dataclass(one) for one in (hint, *get_args(hint))) or field.name in without:
                continue
            text = descriptions(cls)[field.name].replace("\n", " ")
            if field.default not in (MISSING, None) and field.name not in needed:
                text += f" [default: {field.default}]"
            _, home, before = found.setdefault(field.name, (hint, group, text))
            if home is not group:
                found[field.name] = hint, home, f"{before} {group.name}: {text}"
    made = []
    for field_name, (hint, group, text) in found.items():
        converter = _whole if int in (hint, *get_args(hint)) else None
        parameter = Parameter(help=text, group=group, show_default=False, converter=converter)
        made.append((prefix + field_name, Annotated[hint | None, parameter], None))
    return Parameter(name="*")(make_dataclass(name, made, frozen=True, namespace={"__module__": __name__}))


NoiseFlags = _flags("NoiseFlags", dict.fromkeys(NOISE_MODELS.values(), _NOISE))
PSFFlags = _flags("PSFFlags", dict.fromkeys(_FORMULAS.values(), _TASK), prefix="psf_", needed=("fwhm",))
InpaintFlags, SuperResolveFlags, DeconvolveFlags = (
    _flags(f"{cls.__name__}Flags", {cls: _TASK}) for cls in (Inpaint, SuperResolve, Deconvolve)
)
MethodFlags = _flags("MethodFlags", dict(zip(METHODS, _METHODS, strict=True)))
# What a task calls by the same name goes first.
SuperResolveMethodFlags = _flags(
    "SuperResolveMethodFlags", dict(zip(METHODS, _METHODS, strict=True)), without=hints(SuperResolve)
)
TrainingFlags = _flags("TrainingFlags", {Training: Group("Training", sort_key=0)})

NoiseName = Annotated[
    str | None,
    Parameter(
        help="Kind of noise. [default: what the other flags say, else unknown]",
        choices=tuple(NOISE_MODELS),
        group=_NOISE,
    ),
]
PSFFile = Annotated[
    Path | None,
    Parameter(
        help="Image file of the point spread function as measured, on beads or stars. Where both files "
        "state their pixel sizes, it is resampled to the pixels of the image.",
        group=_TASK,
    ),
]
PSFEstimate = Annotated[
    bool,
    Parameter(
        help="Take the blur to be a Gaussian, and measure it on the image's sharpest edges. [default: False]",
        negative="",
        group=_TASK,
    ),
]
PSFKind = Annotated[
    str | None,
    Parameter(
        help=f"Shape of a point spread function by formula. [default: {_USUAL_PSF}]",
        choices=tuple(_FORMULAS),
        group=_TASK,
    ),
]


@Parameter(name="*", group=_COMMON)
@dataclass(frozen=True)
class Common:
    """Flags of every command that restores.

    Parameters
    ----------
    method : {"dip", "pkn", "finetune", "richardson-lucy", "wiener"}
        How to restore. Procedural kernel networks (pkn) take a second and can't invent structure. Pretrained
        networks (finetune) have learnt from other images, and are held against this one. Richardson-Lucy and
        Wiener deconvolve within seconds, and do nothing else.
    preset : str
        Settings of Deep Image Prior to start from; flags given beside it win. "tapered" is the fast default,
        "fine" takes three times as long and is better where thin lines are missing; the others are published
        settings.
    missing : Path
        Image file that is non-zero where a pixel is missing. NaN pixels always are.
    missing_label : int
        Only the pixels of the --missing image with this value are missing.
    saturation_level : float
        Grey level from which on values are missing, each channel's by itself.
    guide : Path
        Image file of the same scene that shows its structures better: with flash, of a brighter channel. It
        has as many pixels as the restored image, channels last.
    maps : Path
        Image file with the parameters of a procedural kernel, one plane for each, as --save-maps writes them:
        these are applied, in place of predicted ones.
    save_maps : Path
        Write the parameters that were applied: a TIFF file, an existing folder, or a name with {stem} in it.
    save_weights : Path
        Write the network as it was fine-tuned, for --weights: a .safetensors file, an existing folder, or a
        name with {stem} in it.
    roi : str
        Part of the image to restore, such as 100:356,20:276: a range of pixels, without the last, for each
        spatial axis in order or for each axis of the array. An end left out is that of the image. The output
        holds only this part; --missing and --guide images are those of the whole.
    axes : str
        One letter per axis, such as TZYXC: Z, Y, X spatial; C channels; all others frame after frame.
    channels : {"together", "separate"}
        Fit channels together, or each as an image of its own.
    series : {"warm_start", "drift", "independent"}
        Start each frame from what was learnt of the last one; the same, and make up for the drift between
        them; or start each afresh.
    device : {"auto", "cpu", "cuda", "mps"}
        Where to compute.
    seed : int
        The same seed gives the same pixels on the same machine.
    stop_after : int
        Stop each frame after so many updates, those of all its runs together.
    keep_dtype : bool
        Round to the source's dtype; the values that had to be clipped are counted.
    overwrite : bool
        Replace existing output files.
    quiet : bool
        Say nothing but errors.
    """

    method: Annotated[str, Parameter(choices=tuple(METHOD_NAMES))] = _USUAL_METHOD
    preset: Annotated[str | None, Parameter(choices=tuple(PRESETS))] = None
    missing: Path | None = None
    missing_label: _Whole | None = None
    saturation_level: float | None = None
    guide: Path | None = None
    maps: Path | None = None
    save_maps: Path | None = None
    save_weights: Path | None = None
    roi: str | None = None
    axes: str | None = None
    channels: Literal["together", "separate"] = "together"
    series: Following = "warm_start"
    device: Device = "auto"
    seed: _Whole = 0
    stop_after: _Whole | None = None
    keep_dtype: Annotated[bool, Parameter(negative="")] = False
    overwrite: Annotated[bool, Parameter(negative="")] = False
    quiet: Annotated[bool, Parameter(negative="")] = False

    @property
    def stopping_rule(self) -> MaxIterations | None:
        """Return the rule that stops a frame."""
        return None if self.stop_after is None else MaxIterations(self.stop_after)


def given(flags: Any, prefix: str = "") -> dict[str, Any]:
    """Return the flags that were given; cyclopts gives None for the group where none was."""
    if flags is None:
        return {}
    values = {field.name.removeprefix(prefix): getattr(flags, field.name) for field in fields(flags)}
    return {name: value for name, value in values.items() if value is not None}


def noise(name: str | None, flags: Any) -> NoiseModel:
    """Return the noise model that the flags name, or that has just the parameters given."""
    values = given(flags)
    if name is None:
        fitting = [cls for cls in NOISE_MODELS.values() if values.keys() <= hints(cls).keys()]
        if not fitting:
            raise ValueError(f"no kind of noise takes {_listed(values)} together: choose one with --noise")
        return fitting[0](**values)
    return cast(NoiseModel, _kind("noise", name, NOISE_MODELS, values)(**values))


def psf(path: Path | None, kind: str | None, flags: Any, *, estimated: bool = False) -> PSF:
    """Return the point spread function that the flags describe; one to be estimated has a width for now."""
    values = given(flags, "psf_")
    if estimated:
        if path is not None or kind is not None or values:
            raise ValueError("--psf-estimate finds the blur in the image: leave out all other --psf flags")
        return GaussianPSF()
    if path is not None:
        if others := [*values, *([] if kind is None else ["kind"])]:
            raise ValueError(f"--psf is measured, {_listed(others, 'psf_')} a formula's: give one of the two")
        return MeasuredPSF()
    if "fwhm" not in values:
        raise ValueError(
            "say what the blur is: --psf-fwhm PIXELS, its full width at half maximum, --psf FILE, an image "
            "of a single point, or --psf-estimate"
        )
    return cast(PSF, _kind("psf-kind", kind or _USUAL_PSF, _FORMULAS, values, "psf_")(**values))


def method(common: Common, flags: Any) -> Method:
    """Return the method that the flags name, with the settings that they change."""
    values = given(flags)
    cls = _kind("method", common.method, METHOD_NAMES, values)
    if cls is DIP:
        # A preset's number of updates is part of it; so is everything else that no flag changes.
        return replace(PRESETS[common.preset or _USUAL_PRESET], **values)
    if common.preset is not None:
        raise ValueError(f"--preset has settings of Deep Image Prior, not of --method {common.method}")
    return cast(Method, cls(**values))


def _kind(
    flag: str, name: str, kinds: Mapping[str, type], values: Mapping[str, Any], prefix: str = ""
) -> type:
    """Return the class of a name; refuse values that it doesn't take, or a lack of those that it needs."""
    cls = kinds[name]
    if unknown := sorted(values.keys() - hints(cls).keys()):
        takers = " or ".join(other for other, kind in kinds.items() if unknown[0] in hints(kind))
        raise ValueError(f"--{flag} {name} takes no {_listed(unknown[:1], prefix)}, only --{flag} {takers}")
    if needed := {field.name for field in fields(cls) if field.default is MISSING} - values.keys():
        raise ValueError(f"--{flag} {name} needs {_listed(needed)}")
    return cls


def _listed(names: Any, prefix: str = "") -> str:
    return ", ".join(f"--{(prefix + name).replace('_', '-')}" for name in sorted(names))
