"""Options of the command line, made from the settings classes; their help comes from the docstrings."""

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, is_dataclass, make_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_type_hints

from cyclopts import Group, Parameter, Token

from napari_dip.device import Device
from napari_dip.methods import DIP, METHODS, PRESETS
from napari_dip.noise.models import NOISE_MODELS
from napari_dip.optim.stopping import MaxIterations
from napari_dip.pkn.settings import Training
from napari_dip.presentation import METHOD_NAMES, words_of_method
from napari_dip.psf.models import PSFS
from napari_dip.restoration.series import Following
from napari_dip.settings import descriptions, plain_fields
from napari_dip.tasks import Deconvolve, Inpaint, SuperResolve

#: Point spread functions that a formula gives, by name; the first is the default.
FORMULAS: Mapping[str, type] = {name: cls for name, cls in PSFS.items() if not cls.measured}

_TITLES = ("Task", "Training", "Noise", "Image", "Method", "Output", "Messages", "Shared settings of methods")
_DEFAULT_METHOD = words_of_method(DIP).command
_TASK, _TRAINING, _NOISE, _IMAGE, _METHOD, _OUTPUT, _MESSAGES, _SHARED = (
    Group(title, sort_key=place) for place, title in enumerate(_TITLES)
)
_METHOD_GROUPS = {
    cls: Group(f"{words_of_method(cls).title} (--method {name})", sort_key=place)
    for place, (name, cls) in enumerate(METHOD_NAMES.items(), len(_TITLES))
}


def _integer(_: Any, tokens: Sequence[Token]) -> int:
    """Return an integer; cyclopts itself would round 2.5."""
    try:
        return int(tokens[0].value)
    except ValueError:
        raise ValueError(f'unable to convert "{tokens[0].value}" into a whole number') from None


_Integer = Annotated[int, Parameter(converter=_integer)]


def _options(
    name: str, groups: Mapping[type, Group], *, prefix: str = "", required: tuple[str, ...] = ()
) -> type:
    """Return a dataclass whose fields are the plain fields of settings classes, each of them optional.

    A field that classes of several groups have is one option. Its help then says what it means to each
    method. A required field shows no default.
    """
    found: dict[str, list[tuple[type, Any, str]]] = {}
    for cls in groups:
        types = get_type_hints(cls)  # without limits: the settings check those, in their own words
        for field in plain_fields(cls):
            hint = types[field.name]
            if any(is_dataclass(one) for one in (hint, *get_args(hint))):
                continue
            text = descriptions(cls)[field.name].replace("\n", " ")
            if field.default not in (MISSING, None) and field.name not in required:
                text += f" [default: {field.default}]"
            found.setdefault(field.name, []).append((cls, hint, text))
    made = []
    for field_name, uses in found.items():
        (cls, hint, text), group = uses[0], groups[uses[0][0]]
        if len({groups[one] for one, _, _ in uses}) > 1:
            group = _SHARED
            text = " ".join(f"{words_of_method(one).command}: {its_text}" for one, _, its_text in uses)
        converter = _integer if int in (hint, *get_args(hint)) else None
        parameter = Parameter(help=text, group=group, show_default=False, converter=converter)
        made.append((prefix + field_name, Annotated[hint | None, parameter], None))
    return Parameter(name="*")(make_dataclass(name, made, frozen=True, namespace={"__module__": __name__}))


NoiseOptions = _options("NoiseOptions", dict.fromkeys(NOISE_MODELS.values(), _NOISE))
PSFOptions = _options("PSFOptions", dict.fromkeys(PSFS.values(), _TASK), prefix="psf_", required=("fwhm",))
InpaintOptions, SuperResolveOptions, DeconvolveOptions = (
    _options(f"{cls.__name__}Options", {cls: _TASK}) for cls in (Inpaint, SuperResolve, Deconvolve)
)
MethodOptions = _options("MethodOptions", {cls: _METHOD_GROUPS[cls] for cls in METHODS})
TrainingOptions = _options("TrainingOptions", {Training: _TRAINING})

_Switch = Annotated[bool, Parameter(negative="", show_default=False)]

