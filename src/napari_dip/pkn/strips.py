"""Prediction of a filter's parameters in horizontal strips, between which a run can be stopped."""

from collections.abc import Callable, Iterator

from torch import Tensor

from napari_dip.pkn.observation import Observation

#: Predictions computed at once: few enough to fit into the caches.
_STRIP = 2**16


def in_strips(
    predict: Callable[[Observation], Tensor], observation: Observation, stride: int, reach: int
) -> Iterator[Tensor]:
    """Yield a prediction from top to bottom, in strips that each take a moment.

    Parameters
    ----------
    predict : callable
        Returns the prediction for some rows of the observation.
    observation : Observation
        The whole images, without missing pixels.
    stride : int
        Pixels from one prediction to the next.
    reach : int
        Distance, in predictions, beyond which pixels have no influence on a prediction.

    Yields
    ------
    Tensor, shape ``(N, P, rows, ⌈W / stride⌉)``
    """
    height, width = observation.image.shape[2:]
    # The surroundings of a strip are computed too, so it should be higher than they are.
    rows = max(4 * reach, _STRIP // -(-width // stride)) * stride
    for top in range(0, height, rows):
        first, last = max(0, top - reach * stride), min(height, top + rows + reach * stride)
        prediction = predict(observation.rows(first, last))
        yield prediction[:, :, (top - first) // stride :][:, :, : rows // stride]
