"""Restore the one image that you have.

``restore(image, Denoise(), DIP())`` gives the restored image, and ``solve`` shows each step. Names are loaded
when they are first used, so that importing the package costs nothing.
"""

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

from napari_dip._version import __version__ as __version__

# Quiet, unless the program that uses the package asks to hear it.
logging.getLogger(__name__).addHandler(logging.NullHandler())

if TYPE_CHECKING:
    from napari_dip.diagnostics.decorrelation import Decorrelation as Decorrelation
    from napari_dip.diagnostics.decorrelation import decorrelation_analysis as decorrelation_analysis
    from napari_dip.diagnostics.report import Diagnostics as Diagnostics
    from napari_dip.diagnostics.resolution import FourierRingCorrelation as FourierRingCorrelation
    from napari_dip.diagnostics.resolution import fourier_ring_correlation as fourier_ring_correlation
    from napari_dip.errors import FileError as FileError
    from napari_dip.errors import RestorationError as RestorationError
    from napari_dip.methods import DIP as DIP
    from napari_dip.methods import PKN as PKN
    from napari_dip.methods import PRESETS as PRESETS
    from napari_dip.methods import Auto as Auto
    from napari_dip.methods import FineTune as FineTune
    from napari_dip.methods import NonLocalBayes as NonLocalBayes
    from napari_dip.methods.classic import RichardsonLucy as RichardsonLucy
    from napari_dip.methods.classic import Wiener as Wiener
    from napari_dip.networks.settings import Decoder as Decoder
    from napari_dip.networks.settings import Hourglass as Hourglass
    from napari_dip.noise.estimate import EstimatedNoise as EstimatedNoise
    from napari_dip.noise.estimate import estimate_noise as estimate_noise
    from napari_dip.noise.models import CorrelatedNoise as CorrelatedNoise
    from napari_dip.noise.models import GaussianNoise as GaussianNoise
    from napari_dip.noise.models import LaplaceNoise as LaplaceNoise
    from napari_dip.noise.models import PoissonGaussianNoise as PoissonGaussianNoise
    from napari_dip.noise.models import PoissonNoise as PoissonNoise
    from napari_dip.noise.models import StripeNoise as StripeNoise
    from napari_dip.noise.models import UnknownNoise as UnknownNoise
    from napari_dip.optim.iterate import Iterate as Iterate
    from napari_dip.optim.iterate import Outcome as Outcome
    from napari_dip.optim.iterate import StoppingCriterion as StoppingCriterion
    from napari_dip.optim.stopping import MaxIterations as MaxIterations
    from napari_dip.optim.stopping import StopRequested as StopRequested
    from napari_dip.optim.stopping import TimeLimit as TimeLimit
    from napari_dip.psf.estimate import EstimatedPSF as EstimatedPSF
    from napari_dip.psf.estimate import estimate_psf as estimate_psf
    from napari_dip.psf.models import AiryPSF as AiryPSF
    from napari_dip.psf.models import GaussianPSF as GaussianPSF
    from napari_dip.psf.models import MeasuredPSF as MeasuredPSF
    from napari_dip.psf.models import MoffatPSF as MoffatPSF
    from napari_dip.restoration.api import residual as residual
    from napari_dip.restoration.api import restore as restore
    from napari_dip.restoration.api import solve as solve
    from napari_dip.restoration.cost import CostEstimate as CostEstimate
    from napari_dip.restoration.cost import estimate_cost as estimate_cost
    from napari_dip.restoration.frame_report import FrameReport as FrameReport
    from napari_dip.restoration.measurement import Measurement as Measurement
    from napari_dip.restoration.recipe import Recipe as Recipe
    from napari_dip.restoration.resolution import Resolution as Resolution
    from napari_dip.restoration.resolution import measure_resolution as measure_resolution
    from napari_dip.restoration.result import Restoration as Restoration
    from napari_dip.restoration.uncertainty import Uncertainty as Uncertainty
    from napari_dip.tasks import Deconvolve as Deconvolve
    from napari_dip.tasks import Denoise as Denoise
    from napari_dip.tasks import Inpaint as Inpaint
    from napari_dip.tasks import SuperResolve as SuperResolve
    from napari_dip.tasks import Task as Task

_HOMES = {
    "diagnostics.decorrelation": ("Decorrelation", "decorrelation_analysis"),
    "diagnostics.resolution": ("FourierRingCorrelation", "fourier_ring_correlation"),
    "errors": ("FileError", "RestorationError"),
    "diagnostics.report": ("Diagnostics",),
    "restoration.cost": ("CostEstimate", "estimate_cost"),
    "methods": ("DIP", "PKN", "PRESETS", "Auto", "FineTune", "NonLocalBayes"),
    "methods.classic": ("RichardsonLucy", "Wiener"),
    "networks.settings": ("Decoder", "Hourglass"),
    "noise.models": (
        "CorrelatedNoise",
        "GaussianNoise",
        "LaplaceNoise",
        "PoissonNoise",
        "PoissonGaussianNoise",
        "StripeNoise",
        "UnknownNoise",
    ),
    "noise.estimate": ("EstimatedNoise", "estimate_noise"),
    "psf.models": ("AiryPSF", "GaussianPSF", "MeasuredPSF", "MoffatPSF"),
    "psf.estimate": ("EstimatedPSF", "estimate_psf"),
    "restoration.recipe": ("Recipe",),
    "restoration.resolution": ("Resolution", "measure_resolution"),
    "restoration.frame_report": ("FrameReport",),
    "restoration.result": ("Restoration",),
    "restoration.uncertainty": ("Uncertainty",),
    "restoration.api": ("residual", "restore", "solve"),
    "restoration.measurement": ("Measurement",),
    "optim.iterate": ("Iterate", "StoppingCriterion", "Outcome"),
    "optim.stopping": ("StopRequested", "MaxIterations", "TimeLimit"),
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