NoiseName = Annotated[
    str | None,
    Parameter(
        help="Kind of noise. [default: the kind that fits the other noise options, or unknown]",
        choices=tuple(NOISE_MODELS),
        group=_NOISE,
    ),
]
NoiseEstimate = Annotated[
    _Switch,
    Parameter(
        help="Measure the noise in the image. Without --noise, it is taken to be photon noise if it grows "
        "with brightness, and Gaussian noise otherwise. For poisson-gaussian, --offset is needed.",
        group=_NOISE,
    ),
]
PSFFile = Annotated[
    Path | None,
    Parameter(
        help="Image file of the measured point spread function, such as a bead or a star. It is resampled to "
        "the pixels of the image if both files state their pixel sizes.",
        group=_TASK,
    ),
]
PSFEstimate = Annotated[
    _Switch,
    Parameter(help="Measure the blur at points of light or sharp edges of the image.", group=_TASK),
]
PSFKind = Annotated[
    str | None,
    Parameter(
        help=f"Shape of the point spread function. [default: {next(iter(FORMULAS))}]",
        choices=tuple(FORMULAS),
        group=_TASK,
    ),
]
TrainingOutput = Annotated[Path, Parameter(help="File to write; it ends in .safetensors.", group=_TRAINING)]
Noisy = Annotated[
    _Switch,
    Parameter(
        help="Learn from one noisy image, without a clean one: Stein's unbiased risk estimate replaces the "
        "truth. The noise must be independent from pixel to pixel. It is measured unless you describe it.",
        group=_TRAINING,
    ),
]
DemoOutput = Annotated[
    Path, Parameter(help="Folder for the images and the summary; it is created if necessary.", group=_OUTPUT)
]
Halves = Annotated[
    _Switch,
    Parameter(
        help="The two images are halves of one measurement: correct for their having half of its light.",
        group=_IMAGE,
    ),
]
AxesLetters = Annotated[
    str | None,
    Parameter(
        help="One letter per axis, such as ZYX or YXC. [default: as the file states, or guessed from the "
        "shape]",
        group=_IMAGE,
    ),
]
HDU = Annotated[str | None, Parameter(help="The HDU of FITS files to read.", group=_IMAGE)]
BibTeX = Annotated[
    _Switch, Parameter(help="Write the BibTeX entries of what the text cites instead.", group=_OUTPUT)
]
Overwrite = Annotated[_Switch, Parameter(help="Replace existing files.", group=_OUTPUT)]


