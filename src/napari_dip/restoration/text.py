"""Durations, sizes and the ends of runs in words."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import PureWindowsPath
from typing import TYPE_CHECKING

from napari_dip.optim.iterate import Outcome

#: Different notes that a summary repeats, and characters of a file's name.
_NOTES, _LONGEST_NAME = 3, 80

if TYPE_CHECKING:
    from napari_dip.restoration.result import Restoration


def summary(result: "Restoration") -> str:
    """Return in words how the frames of a run ended."""
    reached, done = len(result.frames), [frame for frame in result.frames if frame.error is None]
    ends = Counter(frame.outcome for frame in done)
    why = " ".join(
        outcome.value if count == reached else f"{outcome.value.rstrip('.')} ({count} of {reached} frames)."
        for outcome, count in ends.items()
    )
    time = duration(sum(frame.seconds for frame in result.frames))
    if set(ends) == {Outcome.UNCHANGED}:
        end = why
    elif set(ends) <= {Outcome.COMPUTED, Outcome.CONSISTENT, Outcome.UNCHANGED}:
        end = f"{why.rstrip('.')}, in {time}."
    elif reached == 1 and result.frames[0].iterations:
        end = f"{why} Iteration {result.frames[0].iterations} was kept, after {time}."
    elif reached == 1:  # its note says what is shown
        end = f"{why} It took {time}."
    else:
        end = f"{why} {len(done)} frames are restored, after {time}."
    if len(done) < reached:
        end += f" {reached - len(done)} of {reached} frames could not be restored."
    return " ".join([*_notes(result), end])


def verdict(result: "Restoration") -> str:
    """Return in words whether the residual of a result is noise; nothing where that was not measured."""
    found = [(frame.index, frame.diagnostics) for frame in result.frames if frame.diagnostics is not None]
    said = list(dict.fromkeys(one.in_words for _, one in found))
    if len(said) < 2:
        return "".join(said)
    good = sum(one.consistent is True for _, one in found)
    bad = [index for index, one in found if one.consistent is False]
    words = [f"The residual is consistent with the noise in {good} of {len(found)} frames."]
    if bad:
        words.append(f"It is not in {numbered(bad)}.")
    if unknown := len(found) - good - len(bad):
        words.append(f"It can't be told in {unknown}.")
    return " ".join(words)


def _notes(result: "Restoration") -> list[str]:
    """Return the notes of all frames, if there are few of them, and what they apply to."""
    noted: dict[str, list[tuple[int, ...]]] = {}
    for frame in result.frames:
        if frame.note and frame.error is None:
            noted.setdefault(frame.note, []).append(frame.index)
    if len(noted) > _NOTES:
        return []
    return [
        note if len(frames) == len(result.frames) else f"{sentence(numbered(frames))[:-1]}: {note}"
        for note, frames in noted.items()
    ]


def numbered(frames: Sequence[tuple[int, ...]]) -> str:
    """Return the numbers of frames, such as ``frames 2, 5-7``."""
    ranges: list[list[tuple[int, ...]]] = []
    for frame in frames:
        if ranges and frame == (*ranges[-1][-1][:-1], ranges[-1][-1][-1] + 1):
            ranges[-1].append(frame)
        else:
            ranges.append([frame])
    numbers = [_number(one[0]) + (f"-{_number(one[-1])}" if len(one) > 1 else "") for one in ranges]
    return f"frame{'s' if len(frames) > 1 else ''} {', '.join(numbers)}"


def _number(frame: tuple[int, ...]) -> str:
    return str(frame[0] if len(frame) == 1 else frame)


def frame_name(frame: tuple[int, ...]) -> str:
    """Return what to call a frame, by its index along the frame axes."""
    return f"frame {', '.join(map(str, frame))}" if frame else "the image"


def memory(count: int) -> str:
    """Return a number of bytes in the unit that suits it."""
    return f"{count / 2**30:.1f} GiB" if count > 2**30 / 10 else f"{count / 2**20:.0f} MiB"


def duration(seconds: float) -> str:
    """Return a time in the unit that suits it."""
    if seconds < 180:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} minutes" if minutes < 90 else f"{math.ceil(minutes / 6) / 10:.1f} hours"


def sentence(reason: str) -> str:
    """Return a reason with a capital and a full stop."""
    return reason[:1].upper() + reason[1:].rstrip(".") + "."


def one_line(text: str) -> str:
    """Return a text on one line: line breaks, and all else that does not print, become spaces."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())


def in_series(words: Sequence[str], last: str = "and") -> str:
    """Return words as a series in a sentence, such as ``a, b and c``."""
    return f" {last} ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def file_name(path: str) -> str:
    """Return the name of a file for a text, in quotation marks, without its folders."""
    name = one_line(PureWindowsPath(path).name)  # it knows the separators of all systems
    return f"“{name if len(name) <= _LONGEST_NAME else f'{name[:_LONGEST_NAME]}…'}”"


def comments(notes: Iterable[str]) -> str:
    """Return notes as comments of Python or of a shell, each on a line of its own."""
    return "".join(f"# {one_line(note)}\n" for note in notes)
