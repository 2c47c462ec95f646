"""The frames of a series that failed, in words."""

from collections.abc import Mapping

from napari_dip.restoration.text import numbered

Index = tuple[int, ...]


def failed_frames(reasons: Mapping[Index, str], total: int) -> str:
    """Return how many frames failed, which ones, and why, in one sentence.

    Parameters
    ----------
    reasons : mapping of tuple of int to str
        Why a frame failed, by its index.
    total : int
        Number of all frames.
    """
    frames: dict[str, list[Index]] = {}
    for index, reason in reasons.items():
        frames.setdefault(reason.rstrip("."), []).append(index)
    listed = "; ".join(f"{numbered(indices)}: {reason}" for reason, indices in frames.items())
    return f"{len(reasons)} of {total} frames could not be restored ({listed})."
