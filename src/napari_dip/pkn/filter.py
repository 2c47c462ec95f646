"""A kernel and a predictor of its parameters, as one differentiable filter."""

import torch.nn.functional as F
from torch import Tensor, nn

from napari_dip.pkn.kernels.base import ProceduralKernel
from napari_dip.pkn.observation import Observation
from napari_dip.pkn.predictors import Predictor


class Filter(nn.Module):
    """A kernel whose parameters a predictor gives; differentiable with respect to the predictor's weights.

    Parameters
    ----------
    kernel : ProceduralKernel
        The filter.
    predictor : Predictor
        Predicts its parameters.
    """

    def __init__(self, kernel: ProceduralKernel, predictor: Predictor) -> None:
        super().__init__()
        self.kernel, self.predictor = kernel, predictor

    def forward(self, observation: Observation) -> Tensor:
        """Return the filtered images, shape ``(N, C, factor H, factor W)``."""
        raw = self.predictor(observation)
        height, width = (n * self.kernel.factor for n in observation.image.shape[2:])
        return self.kernel.apply(observation, decoded(self.kernel, raw, slice(0, height), slice(0, width)))


def decoded(kernel: ProceduralKernel, raw: Tensor, rows: slice, columns: slice) -> Tensor:
    """Return the decoded parameters of a part of the result, as `interpolated` does."""
    return kernel.decode(interpolated(kernel, raw, rows, columns))


def interpolated(kernel: ProceduralKernel, raw: Tensor, rows: slice, columns: slice) -> Tensor:
    """Return the encoded parameters of a part of the result.

    Parameters
    ----------
    kernel : ProceduralKernel
        The filter.
    raw : Tensor, shape ``(N, P, h, w)``
        Encoded parameters of the whole image.
    rows, columns : slice
        Part of the result; both ends are given.

    Returns
    -------
    Tensor, shape ``(N, P, rows, columns)``
    """
    return _interpolated(raw, kernel.stride * kernel.factor, (rows, columns))


def _interpolated(raw: Tensor, step: int, part: tuple[slice, slice]) -> Tensor:
    """Return a part of a coarse map at every pixel, interpolated linearly between its samples."""
    spans = [
        (max(0, one.start // step - 1), min(n, -(-one.stop // step) + 1))
        for one, n in zip(part, raw.shape[2:], strict=True)
    ]
    coarse = raw[:, :, *(slice(first, last) for first, last in spans)]
    fine = F.interpolate(coarse, scale_factor=step, mode="bilinear", align_corners=False)
    inner = (
        slice(one.start - first * step, one.stop - first * step)
        for one, (first, _) in zip(part, spans, strict=True)
    )
    return fine[:, :, *inner]
