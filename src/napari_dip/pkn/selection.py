"""The kernel that suits a problem, and the predictor of its parameters."""

from pathlib import Path
from typing import Literal

from torch import nn

from napari_dip.noise.models import LaplaceNoise
from napari_dip.operators import Blur, Compose, Identity, Operator, Resample
from napari_dip.pkn.kernels.base import ProceduralKernel
from napari_dip.pkn.kernels.registry import KERNELS, kernel_of
from napari_dip.pkn.observe import unmeasurable_reason
from napari_dip.pkn.predictors import Constant, StructureTensor
from napari_dip.pkn.settings import KernelName
from napari_dip.pkn.weights_file import bundled, load
from napari_dip.problem import Problem

#: Names of kernels that can be chosen, and names of predictors.
KernelChoice = Literal["auto", KernelName]
PredictorName = Literal["network", "structure-tensor", "constant"]


def kernel_for(operator: Operator, name: KernelChoice = "auto") -> ProceduralKernel:
    """Return the kernel that undoes an operator.

    Parameters
    ----------
    operator : Operator
        A of the problem.
    name : str
        The kernel that the user chose; "auto" is the usual one for the operator.

    Raises
    ------
    ValueError
        The kernel can't undo the operator; the message is for the user.
    """
    factor = 2
    if isinstance(operator, Identity):
        usual, wanted = "anisotropic", "denoise"
    elif isinstance(operator, Blur):
        usual, wanted = "anisotropic-reblur", "deblur"
        if operator.per_channel:
            raise ValueError(
                "A kernel network removes the same blur from all channels, but here each has a point spread "
                'function of its own: choose channels="separate" (--channels separate), or another method.'
            )
    elif isinstance(operator, Resample):
        usual, wanted, factor = "upsample", "refine", operator.factors[0]
        if len(set(operator.factors)) > 1 or factor not in (2, 3, 4):
            raise ValueError(
                "A kernel network super-resolves by a factor of 2, 3 or 4, the same along both axes; "
                f"got {operator.factors}."
            )
    elif isinstance(operator, Compose):
        raise ValueError(
            "A kernel network can't deconvolve and super-resolve at the same time: leave out the point "
            "spread function, or choose another method."
        )
    else:
        raise ValueError("A kernel network only denoises, deconvolves and super-resolves.")
    name_or_usual = usual if name == "auto" else name
    if KERNELS[name_or_usual].purpose != wanted:
        choices = " or ".join(kernel.name for kernel in KERNELS.values() if kernel.purpose == wanted)
        raise ValueError(f"The kernel {name_or_usual} doesn't suit this task: choose {choices}.")
    return kernel_of(name_or_usual, factor)


def predictor_for(
    kernel: ProceduralKernel,
    name: PredictorName = "network",
    weights: str | None = None,
) -> nn.Module:
    """Return the predictor of a kernel's parameters.

    Parameters
    ----------
    kernel : ProceduralKernel
        The filter.
    name : {"network", "structure-tensor", "constant"}
        Which predictor.
    weights : str, optional
        File of a trained network; by default the network that comes with the package.

    Raises
    ------
    FileError
        The file holds no network for this kernel.
    """
    if name == "structure-tensor":
        return StructureTensor(kernel)
    trained = bundled(kernel) if weights is None else load(Path(weights), kernel)
    return Constant(kernel, trained.setting) if name == "constant" else trained.network


def unsupported_reason(
    problem: Problem, kernel_name: KernelChoice, predictor: PredictorName, *, guided: bool
) -> str | None:
    """Return why a kernel network can't restore a problem's data, as a sentence for the user, or None.

    Parameters
    ----------
    problem : Problem
        What the image has to explain.
    kernel_name, predictor : str
        The user's choice.
    guided : bool
        The user gave a guide.
    """
    if len(problem.grid.shape) != 2:
        return f"A kernel network filters planes, and this has {len(problem.grid.shape)} spatial axes."
    if problem.only_missing:
        return "A kernel network can't fill holes: choose Deep Image Prior."
    if isinstance(problem.noise, LaplaceNoise):
        return "A kernel network leaves outliers in: choose Deep Image Prior, or mark them as missing."
    try:
        kernel = kernel_for(problem.operator, kernel_name)
    except ValueError as error:
        return str(error)
    if reason := problem.too_sparse("A kernel network"):
        return reason
    if guided and not kernel.guided:
        return f"{kernel.title} takes no guide: choose a bilateral filter or non-local means."
    if predictor == "structure-tensor" and not StructureTensor.suits(kernel):
        return (
            f"The structure tensor can't predict the parameters of {kernel.title}: choose the predictor "
            '"network" or "constant".'
        )
    smallest = min(problem.data.shape[2:])
    if smallest <= kernel.margin:
        return (
            f"{kernel.title} needs more than {kernel.margin} pixels along each axis, got {smallest}: "
            "restore a larger part, or choose another kernel or Deep Image Prior."
        )
    if reason := unmeasurable_reason(problem):
        return f"The noise can't be measured: {reason}."
    return None
