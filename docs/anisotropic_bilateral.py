"""The example of adding-a-kernel.md: a bilateral filter that is stretched along edges."""

from torch import Tensor

from napari_dip.pkn.kernels.distances import patch_distances
from napari_dip.pkn.kernels.gaussian import SHAPE, oval_weights, precision
from napari_dip.pkn.kernels.parameters import Parameter
from napari_dip.pkn.kernels.window import LOG2E, Weights, WindowKernel
from napari_dip.pkn.observation import Observation


class AnisotropicBilateral(WindowKernel):
    """w ∝ exp(−½ dᵀ Q d − (x(p) − x(q))² / 2 (contrast σ)²): an oval Gaussian that stops at edges.

    Q is that of the anisotropic Gaussian, and σ the standard deviation of the noise at p. With a guide, its
    grey levels replace those of the image in the second term.
    """

    name = "anisotropic-bilateral"
    title = "Anisotropic bilateral filter"
    parameters = (
        *SHAPE,
        Parameter(
            "contrast", "Difference in grey level at which a pixel's weight falls.", "noise", 0.3, 20.0, 4.0
        ),
    )
    radius = 5
    guided = True

    def weights(self, observation: Observation, maps: Tensor) -> Weights:
        """Return the weights as a function of d."""
        width, a, b, contrast = maps.split(1, 1)
        in_space = oval_weights(precision(-2 * width.log(), a, b), self.radius)
        in_grey = -0.5 * LOG2E / (contrast * observation.sigma).square()
        guide = observation.image if observation.guide is None else observation.guide
        distances = patch_distances(guide, self.radius)

        def weights(dy: int, dx: int) -> tuple[Tensor, Tensor]:
            near, _ = in_space(dy, dx)
            ahead, behind = (near * (in_grey * one).exp2() for one in distances(dy, dx))
            return ahead, behind

        return weights
