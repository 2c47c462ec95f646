"""Non-local means."""

from torch import Tensor

from napari_dip.pkn.kernels.distances import patch_distances
from napari_dip.pkn.kernels.parameters import Parameter
from napari_dip.pkn.kernels.window import LOG2E, Weights, WindowKernel
from napari_dip.pkn.observation import Observation


class NonLocalMeans(WindowKernel):
    """w ∝ exp(−max(0, D − 2σ²) / (h σ)²), D the mean squared difference between the patches around p and q.

    σ is the standard deviation of the noise, which adds 2σ² to D on average; σ²(p) + σ²(q) where it varies.
    Source: Buades, Coll and Morel, CVPR 2005; IPOL 2011, section 3.
    """

    name = "nlm"
    title = "Non-local means"
    parameters = (Parameter("h", "Difference between patches that is tolerated.", "noise", 0.05, 3.0, 0.8),)
    radius = 5
    beyond = 3
    guided = True

    def weights(self, observation: Observation, maps: Tensor) -> Weights:
        """Return the weights as a function of d."""
        strength = -LOG2E / (maps[:, :1] * observation.sigma).square()
        guide = observation.image if observation.guide is None else observation.guide
        distances = patch_distances(guide, self.radius, self.beyond, observation.sigma.square())

        def weights(dy: int, dx: int) -> tuple[Tensor, Tensor]:
            ahead, behind = ((strength * one).exp2_() for one in distances(dy, dx))
            return ahead, behind

        return weights
