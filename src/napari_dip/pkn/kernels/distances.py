"""Grey-level distances, computed once for both pixels of a pair."""

from collections.abc import Callable

from torch import Tensor

from napari_dip.pkn.observation import reflected


def patch_distances(
    image: Tensor, radius: int, patch: int = 0, variance: Tensor | None = None
) -> Callable[[int, int], tuple[Tensor, Tensor]]:
    """Return the mean squared difference between the patches around p and p + d, as a function of d.

    Parameters
    ----------
    image : Tensor, shape ``(N, C, H, W)``
        All channels count equally.
    radius : int
        Largest offset along an axis.
    patch : int
        A patch is a square of 2 patch + 1 pixels a side.
    variance : Tensor, shape ``(N, 1, 1, 1)`` or ``(N, 1, H, W)``, optional
        Variance of the noise. What the noise adds to the difference on average is subtracted, down to 0.

    Returns
    -------
    callable
        A function of (dy, dx) with dy >= 0. It returns the distances of p from p + d and from p - d, each of
        shape ``(N, 1, H, W)``.
    """
    height, width = image.shape[2:]
    margin, side = radius + patch, 2 * patch + 1
    around = reflected(image, margin)
    noise = None
    if variance is not None:
        noise = variance if variance.shape[2:] == (1, 1) else reflected(variance, radius)

    def between(dy: int, dx: int) -> tuple[Tensor, Tensor]:
        # The distance of p - d from p equals that of p from p + d, shifted: one computation gives both.
        top, left, right = margin - dy, margin - max(dx, 0), margin + width + max(-dx, 0)
        rows = slice(top - patch, margin + height + patch)
        here = around[:, :, rows, left - patch : right + patch]
        there = around[:, :, rows.start + dy : rows.stop + dy, left - patch + dx : right + patch + dx]
        distance = (here - there).square_().mean(1, keepdim=True)
        if patch:
            distance = _box_sum(_box_sum(distance, side, 2), side, 3).div_(side * side)
        if noise is not None:
            if noise.shape[2:] == (1, 1):
                distance = distance.sub_(2 * noise).clamp_min_(0)
            else:
                rows = slice(radius - dy, radius + height)
                columns = slice(left - patch, right - patch)
                one = noise[:, :, rows, columns]
                other = noise[:, :, rows.start + dy : rows.stop + dy, columns.start + dx : columns.stop + dx]
                distance = distance.sub_(one + other).clamp_min_(0)
        first = max(dx, 0)
        return (
            distance[:, :, dy:, first : first + width],
            distance[:, :, :height, first - dx : first - dx + width],
        )

    return between


def _box_sum(x: Tensor, size: int, axis: int) -> Tensor:
    """Return sums over `size` neighbours along an axis, which becomes shorter by size - 1."""
    length = x.shape[axis] - size + 1
    total: Tensor | None = None
    done, run, power = 0, x, 1
    while True:  # `run` holds sums of 1, 2, 4, ... neighbours; the powers of 2 in `size` are added up
        if size & power:
            part = run.narrow(axis, done, length)
            total = part if total is None else total + part
            done += power
        power *= 2
        if power > size:
            assert total is not None
            return total
        n = run.shape[axis] - power // 2
        run = run.narrow(axis, 0, n) + run.narrow(axis, power // 2, n)