@Parameter(name="*")
@dataclass(frozen=True)
class Common:
    """Options of every command that restores.

    Parameters
    ----------
    missing : Path
        Image file that is non-zero where a pixel is missing; brackets choose an HDU of a FITS file, as in
        sky.fits[MASK]. NaN and infinite pixels are always missing.
    missing_label : int
        Only the pixels of the --missing file that have this value are missing.
    saturation_level : float
        Pixels at or above this grey level are missing, in each channel separately.
    no_data : float
        Pixels of exactly this grey level are missing, such as -9999.
    dq_bits : str
        Flags in the data-quality plane of a FITS file: a number, or several such as 1,4,0x800. Pixels that
        have at least one of them are missing.
    noise_std : Path
        Image file with the standard deviation of the noise in each pixel, in grey levels, in place of the
        noise options above. Pixels without a positive, finite value are missing. A FITS file may hold
        variances or inverse variances instead; brackets choose one of its HDUs, as in sky.fits[ERR].
    hdu : str
        The HDU of a FITS file to restore: its name, its name and version such as SCI,2, or its number.
        [default: SCI if there is one, else the first image that is not a mask, a weight or an uncertainty]
    mosaic : {"refuse", "ignore"}
        What to do with a colour-filter mosaic, whose neighbouring pixels show different colours: refuse it,
        or restore it like any other image.
    guide : Path
        Another image file of the same scene that shows its structures better, such as a photograph with flash
        or a brighter channel. It must have as many pixels as the restored image; channels come last.
    axes : str
        One letter per axis, such as TZYXC: Z, Y and X are spatial, C is channels, and all others are restored
        frame by frame. [default: as the file states, or guessed
        from the shape]
    channels : {"together", "separate"}
        Restore all channels together, or each as an image of its own.
    roi : str
        Region to restore, such as 100:356,20:276: one range of pixels for each spatial axis, or for each axis
        of the image. The last pixel of a range is not included; an omitted end is that of the image. The
        output holds only this region. Files for --missing, --noise-std and --guide still cover the whole
        image.
    method : {"auto", "dip", "pkn", "finetune", "nonlocal-bayes", "richardson-lucy", "wiener"}
        Deep Image Prior (dip) fits an untrained network to the image. A procedural kernel network (pkn)
        filters the image within seconds and cannot invent structure. A pretrained network (finetune) is
        checked for consistency with the image, and corrected if necessary. Non-local Bayes denoises,
        deconvolves and super-resolves without a network, in seconds to half a minute. Richardson-Lucy and
        Wiener deconvolve within seconds. The best of them for this kind of task and image can be chosen
        automatically (auto).
    preset : str
        Settings of Deep Image Prior to start from; other options override them. "tapered" is the fast
        default. "fine" takes three times as long, and is better where thin lines are missing. All others are
        published settings.
    parameter_maps : Path
        Image file with the parameters of a procedural kernel, one plane for each, as --save-maps writes them.
        They are applied instead of predicted ones.
    series : {"warm_start", "drift", "independent"}
        Start each frame from what was learnt from the frame before; do the same and correct the drift between
        frames; or start each frame afresh.
    stop_after : int
        Stop each frame after this number of iterations, counted over all networks of an ensemble.
    device : {"auto", "cpu", "cuda", "mps"}
        Where to compute.
    seed : int
        The same seed gives the same pixels on the same machine, with the same number of threads.
    threads : int
        Number of CPU threads. Another number rounds differently, which changes the result of a fit by about a
        tenth of the noise. [default: chosen by torch, usually one for each core]
    uncertainty : Path
        For denoising: measure the standard error of each pixel and write it, in grey levels: an image file,
        an existing folder, or a name with {stem} in it. A run takes three times as long, and one pixel in
        twenty is kept from it to calibrate the errors.
    save_maps : Path
        Write the parameters that were applied: a TIFF file, an existing folder, or a name with {stem} in it.
    save_weights : Path
        Write the fine-tuned network, for use with --weights: a .safetensors file, an existing folder, or a
        name with {stem} in it.
    resolution : bool
        Measure the resolution of the result too, by Fourier ring correlation: the measurement is split in two
        halves that share no noise, and both are restored. This takes twice as long again.
    keep_dtype : bool
        Round the result to the data type of the source. Values outside its range are clipped, and their
        number is printed.
    skip_existing : bool
        Keep outputs that exist, and restore only what is missing. Results of runs that were interrupted, or
        in which frames failed, count as missing.
    """

    missing: Annotated[Path | None, Parameter(group=_IMAGE)] = None
    missing_label: Annotated[_Integer | None, Parameter(group=_IMAGE)] = None
    saturation_level: Annotated[float | None, Parameter(group=_IMAGE)] = None
    no_data: Annotated[float | None, Parameter(group=_IMAGE)] = None
    dq_bits: Annotated[str | None, Parameter(group=_IMAGE)] = None
    noise_std: Annotated[Path | None, Parameter(group=_IMAGE)] = None
    hdu: Annotated[str | None, Parameter(group=_IMAGE)] = None
    mosaic: Annotated[Literal["refuse", "ignore"], Parameter(group=_IMAGE)] = "refuse"
    guide: Annotated[Path | None, Parameter(group=_IMAGE)] = None
    axes: Annotated[str | None, Parameter(group=_IMAGE)] = None
    channels: Annotated[Literal["together", "separate"], Parameter(group=_IMAGE)] = "together"
    roi: Annotated[str | None, Parameter(group=_IMAGE)] = None
    method: Annotated[str, Parameter(choices=tuple(METHOD_NAMES), group=_METHOD)] = _DEFAULT_METHOD
    preset: Annotated[str | None, Parameter(choices=tuple(PRESETS), group=_METHOD)] = None
    parameter_maps: Annotated[Path | None, Parameter(group=_METHOD)] = None
    series: Annotated[Following, Parameter(group=_METHOD)] = "warm_start"
    stop_after: Annotated[_Integer | None, Parameter(group=_METHOD)] = None
    device: Annotated[Device, Parameter(group=_METHOD)] = "auto"
    seed: Annotated[_Integer, Parameter(group=_METHOD)] = 0
    threads: Annotated[_Integer | None, Parameter(group=_METHOD)] = None
    uncertainty: Annotated[Path | None, Parameter(group=_OUTPUT)] = None
    save_maps: Annotated[Path | None, Parameter(group=_OUTPUT)] = None
    save_weights: Annotated[Path | None, Parameter(group=_OUTPUT)] = None
    resolution: Annotated[_Switch, Parameter(group=_OUTPUT)] = False
    keep_dtype: Annotated[_Switch, Parameter(group=_OUTPUT)] = False
    overwrite: Overwrite = False
    skip_existing: Annotated[_Switch, Parameter(group=_OUTPUT)] = False

    @property
    def stopping_rule(self) -> MaxIterations | None:
        """The rule that stops each frame, if there is one."""
        return None if self.stop_after is None else MaxIterations(self.stop_after)


@Parameter(name="*", group=_MESSAGES)
@dataclass(frozen=True)
class Messages:
    """Options of every command.

    Parameters
    ----------
    quiet : bool
        Show errors only.
    debug : bool
        Show what the program does, and the full traceback of an error. Include this in a bug report.
    """

    quiet: _Switch = False
    debug: _Switch = False
