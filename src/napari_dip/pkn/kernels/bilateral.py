"""The bilateral filter."""

from torch import Tensor

from napari_dip.pkn.kernels.distances import patch_distances
from napari_dip.pkn.kernels.parameters import Parameter
from napari_dip.pkn.kernels.window import LOG2E, Weights, WindowKernel
from napari_dip.pkn.observation import Observation


class Bilateral(WindowKernel):
    """w ∝ exp(−|d|² / 2 width² − (x(p) − x(q))² / 2 (contrast σ)²): a Gaussian that stops at edges.

    σ is the standard deviation of the noise at p. With a guide, its grey levels replace those of the image
    in the second term. Source: Tomasi and Manduchi, ICCV 1998.
    """

    name = "bilateral"
    title = "Bilateral filter"
    parameters = (
        Parameter("width", "Standard deviation of the Gaussian in space.", "px", 0.2, 4.0, 1.5, identity=0.2),
        Parameter(
            "contrast", "Difference in grey level at which a pixel's weight falls.", "noise", 0.3, 20.0, 3.3
        ),
    )
    radius = 5
    guided = True

    def weights(self, observation: Observation, maps: Tensor) -> Weights:
        """Return the weights as a function of d."""
        width, contrast = maps.split(1, 1)
        in_space = -0.5 * LOG2E / width.square()
        in_grey = -0.5 * LOG2E / (contrast * observation.sigma).square()
        guide = observation.image if observation.guide is None else observation.guide
        distances = patch_distances(guide, self.radius)

        def weights(dy: int, dx: int) -> tuple[Tensor, Tensor]:
            far = in_space * (dy * dy + dx * dx)
            ahead, behind = (far.addcmul(in_grey, one).exp2_() for one in distances(dy, dx))
            return ahead, behind

        return weights
