"""The frames of a series that failed, in words."""

from collections.abc import Mapping, Sequence

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
    listed = "; ".join(f"{_numbered(indices)}: {reason}" for reason, indices in frames.items())
    return f"{len(reasons)} of {total} frames could not be restored ({listed})."


def _numbered(frames: Sequence[Index]) -> str:
    """Return the numbers of frames, such as ``frames 2, 5-7``."""
    ranges: list[list[Index]] = []
    for frame in frames:
        if ranges and frame == (*ranges[-1][-1][:-1], ranges[-1][-1][-1] + 1):
            ranges[-1].append(frame)
        else:
            ranges.append([frame])
    numbers = [_number(one[0]) + (f"-{_number(one[-1])}" if len(one) > 1 else "") for one in ranges]
    return f"frame{'s' if len(frames) > 1 else ''} {', '.join(numbers)}"


def _number(frame: Index) -> str:
    return str(frame[0] if len(frame) == 1 else frame)
