"""Restore the one image that you have.

``restore(image, Denoise(), DIP())`` gives an array; ``solve`` shows each step. Names are loaded when they
are first used, so that importing the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from napari_dip.errors import FileError as FileError
    from napari_dip.errors import RestorationError as RestorationError
    from napari_dip.estimation import Estimate as Estimate
    from napari_dip.estimation import estimate as estimate
    from napari_dip.methods import DIP as DIP
    from napari_dip.methods import PKN as PKN
    from napari_dip.methods import PRESETS as PRESETS
    from napari_dip.methods import FineTune as FineTune
    from napari_dip.methods.classic import RichardsonLucy as RichardsonLucy
    from napari_dip.methods.classic import Wiener as Wiener
    from napari_dip.networks.decoder import Decoder as Decoder
    from napari_dip.networks.hourglass import Hourglass as Hourglass
    from napari_dip.noise import Gaussian as Gaussian
    from napari_dip.noise import Laplace as Laplace
    from napari_dip.noise import Poisson as Poisson
    from napari_dip.noise import PoissonGaussian as PoissonGaussian
    from napari_dip.noise import Unknown as Unknown
    from napari_dip.noise_estimation import estimate_noise as estimate_noise
    from napari_dip.psf import AiryPSF as AiryPSF
    from napari_dip.psf import GaussianPSF as GaussianPSF
    from napari_dip.psf import MeasuredPSF as MeasuredPSF
    from napari_dip.psf import MoffatPSF as MoffatPSF
    from napari_dip.psf_estimation import estimate_psf as estimate_psf
    from napari_dip.recipe import Recipe as Recipe
    from napari_dip.reports import Restoration as Restoration
    from napari_dip.restoration import restore as restore
    from napari_dip.restoration import solve as solve
    from napari_dip.solver.iterate import Iterate as Iterate
    from napari_dip.solver.iterate import Judge as Judge
    from napari_dip.solver.iterate import Outcome as Outcome
    from napari_dip.solver.stopping import Asked as Asked
    from napari_dip.solver.stopping import Budget as Budget
    from napari_dip.solver.stopping import TimeLimit as TimeLimit
    from napari_dip.tasks import Deconvolve as Deconvolve
    from napari_dip.tasks import Denoise as Denoise
    from napari_dip.tasks import Inpaint as Inpaint
    from napari_dip.tasks import SuperResolve as SuperResolve
    from napari_dip.tasks import Task as Task

_HOMES = {
    "errors": ("FileError", "RestorationError"),
    "estimation": ("Estimate", "estimate"),
    "methods": ("DIP", "PKN", "PRESETS", "FineTune"),
    "methods.classic": ("RichardsonLucy", "Wiener"),
    "networks.decoder": ("Decoder",),
    "networks.hourglass": ("Hourglass",),
    "noise": ("Gaussian", "Laplace", "Poisson", "PoissonGaussian", "Unknown"),
    "noise_estimation": ("estimate_noise",),
    "psf": ("AiryPSF", "GaussianPSF", "MeasuredPSF", "MoffatPSF"),
    "psf_estimation": ("estimate_psf",),
    "recipe": ("Recipe",),
    "reports": ("Restoration",),
    "restoration": ("restore", "solve"),
    "solver.iterate": ("Iterate", "Judge", "Outcome"),
    "solver.stopping": ("Asked", "Budget", "TimeLimit"),
    "tasks": ("Deconvolve", "Denoise", "Inpaint", "SuperResolve", "Task"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
