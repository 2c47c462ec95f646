"""Was an image compressed as JPEG? The coefficients of its 8 x 8 blocks are then multiples of a step."""

import math

import numpy as np

from napari_dip.noise.quantisation import quantisation_step

#: Side of a block of JPEG, and side of the part of an image that is looked at.
BLOCK, _SIDE = 8, 256
#: The coefficients that are looked at: large enough for many steps, and coarsely quantised by few qualities.
_COEFFICIENTS = ((0, 1), (1, 0), (1, 1), (0, 2), (2, 0), (2, 1), (1, 2), (2, 2))
#: Resolution of a coefficient's histogram in grey levels, and number of its bins.
_FINE, _BINS = 0.25, 8192
#: Steps that are looked for, in grey levels.
_LEAST, _MOST = 1.8, 64.0
#: Frequency, as a share of 1 / standard deviation, from which coefficients that are not quantised have no
#: trace of a step.
_SMOOTH = 0.39
#: Least share of the coefficients' values that agree with a step; the standard errors by which the blocks'
#: own position has to stand out; and the number of coefficients that have to agree on it.
_CLEAR, _SIGNIFICANT, _SEVERAL = 0.15, 7.0, 3
#: Blocking from which an image counts as compressed. Photographs that were compressed well have up to 1.4
#: under noise, and a quality of 30 gives at least 2.
_BLOCKY = 1.6


def compressed(values: np.ndarray, seen: np.ndarray) -> bool:
    """Whether an image shows the 8 x 8 blocks of JPEG, or the steps between their coefficients.

    Where the compression is strong, third differences are larger across every eighth border, in both
    directions. Where it is weak, it leaves its steps: in blocks at one of 64 positions, the coefficients of
    the cosine transform are multiples of a whole number, up to rounding [1]_. Their characteristic function
    has a peak there, and no other position has it. No structure of a scene does this. The steps are only seen
    while the grey levels are those of the file.

    Parameters
    ----------
    values : ndarray of float, shape ``(H, W)``
        Grey levels.
    seen : ndarray of bool, shape ``(H, W)``
        False where a pixel is missing.

    References
    ----------
    .. [1] Z. Fan and R. L. de Queiroz, Identification of bitmap compression history: JPEG detection and
       quantizer estimation, IEEE Trans. Image Processing 12, 2003.
    """
    if min(_blocking(values, seen), _blocking(values.T, seen.T)) > _BLOCKY:
        return True
    step = quantisation_step(values[seen]) if seen.all() else 0.0
    return step > 0 and _stepped(values / step)


def _blocking(values: np.ndarray, seen: np.ndarray) -> float:
    """Return how rough every eighth border along the last axis is, divided by the median of 8 phases.

    Of the borders of a phase, the roughness of the lower quartile counts: a scene may have edges along some.
    """
    if values.shape[1] < 4 * BLOCK:
        return 0.0
    known = seen[:, :-3] & seen[:, 1:-2] & seen[:, 2:-1] & seen[:, 3:]
    whole = known.sum(0) > len(known) / 2
    rough = np.zeros(known.shape[1])
    differences = np.where(known, np.abs(np.diff(values, 3, 1)), np.nan)
    rough[whole] = np.nanmedian(differences[:, whole], axis=0)
    phases = [rough[phase::BLOCK][whole[phase::BLOCK]] for phase in range(BLOCK)]
    if not all(one.size for one in phases):
        return 0.0
    lower = [float(np.quantile(one, 0.25)) for one in phases]
    typical = float(np.median(lower))
    return max(lower) / typical if typical > 0 else math.inf if max(lower) > 0 else 0.0


def _stepped(levels: np.ndarray) -> bool:
    """Whether the coefficients at one position of the blocks are multiples of a whole number."""
    top, left = (max(0, n - _SIDE) // 2 for n in levels.shape)
    levels = levels[top : top + _SIDE, left : left + _SIDE]
    if min(levels.shape) < BLOCK**2:
        return False
    found = np.zeros((BLOCK, BLOCK), int)
    for i, j in _COEFFICIENTS:
        phase = _peak(levels, i, j)
        if phase is not None:
            found[phase] += 1
    return bool(found.max() >= _SEVERAL)


def _peak(levels: np.ndarray, i: int, j: int) -> tuple[int, int] | None:
    """Return the only position of the blocks at which a coefficient has steps, or None."""
    from scipy.ndimage import correlate1d

    middle, ends = BLOCK // 2 - 1, BLOCK - 1
    along = correlate1d(levels, _cosine(i), 0, origin=-1)
    both = correlate1d(along, _cosine(j), 1, origin=-1)[middle : middle - ends, middle : middle - ends]
    rows, columns = (n // BLOCK for n in both.shape)
    blocks = both[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK)
    blocks = blocks.transpose(1, 3, 0, 2).reshape(BLOCK**2, -1)  # (positions, blocks)
    spread = np.median(np.abs(blocks - np.median(blocks, 1, keepdims=True)), 1) / 0.6745
    bins = np.rint(blocks / _FINE).astype(int) % _BINS
    counts = np.stack([np.bincount(one, minlength=_BINS) for one in bins])
    trace = np.fft.rfft(counts, axis=1).real / blocks.shape[1]  # mean of cos(2π f coefficient)
    frequency = np.arange(trace.shape[1]) / (_BINS * _FINE)
    lowest = max(1 / _MOST, _SMOOTH / max(float(np.median(spread)), 1e-9))
    clear = trace[:, (frequency > lowest) & (frequency < 1 / _LEAST)]
    if not clear.size:
        return None
    apart = clear - np.median(clear, 0)
    best = int(apart.max(1).argmax())
    others = np.delete(apart, best, 0).max()
    error = (0.5 / blocks.shape[1]) ** 0.5
    if apart[best].max() < max(_CLEAR, _SIGNIFICANT * error, 1.3 * others):
        return None
    return best // BLOCK, best % BLOCK


def _cosine(k: int) -> np.ndarray:
    wave = np.cos(np.pi / BLOCK * k * (np.arange(BLOCK) + 0.5)) * (2 / BLOCK) ** 0.5
    return wave / 2**0.5 if k == 0 else wave
