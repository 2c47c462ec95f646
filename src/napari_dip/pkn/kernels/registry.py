"""The kernels that can be chosen, by name."""

from napari_dip.pkn.kernels.base import ProceduralKernel
from napari_dip.pkn.kernels.bilateral import Bilateral
from napari_dip.pkn.kernels.gaussian import Anisotropic, Isotropic
from napari_dip.pkn.kernels.nonlocal_means import NonLocalMeans
from napari_dip.pkn.kernels.polynomial import AnisotropicReblur, Reblur
from napari_dip.pkn.kernels.upsample import Upsample

#: All kernels by name, in the order in which forms list them.
KERNELS: dict[str, type[ProceduralKernel]] = {
    kernel.name: kernel
    for kernel in (Isotropic, Anisotropic, Bilateral, NonLocalMeans, Reblur, AnisotropicReblur, Upsample)
}


def kernel_of(name: str, factor: int = 2) -> ProceduralKernel:
    """Return the kernel with this name; `factor` applies to upsampling only."""
    cls = KERNELS[name]
    return Upsample(factor) if issubclass(cls, Upsample) else cls()
